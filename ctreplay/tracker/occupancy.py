"""How full the table was, second by second of capture time."""

from __future__ import annotations

from ctreplay.tracker.entry import Entry

_SECOND = 1_000_000_000
_SEEN_REPLY = 0x2
_ASSURED = 0x4
_PROTOS = 8
_STATES = 19


class Occupancy:
    """Live counts and what happened in the present second.

    `protos` by index tcp, udp, icmp, icmpv6, sctp, gre, udplite, other; `states` as in `codes.STATES`.
    """

    __slots__ = (
        "assured", "destroys", "dirty", "early_drops", "entries", "full_drops", "inserts", "next_second", "packets",
        "peak", "peak_ever", "peak_ts", "protos", "second", "states", "unreplied",
    )  # fmt: skip

    def __init__(self) -> None:
        self.protos = memoryview(bytearray(8 * _PROTOS)).cast("q")
        self.states = memoryview(bytearray(8 * _STATES)).cast("q")
        self.entries = self.assured = self.unreplied = 0
        self.inserts = self.destroys = self.early_drops = self.full_drops = self.packets = 0
        self.peak = 0
        self.peak_ever = 0
        self.peak_ts = 0
        self.second = 0
        self.next_second = 0
        self.dirty = False

    def start(self, now: int) -> int:
        """Begin the second that `now` lies in."""
        self.second = now - now % _SECOND
        self.next_second = self.second + _SECOND
        self.inserts = self.destroys = self.early_drops = self.full_drops = self.packets = 0
        self.peak = self.entries
        self.dirty = False
        return 0

    def add(self, e: Entry, now: int) -> int:
        """An entry was confirmed."""
        self.entries += 1
        self.inserts += 1
        self.unreplied += 1
        self.protos[proto_index(e.proto)] += 1
        if e.proto == 6:
            self.states[e.state] += 1
        elif e.proto == 132:
            self.states[10 + e.state] += 1
        if self.entries > self.peak:
            self.peak = self.entries
            if self.entries > self.peak_ever:
                self.peak_ever = self.entries
                self.peak_ts = now
        self.dirty = True
        return 0

    def remove(self, e: Entry, state: int, status: int) -> int:
        """An entry was destroyed; it was last counted under `state` and `status`."""
        self.entries -= 1
        self.destroys += 1
        if not status & _SEEN_REPLY:
            self.unreplied -= 1
        if status & _ASSURED:
            self.assured -= 1
        self.protos[proto_index(e.proto)] -= 1
        if e.proto == 6:
            self.states[state] -= 1
        elif e.proto == 132:
            self.states[10 + state] -= 1
        self.dirty = True
        return 0

    def change(self, e: Entry, state: int, status: int) -> int:
        """A counted entry changed from `state` and `status` to what it holds now."""
        if e.state != state:
            if e.proto == 6:
                self.states[state] -= 1
                self.states[e.state] += 1
            elif e.proto == 132:
                self.states[10 + state] -= 1
                self.states[10 + e.state] += 1
        if (e.status ^ status) & _SEEN_REPLY:
            self.unreplied -= 1
        if (e.status ^ status) & _ASSURED:
            self.assured += 1
        self.dirty = True
        return 0


def proto_index(proto: int) -> int:
    """Index in `Occupancy.protos`."""
    if proto == 6:
        return 0
    if proto == 17:
        return 1
    if proto == 1:
        return 2
    if proto == 58:
        return 3
    if proto == 132:
        return 4
    if proto == 47:
        return 5
    if proto == 136:
        return 6
    return 7
