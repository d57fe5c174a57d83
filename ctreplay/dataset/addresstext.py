"""IPv4 addresses as text, a batch of 16-byte keys at a time, straight into an Arrow string buffer."""

from __future__ import annotations

import socket
from typing import Any

_LONGEST = 46


class AddressText:
    """`fill` writes the texts of `n` keys; `offsets[i]` is where text `i` begins, `offsets[n]` the end."""

    __slots__ = ("offsets", "out")

    def __init__(self, out: Any, offsets: Any) -> None:
        self.out = out
        self.offsets = offsets

    def fill(self, keys: Any, n: int) -> int:
        """Canonical texts of `n` 16-byte keys (RFC 5952 for IPv6); returns the bytes written."""
        o = 0
        for i in range(n):
            self.offsets[i] = o
            if mapped(keys, 16 * i):
                o = self.v4(keys, 16 * i + 12, o)
            else:
                text = socket.inet_ntop(socket.AF_INET6, bytes(keys[16 * i : 16 * i + 16])).encode("ascii")
                for char in text:
                    self.out[o] = char
                    o += 1
        self.offsets[n] = o
        return o

    def v4(self, keys: Any, at: int, o: int) -> int:
        """Dotted decimal of four bytes at `at`, written at `o`."""
        out = self.out
        for i in range(4):
            value = keys[at + i]
            if i:
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


def mapped(keys: Any, at: int) -> bool:
    """Whether the key at `at` is an IPv4 address (::ffff:0:0/96)."""
    for i in range(10):
        if keys[at + i]:
            return False
    return keys[at + 10] == 255 and keys[at + 11] == 255  # type: ignore[no-any-return]


def buffers(n: int) -> tuple[bytearray, bytearray]:
    """Room for the texts of `n` keys, and for their offsets (32-bit)."""
    return bytearray(_LONGEST * n + 1), bytearray(4 * (n + 1))
