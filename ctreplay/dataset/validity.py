"""Columns of codes in Arrow's layout: which rows have a value, and where its name is.

`marks` are a byte for each row, 1 where it has a value; `pack` makes bits of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# of a name in a table of names: the length and up to 15 letters
_NAME_ROOM = 16


def present(column: Any, n: int, absent: int, marks: Any) -> int:
    """Mark the rows of a 64-bit column that differ from `absent`."""
    for i in range(n):
        marks[i] = column[i] != absent
    return 0


def flagged(column: Any, n: int, mask: int, marks: Any) -> int:
    """Mark the rows of a 32-bit column with a bit of `mask`."""
    for i in range(n):
        marks[i] = column[i] & mask != 0
    return 0


def chosen(column: Any, n: int, table: Any, marks: Any) -> int:
    """Mark the rows of a column of codes (8 or 16 bits, unsigned) that `table` marks; none beyond its end."""
    size = len(table)
    for i in range(n):
        code = column[i]
        marks[i] = table[code] if code < size else 0
    return 0


def places(column: Any, n: int, table: Any, out: Any, marks: Any) -> int:
    """Mark the rows whose code (8 or 16 bits, unsigned) has a place in `table` (-1: none), and give these places."""
    size = len(table)
    for i in range(n):
        code = column[i]
        place = table[code] if code < size else -1
        marks[i] = place >= 0
        out[i] = place if place >= 0 else 0
    return 0


def pack(marks: Any, n: int, bits: Any) -> int:
    """A bit for each row, the first one the lowest of the first byte; returns how many are 1."""
    count = 0
    for i in range(n):
        count += marks[i]
    for i in range(n >> 3):
        at = 8 * i
        bits[i] = (
            marks[at]
            | marks[at + 1] << 1
            | marks[at + 2] << 2
            | marks[at + 3] << 3
            | marks[at + 4] << 4
            | marks[at + 5] << 5
            | marks[at + 6] << 6
            | marks[at + 7] << 7
        )
    byte = 0
    for i in range(n & ~7, n):
        byte |= marks[i] << (i & 7)
    if n & 7:
        bits[n >> 3] = byte
    return count


def octet(column: Any, n: int, shift: int, out: Any) -> int:
    """Eight bits of a 16-bit column, from bit `shift` on."""
    for i in range(n):
        out[i] = column[i] >> shift & 255
    return 0


def numbered(first: int, step: int, out: Any) -> int:
    """Numbers from `first` on, `step` apart."""
    for i in range(len(out)):
        out[i] = first + i * step
    return 0


def total(column: Any, n: int, table: Any) -> int:
    """The sum over all rows of what `table` has for their code."""
    sum_ = 0
    for i in range(n):
        sum_ += table[column[i]]
    return sum_


def name_table(names: Sequence[str]) -> bytes:
    """Names as `named_lists` reads them."""
    return b"".join((bytes([len(name)]) + name.encode()).ljust(_NAME_ROOM, b"\0") for name in names)


def named_lists(column: Any, n: int, names: Any, offsets: Any, text_offsets: Any, text: Any) -> int:
    """For each row the names of the bits set in its code, as an Arrow list of strings.

    `names` is a `name_table` with a name for each bit.
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
    return 0
