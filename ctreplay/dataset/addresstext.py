"""IPv4 addresses as text, a batch at a time, straight into an Arrow string buffer."""

from __future__ import annotations

import socket
from typing import Any

# bytes of a text
LONGEST = 46
_MAPPED = 0xFFFF
_U32 = 0xFFFFFFFF


class AddressText:
    """`fill` writes the texts; `offsets[i]` is where text `i` begins, `offsets[n]` the end."""

    __slots__ = ("offsets", "out")

    def __init__(self, out: Any, offsets: Any) -> None:
        self.out = out
        self.offsets = offsets

    def fill(self, high: Any, low: Any, n: int) -> int:
        """Canonical texts of `n` addresses in two halves (RFC 5952 for IPv6); returns the bytes written."""
        o = 0
        for i in range(n):
            self.offsets[i] = o
            # ::ffff:0:0/96
            if high[i] == 0 and low[i] >> 32 == _MAPPED:
                o = self.v4(low[i] & _U32, o)
            else:
                key = int(high[i]).to_bytes(8, "big") + int(low[i]).to_bytes(8, "big")
                text = socket.inet_ntop(socket.AF_INET6, key).encode("ascii")
                for char in text:
                    self.out[o] = char
                    o += 1
        self.offsets[n] = o
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
