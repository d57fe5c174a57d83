"""Who occurs most often among millions, exactly and in flat memory, in two passes.

The first pass counts by a hash of what is ranked, in a fixed number of counters: none is below the count of anything
that falls into it. The second counts one by one what lies in the highest counters. What lies elsewhere cannot have more
than the counter there, so with the k-th count at least as high as all other counters the first k are right.
"""

from __future__ import annotations

from typing import Any

from ctreplay import octets

_COUNTERS = 1 << 18
_MASK = _COUNTERS - 1
_FEW = 64
_MANY = 1 << 13
_START = 1 << 12
_U64 = 0xFFFFFFFFFFFFFFFF
_K1 = 0x9E3779B97F4A7C15
_K2 = 0xC2B2AE3D27D4EB4F
_TCP = 6
_UDP = 17
_SCTP = 132
_UDPLITE = 136

# 16-byte address key as two halves, protocol << 16 | port (0 for sources), entries, unreplied, bytes
Ranked = tuple[int, int, int, int, int, int]


def _numbers(count: int, code: str = "Q") -> Any:
    """`count` zeros of eight bytes (code I: four)."""
    return memoryview(bytearray(count * (4 if code == "I" else 8))).cast(code)  # type: ignore[call-overload]


class Ranking:
    """Ranks addresses, or with `services` (protocol, address, port).

    `estimate` all rows, `begin`, `count` all rows again; `best` gives the first, or asks with None to `count` them once
    more.
    """

    __slots__ = (
        "counters", "entries", "high", "kept", "low", "mask", "services", "sizes", "slots", "tail", "threshold",
        "unreplied", "x_high", "x_low", "x_tail",
    )  # fmt: skip

    def __init__(self, services: bool) -> None:
        self.services = services
        self.counters = _numbers(_COUNTERS, "I")
        self.threshold = 1
        self.reset(_START)

    def reset(self, size: int) -> None:
        """Nothing counted yet, and room for `size` // 2."""
        self.kept = 0
        self.mask = size - 1
        # place in the others, from 1
        self.slots = _numbers(size, "I")
        self.high = _numbers(size // 2)
        self.low = _numbers(size // 2)
        self.tail = _numbers(size // 2)
        self.entries = _numbers(size // 2)
        self.unreplied = _numbers(size // 2)
        self.sizes = _numbers(size // 2)

    def load(self, addresses: Any, proto: Any, dport: Any, i: int) -> int:
        """The key of row `i`; returns its hash."""
        self.x_high = octets.be64(addresses, 16 * i)
        self.x_low = octets.be64(addresses, 16 * i + 8)
        self.x_tail = 0
        if self.services:
            kind = proto[i]
            self.x_tail = kind << 16
            if kind == _TCP or kind == _UDP or kind == _SCTP or kind == _UDPLITE:
                self.x_tail |= dport[i]
        return hash_of(self.x_high, self.x_low, self.x_tail)

    def estimate(self, addresses: Any, proto: Any, dport: Any, n: int) -> int:
        """First pass: 16-byte keys, protocol numbers and ports of `n` rows."""
        for i in range(n):
            self.counters[self.load(addresses, proto, dport, i) & _MASK] += 1
        return 0

    def begin(self) -> None:
        """Between the passes: only what lies in the highest counters is counted."""
        self.threshold = self.reached(_FEW)

    def reached(self, many: int) -> int:
        """The highest value that at least `many` counters have reached, 1 if so many are not used."""
        per_value = _numbers(1 << 16)
        for i in range(_COUNTERS):
            value = self.counters[i]
            per_value[value if value < 65535 else 65535] += 1
        sum_ = 0
        value = 65535
        while value > 1:
            sum_ += per_value[value]
            if sum_ >= many:
                break
            value -= 1
        return value

    def count(self, addresses: Any, proto: Any, dport: Any, sizes: Any, seen_reply: Any, n: int) -> int:
        """Second pass: `sizes` are bytes of both directions, `seen_reply` 1 or 0 for each row."""
        for i in range(n):
            hashed = self.load(addresses, proto, dport, i)
            if self.counters[hashed & _MASK] < self.threshold:
                continue
            place = self.place(hashed)
            self.entries[place] += 1
            self.sizes[place] += sizes[i]
            if not seen_reply[i]:
                self.unreplied[place] += 1
        return 0

    def place(self, hashed: int) -> int:
        """Where the key loaded last is counted."""
        at = hashed & self.mask
        found: int = 0
        while True:
            found = self.slots[at]
            if found == 0:
                break
            found -= 1
            if self.low[found] == self.x_low and self.tail[found] == self.x_tail and self.high[found] == self.x_high:
                return found
            at = (at + 1) & self.mask
        found = self.kept
        if 2 * (found + 1) > self.mask:
            self.grow()
            return self.place(hashed)
        self.kept = found + 1
        self.slots[at] = found + 1
        self.high[found] = self.x_high
        self.low[found] = self.x_low
        self.tail[found] = self.x_tail
        return found

    def grow(self) -> None:
        """Double the room."""
        kept = self.kept
        columns = [self.high, self.low, self.tail, self.entries, self.unreplied, self.sizes]
        self.reset(2 * (self.mask + 1))
        fresh = [self.high, self.low, self.tail, self.entries, self.unreplied, self.sizes]
        for old, new in zip(columns, fresh, strict=True):
            new[: len(old)] = old
        for i in range(kept):
            at = hash_of(self.high[i], self.low[i], self.tail[i]) & self.mask
            while self.slots[at]:
                at = (at + 1) & self.mask
            self.slots[at] = i + 1
        self.kept = kept

    def best(self, top: int) -> list[Ranked] | None:
        """The first `top`, and all that have as many entries as the last of them, in no order.

        None when something not counted could belong to them: then `count` all rows once more. Where that would take
        much room, because hardly anything occurs twice, the answer is what was counted. `top` is at most 64.
        """
        counts = sorted(self.entries[: self.kept], reverse=True)[:top]
        least = min(counts, default=1)
        if least < self.threshold and self.used(least) <= _MANY:
            self.threshold = least
            self.reset(_START)
            return None
        return [
            (self.high[i], self.low[i], self.tail[i], self.entries[i], self.unreplied[i], self.sizes[i])
            for i in range(self.kept)
            if self.entries[i] >= least
        ]

    def used(self, threshold: int) -> int:
        """Counters that have reached `threshold`."""
        sum_ = 0
        for i in range(_COUNTERS):
            if self.counters[i] >= threshold:
                sum_ += 1
        return sum_


def rankings() -> tuple[Ranking, Ranking]:
    """Of sources and of services."""
    return Ranking(False), Ranking(True)


def hash_of(high: int, low: int, tail: int) -> int:
    """32 bits of a key."""
    x = ((low ^ tail << 32) * _K1) & _U64
    x = ((x ^ x >> 29 ^ high) * _K2) & _U64
    return x >> 32
