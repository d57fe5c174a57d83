"""Columns of codes in Arrow's layout: which rows have a value (a bit each, the first row the lowest), places of names.

Where nothing else is said functions answer how many rows have a value.
"""

from __future__ import annotations

from typing import Any

# of a name in a table of names: the length and up to 15 letters
NAME_ROOM = 16
_NAME_ROOM = NAME_ROOM


def present(column: Any, n: int, absent: int, bits: Any) -> int:
    """Rows of a 64-bit column that differ from `absent`."""
    count = 0
    byte = 0
    for i in range(n):
        yes = column[i] != absent
        count += yes
        byte |= yes << (i & 7)
        if i & 7 == 7:
            bits[i >> 3] = byte
            byte = 0
    if n & 7:
        bits[n >> 3] = byte
    return count


def flagged(column: Any, n: int, mask: int, bits: Any) -> int:
    """Rows of a 32-bit column with a bit of `mask`."""
    count = 0
    byte = 0
    for i in range(n):
        yes = column[i] & mask != 0
        count += yes
        byte |= yes << (i & 7)
        if i & 7 == 7:
            bits[i >> 3] = byte
            byte = 0
    if n & 7:
        bits[n >> 3] = byte
    return count


def chosen(column: Any, n: int, table: Any, bits: Any) -> int:
    """Rows of a column of codes (8 or 16 bits, unsigned) for which `table` says so; none beyond its end."""
    size = len(table)
    count = 0
    byte = 0
    for i in range(n):
        code = column[i]
        yes = code < size and table[code] != 0
        count += yes
        byte |= yes << (i & 7)
        if i & 7 == 7:
            bits[i >> 3] = byte
            byte = 0
    if n & 7:
        bits[n >> 3] = byte
    return count


def places(column: Any, n: int, table: Any, out: Any, bits: Any) -> int:
    """Rows whose code (8 or 16 bits, unsigned) has a place in `table` (-1: none), and these places."""
    size = len(table)
    count = 0
    byte = 0
    for i in range(n):
        code = column[i]
        place = -1
        if code < size:
            place = table[code]
        yes = place >= 0
        out[i] = place if yes else 0
        count += yes
        byte |= yes << (i & 7)
        if i & 7 == 7:
            bits[i >> 3] = byte
            byte = 0
    if n & 7:
        bits[n >> 3] = byte
    return count


def octet(column: Any, n: int, shift: int, out: Any) -> int:
    """Eight bits of a 16-bit column, from bit `shift` on."""
    for i in range(n):
        out[i] = column[i] >> shift & 255
    return n


def numbered(first: int, step: int, out: Any) -> int:
    """Numbers from `first` on, `step` apart."""
    for i in range(len(out)):
        out[i] = first + i * step
    return len(out)


def total(column: Any, n: int, table: Any) -> int:
    """The sum over all rows of what `table` has for their code."""
    sum_ = 0
    for i in range(n):
        sum_ += table[column[i]]
    return sum_


def named_lists(column: Any, n: int, names: Any, offsets: Any, text_offsets: Any, text: Any) -> int:
    """For each row the names of the bits set in its code, as an Arrow list of strings; returns how many names.

    `names` has `NAME_ROOM` bytes for each bit.
    """
    found = 0
    o = 0
    for i in range(n):
        offsets[i] = found
        code = column[i]
        at = 0
        while code:
            if code & 1:
                text_offsets[found] = o
                found += 1
                for k in range(names[at]):
                    text[o] = names[at + 1 + k]
                    o += 1
            code >>= 1
            at += _NAME_ROOM
    offsets[n] = found
    text_offsets[found] = o
    return found
