"""The packet contract: what happens to one packet, in order (spec sections 2 and 7).

`advance` moves the clock and lets entries expire at their own deadlines; `process` tracks one whole, decoded packet and
confirms it. Track and confirm are separate calls: what a ruleset or NAT would do stands between them.
"""

from __future__ import annotations

from typing import Any

from ctreplay import reasons
from ctreplay.decode.checksum import Checksum
from ctreplay.decode.network import Network
from ctreplay.packet import Packet
from ctreplay.tracker.codes import WHY
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.limit import Limit
from ctreplay.tracker.occupancy import Occupancy
from ctreplay.tracker.proto.datagram import Datagram
from ctreplay.tracker.proto.icmp import Icmp
from ctreplay.tracker.proto.sctp import Sctp
from ctreplay.tracker.proto.tcp import Tcp
from ctreplay.tracker.settings import Settings
from ctreplay.tracker.sink import Change, Sink
from ctreplay.tracker.table import Table, by_age
from ctreplay.tracker.timers import Timers

_SECOND = 1_000_000_000
_NEVER = 0x7FFFFFFFFFFFFFFF
_REASONS = reasons.LIMIT + 1

_INVALID_VERDICT = 1
_REPEAT = 2

_NEW = 1
_ESTABLISHED = 2
_RELATED = 3
_INVALID = 4
_UNTRACKED = 5

_EXPECTED_BIT = 0x1
_SEEN_REPLY = 0x2
_CONFIRMED = 0x8
_DYING = 0x200

_EV_NEW = 1 << 0
_EV_RELATED = 1 << 1
_EV_DESTROY = 1 << 2
_EV_REPLY = 1 << 3
_EV_PROTOINFO = 1 << 5

_EVENT_NEW = 0
_EVENT_UPDATE = 1
_EVENT_DESTROY = 2

_TCP = 6
_UDP = 17
_ICMP = 1
_ICMPV6 = 58
_SCTP = 132
_UDPLITE = 136
_GRE = 47
_TCP_SYN_SENT2 = 9

_ICMP_REJECT = 1
_ICMP_UNTRACKED = 2
_ICMP_ATTACHED = 3

_W_TIMEOUT = WHY.index("timeout")
_W_RESET = WHY.index("reset")
_W_REOPENED = WHY.index("reopened")
_W_CAPTURE_END = WHY.index("capture_end")
_W_MIDSTREAM = WHY.index("midstream")
_W_RESYNC = WHY.index("resync")
_W_SIMULTANEOUS = WHY.index("simultaneous_open")
_W_EXPECTED = WHY.index("expected")
_W_EARLY_DROP = WHY.index("early_drop")
_W_GC = WHY.index("gc")

_R_NOT_INVERTIBLE = reasons.CODES["tuple_not_invertible"]
_R_TABLE_FULL = reasons.CODES["table_full"]
_R_REOPENED = reasons.CODES["tcp_reopened"]
_R_MIDSTREAM = reasons.CODES["tcp_midstream"]
_R_RESYNC = reasons.CODES["tcp_resync"]
_R_EXPECTED = reasons.CODES["expected"]
_R_HELPER_DROPPED = reasons.CODES["helper_dropped"]


