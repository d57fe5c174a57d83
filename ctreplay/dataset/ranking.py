"""Who occurs most often among millions, exactly and in flat memory, in two passes.

The first pass counts by a hash of what is ranked, in a fixed number of counters: none is below the count of anything
that falls into it. The second counts one by one what lies in the highest counters. What lies elsewhere cannot have more
than the counter there, so with the k-th count at least as high as all other counters the first k are right.
"""

from __future__ import annotations

from typing import Any

from ctreplay import octets
from ctreplay.dataset.distinct import Distinct

_COUNTERS = 1 << 18
_MASK = _COUNTERS - 1
_FEW = 64
_MANY = 1 << 13
_START = 1 << 12
_KEY0 = 0x9E3779B97F4A7C15
_KEY1 = 0xC2B2AE3D27D4EB4F
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
        "counters", "entries", "known", "services", "sizes", "threshold", "unreplied", "x_high", "x_low", "x_tail",
    )  # fmt: skip

    def __init__(self, services: bool) -> None:
        self.services = services
        self.counters = _numbers(_COUNTERS, "I")
        self.threshold = 1
        self.reset()

    def reset(self) -> None:
        """Nothing is counted yet."""
        self.known = Distinct()
        self.entries = _numbers(_START)
        self.unreplied = _numbers(_START)
        self.sizes = _numbers(_START)

    def load(self, addresses: Any, proto: Any, dport: Any, i: int) -> int:
        """The key of row `i`; returns its hash with known keys: it chooses the counter, and answers must not differ."""
        self.x_high = octets.be64(addresses, 16 * i)
        self.x_low = octets.be64(addresses, 16 * i + 8)
        self.x_tail = 0
        if self.services:
            kind = proto[i]
            self.x_tail = kind << 16
            if kind == _TCP or kind == _UDP or kind == _SCTP or kind == _UDPLITE:
                self.x_tail |= dport[i]
        return self.known.hash(self.x_high, self.x_low, self.x_tail, _KEY0, _KEY1)

    def check(self, n: int, addresses: Any, proto: Any, dport: Any) -> int:
        """Refuse more rows than there are."""
        if 16 * n > len(addresses) or n > len(proto) or n > len(dport):
            raise IndexError(f"{n} rows are more than there are")
        return 0

    def estimate(self, addresses: Any, proto: Any, dport: Any, n: int) -> int:
        """First pass: 16-byte keys, protocol numbers and ports of `n` rows."""
        self.check(n, addresses, proto, dport)
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

    def count(
        self, addresses: Any, proto: Any, dport: Any, sent: Any, answered: Any, seen_reply: Any, first: int, n: int
    ) -> int:
        """Second pass: `sent` and `answered` are bytes in both directions, `seen_reply` a bit for each row, from bit
        `first` on.
        """
        self.check(n, addresses, proto, dport)
        if n > len(sent) or n > len(answered) or first + n > 8 * len(seen_reply):
            raise IndexError(f"{n} rows are more than there are")
        for i in range(n):
            if self.counters[self.load(addresses, proto, dport, i) & _MASK] < self.threshold:
                continue
            place = self.known.number(self.x_high, self.x_low, self.x_tail)
            if place == len(self.entries):
                self.grow()
            self.entries[place] += 1
            self.sizes[place] += sent[i] + answered[i]
            if not seen_reply[(first + i) >> 3] >> ((first + i) & 7) & 1:
                self.unreplied[place] += 1
        return 0

    def grow(self) -> None:
        """Double the room."""
        columns = [self.entries, self.unreplied, self.sizes]
        self.entries, self.unreplied, self.sizes = fresh = [_numbers(2 * len(column)) for column in columns]
        for old, new in zip(columns, fresh, strict=True):
            new[: len(old)] = old

    def best(self, top: int) -> list[Ranked] | None:
        """The first `top`, and all that have as many entries as the last of them, in no order.

        None when something not counted could belong to them: then `count` all rows once more. Where that would take
        much room, because hardly anything occurs twice, the answer is what was counted. `top` is at most 64.
        """
        known = self.known
        counts = sorted(self.entries[: known.found], reverse=True)[:top]
        least = min(counts, default=1)
        if least < self.threshold and self.used(least) <= _MANY:
            self.threshold = least
            self.reset()
            return None
        return [
            (known.high[i], known.low[i], known.tail[i], self.entries[i], self.unreplied[i], self.sizes[i])
            for i in range(known.found)
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
