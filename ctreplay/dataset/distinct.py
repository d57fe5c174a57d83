"""Addresses, or addresses with a protocol and port, numbered in the order in which they first occur."""

from __future__ import annotations

from typing import Any

from ctreplay import keyedhash, octets

_START = 1 << 10
_MAPPED = 0xFFFF


class Distinct:
    """Numbers keys from 0 on: `high` and `low`, halves of an address, and `tail`, a number; `found` of them so far.

    The hash has keys, because whoever sends the packets chooses the addresses; no number depends on them.
    """

    __slots__ = ("found", "high", "key0", "key1", "low", "mask", "slots", "tail")

    def __init__(self) -> None:
        self.key0 = keyedhash.key()
        self.key1 = keyedhash.key()
        self.found = 0
        self.high: Any = None
        self.low: Any = None
        self.tail: Any = None
        self.resize(_START)

    def resize(self, size: int) -> int:
        """Room for `size` // 2 keys, with what was found so far."""
        found = self.found
        slots = memoryview(bytearray(4 * size)).cast("I")
        high = memoryview(bytearray(4 * size)).cast("Q")
        low = memoryview(bytearray(4 * size)).cast("Q")
        tail = memoryview(bytearray(2 * size)).cast("I")
        self.mask = size - 1
        if found:
            high[:found] = self.high[:found]
            low[:found] = self.low[:found]
            tail[:found] = self.tail[:found]
        for i in range(found):
            at = self.hash(high[i], low[i], tail[i], self.key0, self.key1) & self.mask
            while slots[at]:
                at = (at + 1) & self.mask
            slots[at] = i + 1
        # number of the key, from 1
        self.slots = slots
        self.high = high
        self.low = low
        self.tail = tail
        return 0

    def hash(self, high: int, low: int, tail: int, key0: int, key1: int) -> int:
        """64 bits of a key."""
        return keyedhash.fold(keyedhash.fold(low ^ key0, high ^ key1) ^ tail, key0)

    def number(self, high: int, low: int, tail: int) -> int:
        """The number of a key, a new one if it did not occur yet."""
        at = self.hash(high, low, tail, self.key0, self.key1) & self.mask
        while True:
            one = self.slots[at]
            if one == 0:
                break
            one -= 1
            if self.low[one] == low and self.tail[one] == tail and self.high[one] == high:
                return one
            at = (at + 1) & self.mask
        one = self.found
        if 2 * (one + 1) > self.mask:
            self.resize(2 * (self.mask + 1))
            return self.number(high, low, tail)
        self.high[one] = high
        self.low[one] = low
        self.tail[one] = tail
        self.slots[at] = one + 1
        self.found = one + 1
        return one

    def numbers(self, keys: Any, n: int, marks: Any, families: Any, out: Any) -> int:
        """Numbers of the marked ones (no marks: of all) of `n` addresses of 16 bytes; returns how many.

        IPv4 addresses are in ::ffff:0:0/96, where IPv6 has its own: there the tail is the family, elsewhere 0.
        """
        every = len(marks) == 0
        k = 0
        for i in range(n):
            if every or marks[i]:
                high = octets.be64(keys, 16 * i)
                low = octets.be64(keys, 16 * i + 8)
                out[k] = self.number(high, low, families[i] if high == 0 and low >> 32 == _MAPPED else 0)
                k += 1
        return k

    def keys(self) -> bytes:
        """All addresses found, 16 bytes each."""
        keys = bytearray(16 * self.found)
        out = memoryview(keys)
        for i in range(self.found):
            octets.put64(out, 16 * i, self.high[i])
            octets.put64(out, 16 * i + 8, self.low[i])
        return bytes(keys)

    def extreme(self, greatest: bool) -> int:
        """The number of the smallest address found, or of the `greatest`."""
        best = 0
        for i in range(1, self.found):
            if self.high[i] == self.high[best]:
                less = self.low[i] < self.low[best]
            else:
                less = self.high[i] < self.high[best]
            if less != greatest:
                best = i
        return best