class Tracker:
    """Connection tracking without input or output: packets in, changes to the `Sink` out.

    After `process` the packet holds the verdict: `entry`, `ctstate`, `direction`, `reason`, `note`, `refreshed` and,
    for a TCP window verdict, the bounds. `tuple_entry` is the live entry with the tuple of a packet that got none.
    """

    __slots__ = (
        "change", "datagram", "expecting", "gre_keys", "helpers", "icmp", "limit", "n_dropped",
        "n_dropped_by_helper", "n_early_drop", "n_error", "n_invalid", "n_processed", "next_expectation", "now",
        "occupancy", "reason_counts", "sctp", "sink", "started", "table", "tcp", "timers", "tuple_entry", "watch",
    )  # fmt: skip

    def __init__(self, settings: Settings, sink: Sink, network: Network, checksum: Checksum) -> None:
        self.sink = sink
        self.table = Table()
        self.timers = Timers()
        self.occupancy = Occupancy()
        self.change = Change()
        self.tcp = Tcp(settings, checksum)
        self.datagram = Datagram(settings, checksum)
        self.sctp = Sctp(settings, checksum)
        self.icmp = Icmp(settings, checksum, network, self.table)
        self.limit = Limit(settings.max_entries, settings.buckets) if settings.max_entries else None
        # set by `ctreplay.helpers.runner.Helpers`, None without: expectations match in `create`, helpers run in
        # `confirm`. `watch` marks ports with a helper (TCP, then UDP), `expecting` counts expectations by port
        self.helpers: Any = None
        self.watch = bytearray(2 * 65536)
        self.expecting: Any = bytearray(65536)
        self.next_expectation = _NEVER
        self.gre_keys = 0
        self.reason_counts = memoryview(bytearray(8 * _REASONS)).cast("q")
        self.n_invalid = self.n_error = self.n_dropped = self.n_early_drop = self.n_processed = 0
        self.n_dropped_by_helper = 0
        self.now = 0
        self.started = False
        self.tuple_entry: Entry | None = None

    def advance(self, ts: int) -> int:
        """Move the clock to `ts` ns; entries whose deadline has come are destroyed, each at its own deadline."""
        if not self.started:
            self.started = True
            self.now = ts
            self.occupancy.start(ts)
            return 0
        if self.limit is not None:
            self.collect(ts)
        if ts >= self.timers.next_check:
            while True:
                e = self.timers.pop(ts)
                if e is None:
                    break
                self.second(e.deadline)
                if e.deadline >= self.next_expectation:
                    self.helpers.advance(e.deadline)
                self.now = e.deadline
                self.destroy(e, e.deadline, _W_TIMEOUT, 0, -1)
        if ts >= self.next_expectation:
            self.helpers.advance(ts)
        if ts > self.now:
            self.now = ts
            if ts >= self.occupancy.next_second:
                self.second(ts)
        return 0

    def second(self, now: int) -> int:
        """Close the present second of the occupancy table when `now` lies in a later one."""
        if now >= self.occupancy.next_second:
            if self.occupancy.dirty or self.occupancy.packets:
                self.sink.second(self.occupancy)
            self.occupancy.start(now)
        return 0

    def process(self, p: Packet) -> int:
        """Track and confirm one whole packet at the clock's time."""
        self.n_processed += 1
        self.occupancy.packets += 1
        p.entry = None
        p.ctstate = 0
        p.direction = 0
        p.reason = 0
        p.note = 0
        p.refreshed = False
        p.account = False
        p.timeout_ns = -1
        p.bounds = 0
        p.margin = 0
        self.tuple_entry = None
        self.track(p)
        if p.reason:
            self.reason_counts[p.reason] += 1
        elif p.note:
            self.reason_counts[p.note] += 1
        return 0

    def invalid(self, p: Packet, reason: int) -> int:
        """The packet has no entry."""
        p.reason = reason
        p.ctstate = _INVALID
        p.entry = None
        self.n_invalid += 1
        return 0

    def track(self, p: Packet) -> int:
        """nf_conntrack_in, and confirmation."""
        if p.l4_fault:
            return self.invalid(p, p.l4_fault)
        if (p.proto == _ICMP or p.proto == _ICMPV6) and self.icmp_settled(p):
            return 0
        if p.tuple_fault:
            return self.invalid(p, p.tuple_fault)
        if self.gre_keys and p.proto == _GRE:
            self.helpers.gre_key(p)
        reopened = False
        while True:
            e = self.table.find(p)
            if e is None:
                e = self.create(p)
                if e is None:
                    return 0
            old_state = e.state
            old_status = e.status
            if p.direction == 1 or e.status & _SEEN_REPLY:
                p.ctstate = _ESTABLISHED
            elif e.status & _EXPECTED_BIT:
                p.ctstate = _RELATED
            else:
                p.ctstate = _NEW
            verdict = self.judge(e, p)
            if verdict != _REPEAT:
                break
            reopened = True
            self.destroy(e, self.now, _W_REOPENED, p.number, p.direction)
        if verdict == _INVALID_VERDICT:
            return self.judged_invalid(e, p, old_state, old_status)
        p.entry = e
        if p.account:
            self.account(e, p)
        e.last_packet = p.number
        e.last_ts = self.now
        if e.proto == _TCP and self.tcp.unreplied_rst:
            if e.in_table:
                self.occupancy.change(e, old_state, old_status)
                self.destroy(e, self.now, _W_RESET, p.number, p.direction)
            return 0
        if p.refreshed:
            e.deadline = self.now + p.timeout_ns
            if e.in_table and e.deadline < e.queued:
                self.timers.remove(e)
                self.timers.queue(e, self.now)
        if p.direction == 1 and not e.status & _SEEN_REPLY:
            e.status |= _SEEN_REPLY
            e.events |= _EV_REPLY
        if reopened:
            p.note = _R_REOPENED
        if e.in_table and e.events == 0 and e.ext is None:
            # most packets change nothing that is told
            return 0
        return self.confirm(e, p, old_state, old_status)

    def icmp_settled(self, p: Packet) -> bool:
        """Whether an ICMP packet has its verdict without a lookup: rejected, untracked, or an error about an entry."""
        answer = self.icmp.check(p)
        if answer == _ICMP_REJECT:
            p.ctstate = _INVALID
            self.n_error += 1
        elif answer == _ICMP_UNTRACKED:
            p.ctstate = _UNTRACKED
        elif answer == _ICMP_ATTACHED:
            e = p.entry
            if p.direction == 0 and e.ext is not None and e.ext.active:  # type: ignore[union-attr]
                self.helpers.packet(e, p, self.now)
            if e.events:  # type: ignore[union-attr]
                # of a packet that was refused when it had changed the entry's state
                self.deliver(e, p, e.status)  # type: ignore[arg-type, union-attr]
        else:
            return False
        return True

    def judged_invalid(self, e: Entry, p: Packet, old_state: int, old_status: int) -> int:
        """INVALID by the protocol tracker, which may have changed the state or shortened the timeout all the same."""
        if e.in_table:
            self.tuple_entry = e
            if p.timeout_ns >= 0:
                self.set_deadline(e, self.now + p.timeout_ns)
            if e.state != old_state:
                self.changed(e, old_state, old_status)
        return self.invalid(p, p.reason)

    def judge(self, e: Entry, p: Packet) -> int:
        """The verdict of the entry's protocol tracker."""
        proto = p.proto
        if proto == _TCP:
            return self.tcp.packet(e, p, self.now)
        if proto == _UDP:
            return self.datagram.udp(e, p, self.now)
        if proto == _ICMP:
            return self.datagram.icmp(e, p)
        if proto == _ICMPV6:
            return self.datagram.icmpv6(e, p)
        if proto == _SCTP:
            return self.sctp.packet(e, p)
        if proto == _UDPLITE:
            return self.datagram.udplite(e, p)
        if proto == _GRE:
            return self.datagram.gre(e, p)
        return self.datagram.generic(e, p)

    def account(self, e: Entry, p: Packet) -> int:
        """Count packet and bytes (IP length) in the packet's direction."""
        if p.direction:
            e.reply_packets += 1
            e.reply_bytes += p.l3_len
        else:
            e.orig_packets += 1
            e.orig_bytes += p.l3_len
        return 0

    def create(self, p: Packet) -> Entry | None:
        """A new, unconfirmed entry (init_conntrack); None when there cannot be one, the verdict then stands."""
        e = Entry()
        if not self.icmp.invert(p.proto, p.sport, p.dport, p):
            self.invalid(p, _R_NOT_INVERTIBLE)
            return None
        e.rsport = p.sport
        e.rdport = p.dport
        self.icmp.invert(p.proto, p.sport, p.dport, p)
        if self.limit is not None and self.table.count + 1 > self.limit.maximum and not self.make_room(p):
            p.reason = _R_TABLE_FULL
            self.n_dropped += 1
            self.occupancy.full_drops += 1
            self.occupancy.dirty = True
            return None
        e.hash = p.hash
        e.family = p.family
        e.proto = p.proto
        e.zone = p.zone
        e.src_hi = p.src_hi
        e.src_lo = p.src_lo
        e.dst_hi = p.dst_hi
        e.dst_lo = p.dst_lo
        e.sport = p.sport
        e.dport = p.dport
        e.conn_id = p.number
        e.first_ts = self.now
        p.direction = 0
        if self.helpers is not None and (
            self.expecting[p.dport]
            or (p.proto == _TCP and self.watch[p.dport])
            or (p.proto == _UDP and self.watch[65536 + p.dport])
        ):
            self.helpers.created(e, p, self.now)
        return e

    def make_room(self, p: Packet) -> bool:
        """Early drop (spec section 7.2): entries of the first bucket that holds any without ASSURED go."""
        limit: Limit = self.limit  # type: ignore[assignment]
        victims = limit.victims(p, self.now)
        for e in victims:
            self.occupancy.early_drops += 1
            self.n_early_drop += 1
            self.destroy(e, self.now, _W_EARLY_DROP, p.number, -1)
        return bool(victims)

    def collect(self, ts: int) -> None:
        """The collector's turn, when a full table asked for its help and its time has come by `ts` (spec 7.3)."""
        limit: Limit = self.limit  # type: ignore[assignment]
        at = limit.collect_at
        if at is None or ts < at:
            return
        limit.collect_at = None
        self.advance(at)
        for e in limit.closing(self.table.count):
            self.destroy(e, at, _W_GC, 0, -1)

    def confirm(self, e: Entry, p: Packet, old_state: int, old_status: int) -> int:
        """Helper, insertion of a new entry, delivery of the pending event (nf_confirm)."""
        if e.ext is not None and e.ext.active and not self.helpers.packet(e, p, self.now):
            return self.refused(e, p, old_state, old_status)
        if e.in_table == 0:
            e.in_table = 1
            e.status |= _CONFIRMED
            e.events |= _EV_RELATED if e.status & _EXPECTED_BIT else _EV_NEW
            self.table.insert(e)
            if self.limit is not None:
                self.limit.add(e)
            self.timers.queue(e, self.now)
            self.occupancy.add(e, self.now)
            return self.deliver(e, p, 0)
        if e.events:
            if e.state != old_state or e.status != old_status:
                self.changed(e, old_state, old_status)
            return self.deliver(e, p, old_status)
        return 0

    def deliver(self, e: Entry, p: Packet, old_status: int) -> int:
        """Tell of the pending event of an entry in the table (nf_ct_deliver_cached_events)."""
        c = self.change
        if e.events & (_EV_NEW | _EV_RELATED):
            c.event = _EVENT_NEW
            c.old_state = -1
            c.new_state = e.state if e.proto == _TCP or e.proto == _SCTP else -1
        else:
            c.event = _EVENT_UPDATE
            c.old_state = e.told if e.events & _EV_PROTOINFO else -1
            c.new_state = e.state if e.events & _EV_PROTOINFO else -1
        c.old_status = old_status
        c.entry = e
        c.ts = self.now
        c.packet = p.number
        c.direction = p.direction
        c.new_status = e.status
        c.marks = e.events
        c.timeout = e.deadline - self.now
        c.why = 0
        if p.note == _R_MIDSTREAM:
            c.why = _W_MIDSTREAM
        elif p.note == _R_RESYNC:
            c.why = _W_RESYNC
        elif p.note == _R_REOPENED:
            c.why = _W_REOPENED
        elif e.status & _EXPECTED_BIT and c.event == _EVENT_NEW:
            c.why = _W_EXPECTED
            p.note = _R_EXPECTED
        elif e.proto == _TCP and e.state == _TCP_SYN_SENT2 and e.told != _TCP_SYN_SENT2:
            c.why = _W_SIMULTANEOUS
        e.events = 0
        e.told = e.state
        self.sink.transition(c)
        return 0

    def refused(self, e: Entry, p: Packet, old_state: int, old_status: int) -> int:
        """A helper drops the packet: its event waits for the next one that survives; a new entry is gone."""
        p.reason = _R_HELPER_DROPPED
        self.n_dropped_by_helper += 1
        if not e.in_table:
            self.helpers.gone(e, self.now, p.number)
            p.entry = None
        elif e.state != old_state or e.status != old_status:
            self.changed(e, old_state, old_status)
        return 0

    def changed(self, e: Entry, old_state: int, old_status: int) -> int:
        """State or status of an entry in the table are other ones."""
        self.occupancy.change(e, old_state, old_status)
        if self.limit is not None:
            self.limit.changed(e)
        return 0

    def destroy(self, e: Entry, ts: int, why: int, packet: int, direction: int) -> int:
        """Take an entry out of the table and tell of it (nf_ct_delete)."""
        state = e.state
        if why != _W_TIMEOUT:
            self.timers.remove(e)
        self.table.remove(e)
        if self.limit is not None:
            self.limit.remove(e)
        self.occupancy.remove(e, state, e.status)
        e.in_table = 0
        e.dying = 1
        has_state = e.proto == _TCP or e.proto == _SCTP
        c = self.change
        c.entry = e
        c.ts = ts
        c.packet = packet
        c.event = _EVENT_DESTROY
        c.direction = direction
        c.old_state = e.told if has_state else -1
        c.new_state = state if e.proto == _TCP else -1
        c.old_status = e.status
        e.status |= _DYING
        c.new_status = e.status
        c.marks = _EV_DESTROY
        c.timeout = e.deadline - ts if e.deadline - ts >= _SECOND else -1
        c.why = why
        self.sink.transition(c)
        self.sink.connection(e, why, ts, -1)
        if e.ext is not None:
            self.helpers.gone(e, ts, packet)
        return 0

    def set_deadline(self, e: Entry, deadline: int) -> int:
        """Give an entry another deadline (ns since the epoch)."""
        e.deadline = deadline
        if e.in_table and deadline < e.queued:
            self.timers.remove(e)
            self.timers.queue(e, self.now)
        return 0

    def finish(self) -> int:
        """End of the capture: nothing times out, live entries are written with what they had left, and let go."""
        if self.started and (self.occupancy.dirty or self.occupancy.packets):
            self.sink.second(self.occupancy)
        parts = self.table.drain()
        self.timers = Timers()
        self.limit = None
        parts.reverse()
        while parts:
            # each list is let go of when written, and the memory of its entries with it
            for e in by_age(parts.pop()):
                e.timer_next = None
                e.timer_prev = None
                self.sink.connection(e, _W_CAPTURE_END, self.now, e.deadline - self.now)
        return 0
