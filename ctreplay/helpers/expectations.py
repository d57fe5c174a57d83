"""The expectation table: what helpers announced and no connection has used yet (nf_conntrack_expect).

Addresses are the 16-byte keys as integers (IPv4 mapped). The mask covers the source only; destination address and
port, protocol and family always match exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Protocol

from ctreplay.tracker.entry import Entry

PERMANENT = 0x1
INACTIVE = 0x2
ALL = (1 << 128) - 1
_SECOND = 1_000_000_000
_NEVER = 0x7FFFFFFFFFFFFFFF

ADDED = "added"
ALREADY = "already"
BUSY = "busy"
FULL = "full"

Key = tuple[int, int, int, int, int]


class Expectation:
    """One expected connection (struct nf_conntrack_expect); times are ns, `timeout_s` is its class's policy."""

    __slots__ = (
        "alive", "child", "child_conn_id", "created_packet", "created_ts", "deadline", "dport", "dst", "family",
        "flags", "helper", "kind", "master", "number", "on_match", "proto", "sport", "sport_mask", "src", "src_mask",
        "text", "timeout_s", "zone",
    )  # fmt: skip

    def __init__(
        self,
        master: Entry,
        helper: str,
        *,
        proto: int,
        src: int,
        dst: int,
        dport: int,
        src_mask: int = ALL,
        sport: int = 0,
        sport_mask: int = 0,
        kind: int = 0,
        flags: int = 0,
        child: object | None = None,
        text: str = "",
    ) -> None:
        self.master = master
        self.helper = helper
        self.family: int = master.family
        self.zone: int = master.zone
        self.proto = proto
        self.src_mask = src_mask
        self.src = src & src_mask
        self.sport_mask = sport_mask
        self.sport = sport & sport_mask
        self.dst = dst
        self.dport = dport
        self.kind = kind
        self.flags = flags
        self.child = child
        self.on_match: object | None = None
        self.text = text
        self.number = 0
        self.alive = False
        self.timeout_s = 0
        self.deadline = 0
        self.created_ts = 0
        self.created_packet = 0
        self.child_conn_id = 0

    @property
    def key(self) -> Key:
        """What must match exactly: chains of the table are keyed by it."""
        return (self.dst, self.dport, self.family, self.proto, self.zone)

    def same(self, other: Expectation) -> bool:
        """Equal tuple and mask (expect_matches without the master)."""
        return (
            self.src == other.src
            and self.src_mask == other.src_mask
            and self.sport == other.sport
            and self.sport_mask == other.sport_mask
        )

    def overlaps(self, other: Expectation) -> bool:
        """A packet could match both (expect_clash)."""
        mask = self.src_mask & other.src_mask
        ports = self.sport_mask & other.sport_mask
        return self.src & mask == other.src & mask and self.sport & ports == other.sport & ports


class Journal(Protocol):
    """Where the table tells of what happens."""

    def created(self, exp: Expectation, ts: int, packet: int) -> None:
        """EXP_NEW."""

    def refreshed(self, exp: Expectation, ts: int, packet: int) -> None:
        """The timeout was set anew."""

    def ended(self, exp: Expectation, ts: int, packet: int, why: str) -> None:
        """EXP_DESTROY; `packet` 0 for a timer."""

    def matched(self, exp: Expectation, ts: int, packet: int) -> None:
        """A connection, `exp.child_conn_id`, opened; the expectation is PERMANENT and stays."""


