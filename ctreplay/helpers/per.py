"""ASN.1 aligned PER (ITU-T X.691), as much of it as H.225.0 and H.245 need: a reader driven by type descriptions.

`read(type, data)` gives plain Python values: a SEQUENCE is a dictionary of the components that are present, a CHOICE a
pair (name, value), strings and object identifiers are bytes of their encoding (only their extent matters here).
Extension additions stand in open types, so those that nobody asks for are passed over by their length. Every read is
bounded by the data; descriptions are not recursive; anything wrong raises PerError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_LONGEST = 0x3FFF
_U32 = 0xFFFFFFFF
_MOST_ADDITIONS = 32


class PerError(ValueError):
    """Bytes that do not follow their type."""


class Bits:
    """A position in a message, in bits."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.end = 8 * len(data)

    def take(self, n: int) -> int:
        """`n` bits as a number."""
        if n > self.end - self.at:
            raise PerError("out of data")
        first = self.at >> 3
        last = (self.at + n + 7) >> 3
        value = int.from_bytes(self.data[first:last], "big") >> (8 * last - self.at - n)
        self.at += n
        return value & ((1 << n) - 1)

    def align(self) -> None:
        """To the next octet."""
        self.at = (self.at + 7) & ~7

    def octets(self, n: int) -> bytes:
        """`n` whole octets."""
        self.align()
        if 8 * n > self.end - self.at:
            raise PerError("out of data")
        first = self.at >> 3
        self.at += 8 * n
        return self.data[first : first + n]

    def length(self) -> int:
        """Length determinant without constraint; the mark of fragments (16 kB and more) is not looked at."""
        self.align()
        if self.end - self.at < 16:
            # the kernel wants room for the long form of a length before it looks
            raise PerError("out of data")
        value = self.take(8)
        if value & 0x80:
            value = (value << 8 | self.take(8)) & _LONGEST
        return value

    def opened(self, kind: Any) -> Any:
        """A value in an open type; `kind` None: passed over. The value may run into what follows, as in the kernel."""
        size = self.length()
        begin = self.at
        if 8 * size > self.end - begin:
            raise PerError("out of data")
        value = None if kind is None else kind.read(self)
        self.at = begin + 8 * size
        return value

    def ranged(self, low: int, high: int) -> int:
        """A whole number between two bounds."""
        span = high - low
        if span < 255:
            return low + self.take(span.bit_length())
        if span < 65536:
            self.align()
            return low + self.take(8 if span == 255 else 16)
        count = 1 + self.take(((span.bit_length() + 7) // 8 - 1).bit_length())
        return low + int.from_bytes(self.octets(count), "big")


@dataclass(frozen=True)
class Null:
    """Nothing."""

    def read(self, bits: Bits) -> Any:
        return None


@dataclass(frozen=True)
class Bool:
    """One bit."""

    def read(self, bits: Bits) -> Any:
        return bool(bits.take(1))


@dataclass(frozen=True)
class Int:
    """INTEGER(low..high)."""

    low: int
    high: int

    def read(self, bits: Bits) -> Any:
        return bits.ranged(self.low, self.high)


@dataclass(frozen=True)
class TrailedInt(Int):
    """An INTEGER over four octets that the kernel's reader steps over twice: as many octets must follow."""

    def read(self, bits: Bits) -> Any:
        count = 1 + bits.take(2)
        value = self.low + int.from_bytes(bits.octets(count), "big")
        bits.octets(count)
        return value & _U32


@dataclass(frozen=True)
class Octets:
    """OCTET STRING of `low` to `high` octets (high None: any), or a string with `width` bits a character."""

    low: int = 0
    high: int | None = None
    width: int = 8

    def read(self, bits: Bits) -> Any:
        if self.high is None:
            return bits.octets(bits.length() if self.low == 0 else bits.octets(1)[0])
        count = self.low if self.low == self.high else bits.ranged(self.low, self.high)
        if self.high * self.width <= 16 and self.low == self.high:
            return bits.take(count * self.width).to_bytes((count * self.width + 7) // 8, "big")
        bits.align()
        first = bits.at >> 3
        bits.take(count * self.width)
        return bits.data[first : (bits.at + 7) >> 3]


# an object identifier: a length of one octet
OID = Octets(1)


@dataclass(frozen=True)
class ListOf:
    """SEQUENCE OF; at most `keep` elements are kept."""

    kind: Any
    keep: int = 0

    def read(self, bits: Bits) -> Any:
        count = bits.length()
        found = []
        for i in range(count):
            value = self.kind.read(bits)
            if i < self.keep:
                found.append(value)
        return found


@dataclass(frozen=True)
class Opened:
    """A value inside an octet string."""

    kind: Any

    def read(self, bits: Bits) -> Any:
        return bits.opened(self.kind)


@dataclass(frozen=True)
class Sequence:
    """SEQUENCE with an extension marker (or not). `fields`: (name, type, optional). `more`: additions that matter, by
    their number. `known`: so many additions the kernel knows; those behind them it takes for present. `last`: no
    addition behind this one is looked at. `needed`: so many components are read, and nothing behind them.
    """

    fields: tuple[tuple[str, Any, bool], ...]
    extensible: bool = True
    more: tuple[tuple[int, str, Any], ...] = ()
    known: int = 0
    last: int | None = None
    needed: int = 0

    def read(self, bits: Bits) -> Any:
        extended = self.extensible and bits.take(1)
        present = [not optional or bits.take(1) for _, _, optional in self.fields]
        found: dict[str, Any] = {}
        for (name, kind, _), here in zip(self.fields[: self.needed or None], present, strict=False):
            if here:
                found[name] = kind.read(bits)
        if self.needed:
            return found
        if extended:
            count = bits.take(7) + 1
            if count > min(_MOST_ADDITIONS, bits.end - bits.at):
                raise PerError("more additions than data, or than the kernel takes")
            wanted = {number: (name, kind) for number, name, kind in self.more}
            skew = bits.at & 7
            if skew + count == 32:
                # the kernel forgets to shift what ends with the fourth octet
                bits.at -= skew
            additions = [bits.take(1) for _ in range(count)]
            bits.align()
            if self.last is not None:
                del additions[self.last + 1 :]
            for number, here in enumerate(additions):
                if here and number in wanted:
                    name, kind = wanted[number]
                    found[name] = bits.opened(kind)
                elif here or number >= self.known:
                    bits.opened(None)
        return found


@dataclass(frozen=True)
class Choice:
    """CHOICE. `kinds`: (name, type) of the root; where the type is None the kernel stops, and reads on with what comes
    after the CHOICE. `more` as in Sequence."""

    kinds: tuple[tuple[str, Any], ...]
    extensible: bool = True
    more: tuple[tuple[int, str, Any], ...] = ()

    def read(self, bits: Bits) -> Any:
        if self.extensible and bits.take(1):
            number = bits.take(7)
            for wanted, name, kind in self.more:
                if wanted == number:
                    return name, None if kind is None else bits.opened(kind)
            bits.opened(None)
            return "", None
        number = bits.ranged(0, len(self.kinds) - 1)
        if number >= len(self.kinds):
            raise PerError("no such alternative")
        name, kind = self.kinds[number]
        return name, None if kind is None else kind.read(bits)


def read(kind: Any, data: bytes) -> Any:
    """The value of a type at the start of `data`."""
    return kind.read(Bits(data))


def must(name: str, kind: Any) -> tuple[str, Any, bool]:
    """A component that is always there."""
    return name, kind, False


def may(name: str, kind: Any) -> tuple[str, Any, bool]:
    """An OPTIONAL component."""
    return name, kind, True


def flags(count: int) -> tuple[tuple[str, Any, bool], ...]:
    """Booleans nobody asks for."""
    return tuple(must(f"flag{i}", Bool()) for i in range(count))


def nothing(*names: str) -> tuple[tuple[str, Any], ...]:
    """Alternatives that are NULL."""
    return tuple((name, Null()) for name in names)
