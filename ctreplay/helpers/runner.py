"""Helpers at work: assigned to new entries, run on their packets, their expectations matched by new connections.

With `observe` nothing that the tracker decides changes: the same parsers watch the well-known ports, so that the
dataset can name the connections that would have been RELATED had the helper been assigned.
"""

from __future__ import annotations

from ctreplay.helpers.control import Control, Helper, address
from ctreplay.helpers.expectations import PERMANENT, Expectation, Expectations, Journal
from ctreplay.packet import Packet
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.extension import Extension
from ctreplay.tracker.tracker import Tracker

_EXPECTED = 0x1
_HELPER = 0x2000
_EV_HELPER = 1 << 6
_TCP = 6
_UDP = 17
_SECOND = 1_000_000_000
# control packets that are parsed when no helper is on
OBSERVED_PACKETS = 20_000

Assignments = dict[tuple[int, int], Helper]
GreKey = tuple[int, int, int]


class Helpers:
    """Connects the helpers with the tracker (see the calls in `Tracker`).

    `assignments` maps (protocol number, destination port) to a helper, as a `ct helper set` rule would.
    """

    def __init__(
        self, tracker: Tracker, assignments: Assignments, journal: Journal, expect_max: int, *, observe: bool = False
    ) -> None:
        self.tracker = tracker
        self.assignments = assignments
        self.observe = observe
        self.table = Expectations(journal, expect_max)
        self.control = Control(self)
        self.failures = 0
        self.matches = 0
        self.examined = 0
        self.entries: dict[str, int] = {}
        self.missed: dict[str, int] = {}
        # (source, destination, destination key) of GRE packets: source keys, the oldest counts
        self.gre_keys: dict[GreKey, list[int]] = {}
        for proto, port in assignments:
            if proto == _TCP:
                tracker.watch[port] = 1
            elif proto == _UDP:
                tracker.watch[65536 + port] = 1
        tracker.expecting = memoryview(self.table.ports)
        tracker.helpers = self

    def created(self, e: Entry, p: Packet, now: int) -> int:
        """A new entry: an expectation may match, then a rule may assign a helper (spec section 2.4)."""
        table = self.table
        if table.count:
            src = address(p.src_hi, p.src_lo)
            dst = address(p.dst_hi, p.dst_lo)
            exp = table.match(p.family, p.proto, p.zone, src, p.sport, dst, p.dport)
            if exp is not None:
                self.matched(exp, e, p, now)
        kind = self.assignments.get((p.proto, p.dport))
        ext: Extension | None = e.ext
        if kind is not None and p.family in kind.families and (ext is None or ext.kind is None):
            self.assign(e, kind, by_rule=True)
        return 0

    def matched(self, exp: Expectation, e: Entry, p: Packet, now: int) -> None:
        """The new entry `e` is the expected one."""
        exp.child_conn_id = e.conn_id
        self.matches += 1
        if exp.flags & PERMANENT:
            self.table.journal.matched(exp, now, p.number)
        else:
            self.table.remove(exp, now, p.number, "matched")
        ext = Extension()
        e.ext = ext
        if self.observe:
            self.missed[exp.helper] = self.missed.get(exp.helper, 0) + 1
        else:
            e.status |= _EXPECTED
            e.mark = exp.master.mark
            ext.master_conn_id = exp.master.conn_id
        if isinstance(exp.child, Helper):
            self.assign(e, exp.child, by_rule=False)
        if callable(exp.on_match):
            exp.on_match(self, exp, ext, p, now)

    def assign(self, e: Entry, kind: Helper, *, by_rule: bool) -> None:
        """Give a new entry its helper."""
        ext: Extension = e.ext if e.ext is not None else Extension()
        e.ext = ext
        ext.kind = kind
        ext.active = True
        if by_rule:
            self.entries[kind.name] = self.entries.get(kind.name, 0) + 1
        if self.observe:
            return
        ext.helper = kind.name
        if by_rule:
            e.status |= _HELPER
            e.events |= _EV_HELPER

    def packet(self, e: Entry, p: Packet, now: int) -> bool:
        """Run the entry's helper on a packet; False when it drops the packet."""
        kind = e.ext.kind  # type: ignore[union-attr]
        if kind is None:
            return True
        if self.observe:
            if self.examined >= OBSERVED_PACKETS:
                return True
            self.examined += 1
        control = self.control
        control.load(e, p, now)
        try:
            accepted: bool = kind.packet(control)
        except Exception:
            # a parser that fails on hostile bytes must not end the replay: counted, shown in stats
            self.failures += 1
            accepted = True
        self.wake()
        return accepted or self.observe

    def refresh(self, e: Entry, p: Packet, seconds: int, now: int) -> None:
        """Set the timeout of an entry on behalf of its helper (nf_ct_refresh)."""
        if self.observe:
            return
        p.refreshed = True
        p.timeout_ns = seconds * _SECOND
        self.tracker.set_deadline(e, now + p.timeout_ns)

    def advance(self, ts: int) -> int:
        """Expectations whose deadline is at or before `ts` are destroyed."""
        for _ in self.table.expired(ts):
            pass
        self.wake()
        return 0

    @property
    def matched_count(self) -> int:
        """Connections opened by an expectation (expect_new)."""
        return 0 if self.observe else self.matches

    @property
    def created_count(self) -> int:
        """Expectations created (expect_create)."""
        return 0 if self.observe else self.table.created

    @property
    def deleted_count(self) -> int:
        """Expectations destroyed (expect_delete)."""
        return 0 if self.observe else self.table.created - self.table.count

    def hints(self) -> list[dict[str, object]]:
        """Of each helper that was off although its control traffic is in the capture: connections to its port,
        connections that would have been RELATED, and whether watching ended early."""
        if not self.observe:
            return []
        return [
            {
                "helper": name,
                "control_connections": count,
                "missed": self.missed.get(name, 0),
                "limited": self.examined >= OBSERVED_PACKETS,
            }
            for name, count in sorted(self.entries.items())
        ]

    def wake(self) -> None:
        """Tell the tracker when it must call again."""
        self.tracker.next_expectation = self.table.next_expiry

    def gone(self, e: Entry, ts: int, packet: int) -> int:
        """An entry with an extension was destroyed, or vanished before it was confirmed."""
        ext: Extension = e.ext  # type: ignore[assignment]
        if ext.gone is not None:
            ext.gone(self, ext)
        kind = ext.kind
        if kind is not None:
            if kind.gone is not None:
                kind.gone(self, e, ts, packet)
            self.table.master_gone(e, ts, packet)
        return 0

    def gre_key(self, p: Packet) -> int:
        """Source key of a GRE version 1 packet from the PPTP key map (0: unknown)."""
        if p.l4_cap >= 8 and p.buf[p.l4 + 1] & 7 == 1:
            found = self.gre_keys.get((address(p.src_hi, p.src_lo), address(p.dst_hi, p.dst_lo), p.dport))
            if found:
                p.sport = found[0]
                p.hash = 0
        return 0

    def add_gre_keys(self, keys: list[tuple[GreKey, int]]) -> None:
        """Put into the key map; when only observing, tuples stay as they are."""
        if self.observe:
            return
        for key, value in keys:
            self.gre_keys.setdefault(key, []).append(value)
        self.tracker.gre_keys = len(self.gre_keys)

    def remove_gre_keys(self, keys: list[tuple[GreKey, int]]) -> None:
        """Take out of the key map."""
        if self.observe:
            return
        for key, value in keys:
            values = self.gre_keys[key]
            values.remove(value)
            if not values:
                del self.gre_keys[key]
        self.tracker.gre_keys = len(self.gre_keys)
