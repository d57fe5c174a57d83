"""Columns of numbers in the encodings of Parquet (its format specification, Encodings.md).

A column is first collected in `values`, without its nulls, then appended to a page.
"""

from __future__ import annotations

from typing import Any

from ctreplay import octets

_U64 = 0xFFFFFFFFFFFFFFFF
_SIGN = 1 << 63
_U32 = 0xFFFFFFFF
_SIGN_32 = 1 << 31
# DELTA_BINARY_PACKED: differences of a block, and of the parts of it that have a width of their own
_BLOCK = 128
_PART = 32
_PARTS = _BLOCK // _PART
# values of a code that `expand` knows
_MANY = 8
# what fills up the last part, or the last row of `expand`
_SPARE = _PART


class Encoder:
    """`values` holds `count` numbers of a column (negative ones as complements, modulo 2⁶⁴), `low` and `high` are
    their `extent`; `out` is the page, `o` bytes so far.

    Marks are a byte for each row, 1 where it has a value; no marks: every row has one.
    """

    __slots__ = ("count", "high", "low", "o", "out", "values")

    def __init__(self) -> None:
        self.count = self.low = self.high = self.o = 0
        self.values: Any = memoryview(bytearray(8)).cast("Q")
        self.out: Any = memoryview(bytearray(8))

    def begin(self, n: int) -> None:
        """An empty page, with room for levels and values of `n` rows in the longest encoding."""
        if n + _SPARE > len(self.values):
            self.values = memoryview(bytearray(8 * (n + _SPARE))).cast("Q")
            self.out = memoryview(bytearray(10 * n + 1024))
        self.o = 0

    def page(self) -> bytes:
        """What was appended."""
        return bytes(self.out[: self.o])

    def check(self, n: int, rows: int) -> int:
        """Refuse `n` values of a column of `rows`, or more than there is room for."""
        return _rows(n, rows, len(self.values) - _SPARE)

    def reach(self, size: int) -> int:
        """Refuse `size` more bytes where the page has no room for them."""
        if size > len(self.out) - self.o:
            raise IndexError(f"{size} bytes more than {self.o} with room for {len(self.out)}")
        return 0

    # --- collecting ---

    def take(self, column: Any, n: int, marks: Any, shift: int, mask: int) -> int:
        """The marked rows of a column, from bit `shift` on, as far as `mask` goes."""
        self.check(n, len(column))
        values = self.values
        if len(marks) == 0:
            for i in range(n):
                values[i] = column[i] >> shift & mask & _U64
            self.count = n
            return 0
        self.check(n, len(marks))
        k = 0
        for i in range(n):
            values[k] = column[i] >> shift & mask & _U64
            k += marks[i]
        self.count = k
        return 0

    def look_up(self, column: Any, n: int, table: Any, marks: Any) -> int:
        """What `table` has for each code (8 or 16 bits, unsigned); marks are 1 where that is not negative."""
        self.check(n, len(column))
        self.check(n, len(marks))
        values = self.values
        size = len(table)
        k = 0
        for i in range(n):
            code = column[i]
            place = table[code] if code < size else -1
            values[k] = place & _U64
            marks[i] = place >= 0
            k += place >= 0
        self.count = k
        return 0

    def number(self, first: int, n: int) -> int:
        """Numbers from `first` on."""
        self.check(n, n)
        for i in range(n):
            self.values[i] = first + i
        self.count = n
        return 0

    def expand(self, column: Any, n: int, table: Any, counts: Any) -> int:
        """Several values for each code (8 bits): `counts` of them, the first of `_MANY` that `table` has for it."""
        self.check(n, len(column))
        _rows(256, len(table) // _MANY, len(counts))
        values = self.values
        k = 0
        for i in range(n):
            code = column[i]
            self.check(k, k)
            # all of them, without a branch: what is too much is written over
            for j in range(_MANY):
                values[k + j] = table[_MANY * code + j]
            k += counts[code]
        self.count = k
        return 0

    def extent(self) -> int:
        """Smallest and largest value, where there is one."""
        values = self.values
        # with the sign turned the order of signed numbers is that of unsigned ones
        low = high = values[0] ^ _SIGN
        for i in range(1, self.count):
            value = values[i] ^ _SIGN
            low = value if value < low else low
            high = value if value > high else high
        self.low = low - _SIGN
        self.high = high - _SIGN
        return 0

    # --- appending ---

    def append(self, data: Any) -> int:
        """Bytes as they are."""
        size = len(data)
        self.reach(size)
        out = self.out
        o = self.o
        for i in range(size):
            out[o + i] = data[i]
        self.o = o + size
        return 0

    def put(self, byte: int) -> int:
        """One byte."""
        self.reach(1)
        self.out[self.o] = byte
        self.o += 1
        return 0

    def varint(self, value: int) -> int:
        """Seven bits a byte, the lowest first (ULEB128)."""
        while value >= 128:
            self.put(value & 127 | 128)
            value >>= 7
        return self.put(value)

    def run(self, value: int, n: int) -> int:
        """`n` times the same level or place, of at most 8 bits."""
        self.varint(n << 1)
        return self.put(value)

    def marked_run(self, marks: Any, n: int) -> int:
        """Levels 0 and 1, a bit each, as one bit-packed run."""
        self.varint((n + 7) // 8 << 1 | 1)
        self.check(n, len(marks))
        self.reach(n // 8)
        out = self.out
        o = self.o
        for i in range(n // 8):
            at = 8 * i
            out[o + i] = (
                marks[at]
                | marks[at + 1] << 1
                | marks[at + 2] << 2
                | marks[at + 3] << 3
                | marks[at + 4] << 4
                | marks[at + 5] << 5
                | marks[at + 6] << 6
                | marks[at + 7] << 7
            )
        self.o = o + n // 8
        byte = 0
        for i in range(n & ~7, n):
            byte |= marks[i] << (i & 7)
        return self.put(byte) if n & 7 else 0

    def packed_run(self, width: int) -> int:
        """The values as one bit-packed run of the RLE hybrid."""
        self.varint((self.count + 7) // 8 << 1 | 1)
        return self.pack(width)

    def pack(self, width: int) -> int:
        """`width` bits of each value, the lowest first, filled up to a multiple of eight values."""
        end = (self.count + 7) // 8 * 8
        for i in range(self.count, end):
            self.values[i] = 0
        return self.bits(0, end, width)

    def bits(self, begin: int, end: int, width: int) -> int:
        """`width` bits of each of these values."""
        # the last number is written whole
        self.reach((end - begin) * width // 8 + 8)
        values = self.values
        out = self.out
        o = self.o
        bits = 0
        fill = 0
        for i in range(begin, end):
            value = values[i]
            bits |= value << fill & _U64
            fill += width
            if fill >= 64:
                octets.put64le(out, o, bits)
                o += 8
                fill -= 64
                bits = value >> (width - fill) if fill else 0
        octets.put64le(out, o, bits)
        self.o = o + fill // 8
        return 0

    def plain32(self) -> int:
        """Four bytes of each value (PLAIN)."""
        self.reach(4 * self.count)
        values = self.values
        out = self.out
        o = self.o
        for i in range(self.count):
            octets.put32le(out, o + 4 * i, values[i] & _U32)
        self.o = o + 4 * self.count
        return 0

    def deltas(self, wide: bool) -> int:
        """DELTA_BINARY_PACKED numbers of 64 bits, or (not `wide`) of 32; the values become differences."""
        mask = _U64 if wide else _U32
        # differences wrap around; with this added the order of signed ones is that of unsigned ones
        sign = _SIGN if wide else _SIGN_32
        values = self.values
        count = self.count
        self.varint(_BLOCK)
        self.varint(_PARTS)
        self.varint(count)
        before = values[0] & mask if count else 0
        self.zigzag(before, sign, mask)
        for first in range(1, count, _BLOCK):
            end = min(first + _BLOCK, count)
            least = mask
            for i in range(first, end):
                value = values[i]
                delta = (value - before + sign) & mask
                before = value
                values[i] = delta
                least = delta if delta < least else least
            for i in range(first, end):
                values[i] -= least
            self.zigzag((least - sign) & mask, sign, mask)
            self.parts(first, end)
        return 0

    def zigzag(self, value: int, sign: int, mask: int) -> int:
        """A signed number whose absolute value is small in few bytes."""
        return self.varint((value << 1 & mask) ^ (mask if value & sign else 0))

    def parts(self, first: int, end: int) -> int:
        """The widths of the parts of a block, and their bits; the last one is filled up."""
        self.reach(_PARTS)
        values = self.values
        widths = self.o
        self.o += _PARTS
        for part in range(_PARTS):
            at = first + part * _PART
            every = 0
            if at < end:
                for i in range(end, at + _PART):
                    values[i] = 0
                for i in range(at, at + _PART):
                    every |= values[i]
            width = 0
            while every >> width > 255:
                width += 8
            every >>= width
            while every:
                every >>= 1
                width += 1
            self.out[widths + part] = width
            if width:
                self.bits(at, at + _PART, width)
        return 0


def _rows(n: int, one: int, other: int) -> int:
    """Refuse `n` rows of columns, or with room, for fewer."""
    if n > one or n > other:
        raise IndexError(f"{n} rows of {min(one, other)}")
    return 0


def present(column: Any, n: int, absent: int, marks: Any) -> int:
    """Mark the rows of a 64-bit column that differ from `absent`; returns how many."""
    _rows(n, len(column), len(marks))
    count = 0
    for i in range(n):
        here = column[i] != absent
        marks[i] = here
        count += here
    return count


def chosen(column: Any, n: int, table: Any, marks: Any) -> int:
    """Mark the rows of a column of codes (8 or 16 bits, unsigned) that `table` marks, none beyond its end; returns how
    many.
    """
    _rows(n, len(column), len(marks))
    size = len(table)
    count = 0
    for i in range(n):
        code = column[i]
        here = table[code] if code < size else 0
        marks[i] = here
        count += here
    return count


def same(one: Any, other: Any, n: int) -> bool:
    """Whether two 64-bit columns have the same values."""
    _rows(n, len(one), len(other))
    differing = 0
    for i in range(n):
        differing |= one[i] ^ other[i]
    return differing == 0


def total(column: Any, n: int, counts: Any) -> int:
    """The sum of what `counts` has for each code (8 bits)."""
    _rows(n, len(column), n)
    _rows(256, len(counts), 256)
    count = 0
    for i in range(n):
        count += counts[column[i]]
    return count


def occurring(column: Any, n: int, seen: Any) -> int:
    """Set `seen` to 1 at every code (8 or 16 bits, unsigned) that occurs."""
    _rows(n, len(column), n)
    size = len(seen)
    for i in range(n):
        code = column[i]
        if code >= size:
            raise IndexError(f"code {code} of {size}")
        seen[code] = 1
    return 0
