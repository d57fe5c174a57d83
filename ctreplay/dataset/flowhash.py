"""Community ID version 1 for a whole batch of connections, as a page of a Parquet file has it."""

from __future__ import annotations

from typing import Any

from ctreplay import octets
from ctreplay.dataset import sha1

_TEXT = 30
# with its length before it
_ROOM = 4 + _TEXT


class FlowHash:
    """`fill` computes the IDs; `ports` of ICMP are type and code, with the counterpart type as the other port.

    `fast` is whether the processor's own SHA-1 is taken.
    """

    __slots__ = ("block", "fast", "out", "pair")

    def __init__(self, pairs: dict[int, dict[int, int]], out: Any) -> None:
        self.block = memoryview(bytearray(64))
        self.fast = sha1.extensions()
        # counterpart of an ICMP type: 256 values each for ICMP and ICMPv6, 65535 when there is none
        self.pair = memoryview(bytearray(2 * 512)).cast("H")
        for i in range(512):
            self.pair[i] = pairs[1 if i < 256 else 58].get(i & 255, 65535)
        self.out = out

    def fill(self, src: Any, dst: Any, proto: Any, family: Any, sport: Any, dport: Any, n: int) -> int:
        """IDs of `n` rows into `out`, each with its length before it."""
        if (
            n * _ROOM > len(self.out)
            or 16 * n > min(len(src), len(dst))
            or n > min(len(proto), len(family), len(sport), len(dport))
        ):
            raise IndexError(f"{n} rows are more than there are")
        for i in range(n):
            skip = 0 if family[i] == 6 else 12
            octets.put32le(self.out, i * _ROOM, _TEXT)
            self.row(src, dst, i * 16 + skip, 16 - skip, proto[i], sport[i], dport[i], i * _ROOM + 4)
        return 0

    def row(self, src: Any, dst: Any, o: int, size: int, proto: int, sport: int, dport: int, begin: int) -> int:
        """The ID of one tuple at `begin` of `out`; addresses are `size` bytes at `o`."""
        b = self.block
        one_way = False
        if proto == 1 or proto == 58:
            kind = dport >> 8
            other = self.pair[kind + (0 if proto == 1 else 256)]
            sport = kind
            if other == 65535:
                one_way = True
                dport = dport & 255
            else:
                dport = other
        order = 0
        if not one_way:
            for i in range(size):
                if src[o + i] != dst[o + i]:
                    order = 1 if src[o + i] > dst[o + i] else -1
                    break
            if order == 0 and sport > dport:
                order = 1
        b[0] = b[1] = 0
        for i in range(size):
            b[2 + i] = dst[o + i] if order == 1 else src[o + i]
            b[2 + size + i] = src[o + i] if order == 1 else dst[o + i]
        if order == 1:
            sport, dport = dport, sport
        at = 2 + 2 * size
        b[at] = proto
        b[at + 1] = 0
        at += 2
        if proto == 6 or proto == 17 or proto == 1 or proto == 58 or proto == 132:
            b[at] = sport >> 8
            b[at + 1] = sport & 255
            b[at + 2] = dport >> 8
            b[at + 3] = dport & 255
            at += 4
        self.out[begin] = 49
        self.out[begin + 1] = 58
        return sha1.text(b, at, self.out, begin + 2, self.fast)
