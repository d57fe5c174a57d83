"""Addresses as text, a batch at a time, as a dictionary page of a Parquet file has it."""

from __future__ import annotations

from typing import Any

from ctreplay import octets

# bytes of a text, with its length before it
LONGEST = 4 + 45
_U32 = 0xFFFFFFFF


def address_text(key: int, family: int) -> str:
    """Canonical text of an address of 128 bits (RFC 5952 for IPv6); an IPv4 address is its last 32."""
    # most replays need none
    import socket

    if family == 4:
        return socket.inet_ntop(socket.AF_INET, (key & _U32).to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, key.to_bytes(16, "big"))


class AddressText:
    """Writes to `out`, which has room for the longest texts."""

    __slots__ = ("out",)

    def __init__(self, out: Any) -> None:
        self.out = out

    def fill(self, high: Any, low: Any, family: Any, n: int) -> int:
        """Lengths and canonical texts of `n` addresses in two halves (dotted where the `family` is 4); returns the
        bytes written.
        """
        if n > min(len(high), len(low), len(family)) or n * LONGEST > len(self.out):
            raise IndexError(f"{n} addresses are more than there are, or than there is room for")
        o = 0
        for i in range(n):
            begin = o
            o += 4
            if family[i] == 4:
                o = self.v4(low[i] & _U32, o)
            else:
                text = address_text(int(high[i]) << 64 | int(low[i]), 6).encode("ascii")
                for char in text:
                    self.out[o] = char
                    o += 1
            octets.put32le(self.out, begin, o - begin - 4)
        return o

    def v4(self, address: int, o: int) -> int:
        """Dotted decimal, written at `o`."""
        out = self.out
        for shift in range(24, -8, -8):
            value = address >> shift & 255
            if shift < 24:
                out[o] = 46
                o += 1
            if value >= 100:
                out[o] = 48 + value // 100
                o += 1
            if value >= 10:
                out[o] = 48 + value // 10 % 10
                o += 1
            out[o] = 48 + value % 10
            o += 1
        return o
