"""The order of timestamps, by merging runs that are in order already: captures are nearly sorted.

Two neighbouring runs are merged in place and only as far as they overlap, so jitter costs little more than looking.
"""

from __future__ import annotations

from array import array
from typing import Any

# shorter runs are brought to this length one by one
_SHORT = 16


def order_of(times: array[int], count: int) -> array[int]:
    """Positions of the first `count` times (64-bit numbers) in ascending order; equal times keep their order."""
    keys = times[:count]
    order = array("q", [0]) * count
    # keys and positions move together, so that all is read in sequence
    sort(keys, order, count)
    return order


def sort(keys: Any, order: Any, count: int) -> None:
    """Sort `keys` and fill `order` with where each came from."""
    k = memoryview(keys)
    o = memoryview(order)
    for i in range(count):
        o[i] = i
    ends = array("q")
    end = 0
    while end < count:
        end = run(k, o, end, count)
        ends.append(end)
    spare_keys = memoryview(array("q", [0]) * (count if len(ends) > 1 else 0))
    spare_order = memoryview(array("q", [0]) * (count if len(ends) > 1 else 0))
    while len(ends) > 1:
        merged = array("q")
        begin = 0
        for i in range(0, len(ends), 2):
            middle = ends[i]
            end = ends[i + 1] if i + 1 < len(ends) else middle
            if middle < end:
                merge(k, o, spare_keys, spare_order, begin, middle, end)
            merged.append(end)
            begin = end
        ends = merged


def run(k: Any, o: Any, begin: int, count: int) -> int:
    """The end of a run from `begin` on, made of what follows where there is only a short one."""
    end = begin + 1
    while end < count and k[end] >= k[end - 1]:
        end += 1
    while end < count and end - begin < _SHORT:
        key = k[end]
        position = o[end]
        i = end
        while i > begin and k[i - 1] > key:
            k[i] = k[i - 1]
            o[i] = o[i - 1]
            i -= 1
        k[i] = key
        o[i] = position
        end += 1
    return end


def merge(k: Any, o: Any, spare_keys: Any, spare_order: Any, begin: int, middle: int, end: int) -> int:
    """Merge the runs that end at `middle` and `end`."""
    # what is not younger than all of the right one stays, and what is not older than all of the left one
    key = k[middle]
    low = begin
    high = middle
    while low < high:
        i = (low + high) >> 1
        if k[i] > key:
            high = i
        else:
            low = i + 1
    at = low
    if at == middle:
        return 0
    key = k[middle - 1]
    low = middle
    high = end
    while low < high:
        i = (low + high) >> 1
        if k[i] < key:
            low = i + 1
        else:
            high = i
    end = low
    length = middle - at
    for i in range(length):
        spare_keys[i] = k[at + i]
        spare_order[i] = o[at + i]
    left = 0
    right = middle
    while right < end:
        # the left one first when they are equal
        if k[right] < spare_keys[left]:
            k[at] = k[right]
            o[at] = o[right]
            right += 1
        else:
            k[at] = spare_keys[left]
            o[at] = spare_order[left]
            left += 1
        at += 1
    for i in range(left, length):
        k[at] = spare_keys[i]
        o[at] = spare_order[i]
        at += 1
    return 0
