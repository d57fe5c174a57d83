"""What a first look at a file tells: when it begins, whether it is in order, and which parts have to be
sorted.

Records are taken in blocks. A block older than the end of the one before it is joined to it (and to all
before it that it reaches into); what is left is the finest division into segments that follow each other in
time, so sorting inside each segment sorts the file. Jitter gives many small segments, a file wholly out of
order gives one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .inputs import CaptureFile
    from .reader import Reader

_BLOCK = 256
_CHUNK = 262144


class Plan:
    """How to read a file in order.

    `packets` records seen, `min_ts` the earliest of them (ns), `whole` whether all of the file was looked at.
    `segments` is empty for a file in order, else (records, bytes, in order) of each segment, in file order.
    """

    __slots__ = ("min_ts", "packets", "segments", "whole")

    def __init__(self) -> None:
        self.packets = 0
        self.min_ts = 0
        self.whole = False
        self.segments: list[tuple[int, int, bool]] = []


def scan(file: CaptureFile, limit: int) -> Plan:
    """Look at the first `limit` bytes of a file, and at all of it (always when `limit` is 0) when they are
    disordered.
    """
    small = file.input.size if not file.input.compression else _CHUNK
    reader = file.open_plain([], max(4096, min(_CHUNK, small, limit or _CHUNK)), limit == 0)
    try:
        for fact in file.facts:
            fact.reordered = 0
            fact.max_backstep_ns = 0
        return walk(reader, limit)
    finally:
        reader.close()


def walk(reader: Reader, limit: int) -> Plan:
    """Step through the reader and work out the segments."""
    plan = Plan()
    stack: list[tuple[int, int, int, int, bool]] = []
    packets = 0
    disordered = False
    last = 0
    low = 0
    high = 0
    count = 0
    size = 0
    steady = True
    while reader.step():
        ts = reader.ts
        packets += 1
        if packets > 1 and ts < last:
            fact = reader.fact
            fact.reordered += 1
            fact.max_backstep_ns = max(fact.max_backstep_ns, last - ts)
            disordered = True
        last = ts
        if count == 0:
            low = high = ts
            steady = True
        elif ts < high:
            steady = False
            low = min(low, ts)
        else:
            high = ts
        count += 1
        size += reader.caplen
        if count == _BLOCK:
            push(stack, low, high, count, size, steady)
            count = 0
            size = 0
            if limit and not disordered and reader.offset >= limit:
                plan.packets = packets
                plan.min_ts = stack[0][0]
                return plan
    if count:
        push(stack, low, high, count, size, steady)
    plan.whole = True
    plan.packets = packets
    if packets:
        plan.min_ts = stack[0][0]
    if disordered:
        plan.segments = join(stack)
    return plan


def push(
    stack: list[tuple[int, int, int, int, bool]], low: int, high: int, count: int, size: int, steady: bool
) -> None:
    """Add a block to the stack of segments, joined with those it reaches back into."""
    while stack:
        before = stack.pop()
        if before[1] <= low:
            stack.append(before)
            break
        low, high = min(low, before[0]), max(high, before[1])
        count += before[2]
        size += before[3]
        steady = False
    stack.append((low, high, count, size, steady))


def join(stack: list[tuple[int, int, int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Segments from the stack; neighbours in order become one."""
    segments: list[tuple[int, int, bool]] = []
    ordered, ordered_size = 0, 0
    for _, _, count, size, steady in stack:
        if steady:
            ordered += count
            ordered_size += size
            continue
        if ordered:
            segments.append((ordered, ordered_size, True))
            ordered, ordered_size = 0, 0
        segments.append((count, size, False))
    if ordered:
        segments.append((ordered, ordered_size, True))
    return segments