class Expectations:
    """All live expectations. `ports` counts them by destination port (saturating at 255: that port is then searched
    for good), `next_expiry` is the earliest deadline in ns."""

    __slots__ = ("by_master", "chains", "count", "created", "heap", "journal", "limit", "next_expiry", "ports")

    def __init__(self, journal: Journal, limit: int) -> None:
        self.journal = journal
        self.limit = limit
        self.chains: dict[Key, list[Expectation]] = {}
        # oldest first
        self.by_master: dict[Entry, list[Expectation]] = {}
        self.heap: list[tuple[int, int, Expectation]] = []
        self.ports = bytearray(65536)
        self.count = 0
        self.created = 0
        self.next_expiry = _NEVER

    def of(self, master: Entry) -> list[Expectation]:
        """Expectations of a master, oldest first (a copy)."""
        return list(self.by_master.get(master, ()))

    def add(
        self, exp: Expectation, now: int, packet: int, most: int, timeout_s: int, *, any_master: bool = False
    ) -> str:
        """nf_ct_expect_related: ADDED, ALREADY, BUSY or FULL. `most` expectations of the class per master (0: any).

        With `any_master` an identical expectation of another master answers ALREADY, not BUSY.
        """
        for other in list(self.chains.get(exp.key, ())):
            if exp.same(other) and (any_master or other.master is exp.master):
                if other.kind != exp.kind or other.master is not exp.master:
                    return ALREADY
                self.remove(other, now, packet, "replaced")
                break
            if exp.overlaps(other):
                return BUSY
        mine = self.by_master.get(exp.master, ())
        if most:
            same_class = [other for other in mine if other.kind == exp.kind]
            if len(same_class) >= most:
                self.remove(same_class[0], now, packet, "evicted")
        if self.count >= self.limit:
            return FULL
        self.created += 1
        exp.number = self.created
        exp.alive = True
        exp.created_ts = now
        exp.created_packet = packet
        exp.timeout_s = timeout_s
        self.chains.setdefault(exp.key, []).append(exp)
        self.by_master.setdefault(exp.master, []).append(exp)
        self.count += 1
        if self.ports[exp.dport] < 255:
            self.ports[exp.dport] += 1
        self.queue(exp, now + timeout_s * _SECOND)
        self.journal.created(exp, now, packet)
        return ADDED

    def queue(self, exp: Expectation, deadline: int) -> None:
        """Set the timer."""
        exp.deadline = deadline
        heapq.heappush(self.heap, (deadline, exp.number, exp))
        self.next_expiry = self.heap[0][0]

    def refresh(self, exp: Expectation, now: int, packet: int, timeout_s: int) -> None:
        """Set the timer anew; clears INACTIVE."""
        exp.flags &= ~INACTIVE
        self.queue(exp, now + timeout_s * _SECOND)
        self.journal.refreshed(exp, now, packet)

    def match(
        self, family: int, proto: int, zone: int, src: int, sport: int, dst: int, dport: int, *, any_state: bool = False
    ) -> Expectation | None:
        """The expectation of a new tuple, newest first (nf_ct_find_expectation); it stays in the table.

        With `any_state` any that matches, whatever its flags and master (nf_ct_expect_find_get).
        """
        for exp in reversed(self.chains.get((dst, dport, family, proto, zone), ())):
            if src & exp.src_mask != exp.src or sport & exp.sport_mask != exp.sport:
                continue
            if any_state:
                return exp
            if not exp.flags & INACTIVE:
                # an unusable master ends the search
                return exp if exp.master.in_table and not exp.master.dying else None
        return None

    def remove(self, exp: Expectation, ts: int, packet: int, why: str) -> None:
        """EXP_DESTROY."""
        if not exp.alive:
            return
        exp.alive = False
        self.count -= 1
        chain = self.chains[exp.key]
        chain.remove(exp)
        if not chain:
            del self.chains[exp.key]
        mine = self.by_master[exp.master]
        mine.remove(exp)
        if not mine:
            del self.by_master[exp.master]
        if self.ports[exp.dport] < 255:
            self.ports[exp.dport] -= 1
        self.journal.ended(exp, ts, packet, why)

    def expired(self, ts: int) -> Iterator[Expectation]:
        """Remove, in order of their deadlines, those whose deadline is at or before `ts`; yields each afterwards."""
        while self.heap and self.heap[0][0] <= ts:
            deadline, _, exp = heapq.heappop(self.heap)
            if exp.alive and exp.deadline == deadline:
                self.remove(exp, deadline, 0, "timeout")
                yield exp
        # timers of expectations that are gone are dropped before they can wake anybody
        while self.heap and (not self.heap[0][2].alive or self.heap[0][2].deadline != self.heap[0][0]):
            heapq.heappop(self.heap)
        self.next_expiry = self.heap[0][0] if self.heap else _NEVER

    def master_gone(self, master: Entry, ts: int, packet: int) -> None:
        """nf_ct_remove_expectations: those of a destroyed master, newest first."""
        for exp in reversed(self.of(master)):
            self.remove(exp, ts, packet, "master_gone")
