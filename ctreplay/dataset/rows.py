"""Column buffers: what the tracker decides, a row at a time, in C arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ctreplay import octets
from ctreplay.dataset.columns import LAYOUTS, Columns, Fresh, fresh
from ctreplay.packet import Packet
from ctreplay.tracker import codes
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.occupancy import Occupancy
from ctreplay.tracker.sink import Change, Sink

_SECOND = 1_000_000_000
_TRANSITIONS = LAYOUTS["transitions"][0]
_CONNECTIONS = LAYOUTS["connections"][0]
_PACKETS = LAYOUTS["packets"][0]
_SECONDS = LAYOUTS["occupancy"][0]
_TCP = 6
_SCTP = 132
_SEEN_REPLY = 0x2
_STATELESS = len(codes.STATES)

# called with (table, columns, rows) when a batch is full
Flush = Callable[[str, Columns, int], None]


def _zeros(count: int) -> Any:
    return memoryview(bytearray(8 * count)).cast("q")


def limit_after(flushed: int, room: int) -> int:
    """Rows of the next batch: the last one has to be waited for, so it is to be a small part of all."""
    return min(room, max(room // 4, flushed // 8))


class Rows:
    """Rows of a table in numbers: `n` so far, handed over when they are `limit`; `flushed` were before these."""

    __slots__ = ("columns", "flushed", "fresh", "limit", "n")

    def __init__(self, fresh: Fresh) -> None:
        self.flushed = 0
        self.fresh = fresh
        self.reset()

    def reset(self) -> None:
        """Other buffers; those handed over belong to whoever writes them."""
        raise NotImplementedError

    def begin(self, table: str, room: int) -> Columns:
        """The columns of another batch."""
        self.columns = self.fresh(table)
        self.limit = limit_after(self.flushed, room)
        self.n = 0
        return self.columns

    def hand(self, flush: Flush, table: str) -> int:
        """Hand over a full batch."""
        flush(table, self.columns, self.n)
        self.flushed += self.n
        self.reset()
        return 0


class TransitionRows(Rows):
    """Columns of transitions.parquet."""

    __slots__ = (
        "conn_id", "direction", "event", "marks", "new_state",
        "new_status", "old_state", "old_status", "packet", "timeout", "ts", "why",
    )  # fmt: skip

    def reset(self) -> None:
        """Other buffers; those handed over belong to whoever writes them."""
        c = self.begin("transitions", _TRANSITIONS)
        self.ts = c["ts"]
        self.packet = c["packet"]
        self.conn_id = c["conn_id"]
        self.timeout = c["timeout"]
        self.event = c["event"]
        self.direction = c["direction"]
        self.old_state = c["old_state"]
        self.new_state = c["new_state"]
        self.marks = c["marks"]
        self.why = c["why"]
        self.old_status = c["old_status"]
        self.new_status = c["new_status"]


class ConnectionRows(Rows):
    """Columns of connections.parquet in numbers; `extra` holds helper and master of the few rows that have one."""

    __slots__ = (
        "conn_id", "dport", "dst", "end_ts", "extra", "family", "first_ts",
        "last_packet", "last_ts", "left", "mark", "midstream", "orig_bytes", "orig_packets",
        "proto", "rdport", "reply_bytes", "reply_packets", "rsport", "sport", "src", "state", "status", "why", "zone",
    )  # fmt: skip

    def reset(self) -> None:
        """Other buffers."""
        c = self.begin("connections", _CONNECTIONS)
        self.extra: dict[int, tuple[str | None, int | None]] = {}
        c["extra"] = self.extra
        self.conn_id = c["conn_id"]
        self.orig_packets = c["orig_packets"]
        self.orig_bytes = c["orig_bytes"]
        self.reply_packets = c["reply_packets"]
        self.reply_bytes = c["reply_bytes"]
        self.first_ts = c["first_ts"]
        self.last_ts = c["last_ts"]
        self.end_ts = c["end_ts"]
        self.last_packet = c["last_packet"]
        self.left = c["left"]
        self.sport = c["sport"]
        self.dport = c["dport"]
        self.rsport = c["rsport"]
        self.rdport = c["rdport"]
        self.zone = c["zone"]
        self.family = c["family"]
        self.state = c["state"]
        self.why = c["why"]
        self.midstream = c["midstream"]
        self.status = c["status"]
        self.mark = c["mark"]
        self.proto = c["proto"]
        self.src = c["src"]
        self.dst = c["dst"]


class Summary:
    """What ended how: entries by protocol number, state code (the last place: none) and reason, and odd ones."""

    __slots__ = ("midstream", "one_sided", "protos", "states", "tcp", "unreplied", "whys")

    def __init__(self) -> None:
        self.protos = _zeros(256)
        self.states = _zeros(len(codes.STATES) + 1)
        self.whys = _zeros(len(codes.WHY))
        self.unreplied = self.midstream = self.one_sided = self.tcp = 0

    def add(self, e: Entry, state: int, why: int) -> int:
        """Count an entry that ended."""
        self.protos[e.proto] += 1
        self.states[state if state >= 0 else _STATELESS] += 1
        self.whys[why] += 1
        if not e.status & _SEEN_REPLY:
            self.unreplied += 1
        if e.proto == _TCP:
            self.tcp += 1
            if e.midstream:
                self.midstream += 1
            if e.orig_packets > 2 and not e.status & _SEEN_REPLY:
                self.one_sided += 1
        return 0

    def as_dict(self) -> dict[str, Any]:
        """The counts by name, without those that are zero."""

        def named(counts: list[int], names: Sequence[str]) -> dict[str, int]:
            return {name: count for name, count in zip(names, counts, strict=True) if count}

        protos = [codes.PROTOCOLS.get(number, str(number)) for number in range(256)]
        # TCP and SCTP share names of states
        states: dict[str, int] = {}
        for i, name in enumerate((*codes.STATES, "-")):
            if self.states[i]:
                states[name] = states.get(name, 0) + self.states[i]
        total = [self.whys[i] for i in range(len(codes.WHY))]
        return {
            "total": sum(total),
            "unreplied": self.unreplied,
            "midstream": self.midstream,
            "tcp": self.tcp,
            "tcp_one_sided": self.one_sided,
            "by_proto": named([self.protos[i] for i in range(256)], protos),
            "by_state": states,
            "by_end_reason": named(total, codes.WHY),
        }


class PacketRows(Rows):
    """Columns of packets.parquet in numbers."""

    __slots__ = (
        "ack", "ack_high", "ack_low", "bounds", "caplen", "capture", "conn_id", "ctstate",
        "direction", "dport", "dst", "family", "flags", "frame", "length", "margin",
        "offset", "packet", "payload", "ported", "proto", "reason", "refreshed", "seq", "seq_end", "seq_high",
        "seq_low", "sport", "src", "state", "timeout", "ts", "tuple_conn_id", "window", "wirelen",
    )  # fmt: skip

    def reset(self) -> None:
        """Other buffers."""
        c = self.begin("packets", _PACKETS)
        self.packet = c["packet"]
        self.ts = c["ts"]
        self.frame = c["frame"]
        self.offset = c["offset"]
        self.caplen = c["caplen"]
        self.wirelen = c["wirelen"]
        self.conn_id = c["conn_id"]
        self.tuple_conn_id = c["tuple_conn_id"]
        self.timeout = c["timeout"]
        self.margin = c["margin"]
        self.length = c["length"]
        self.seq = c["seq"]
        self.ack = c["ack"]
        self.seq_end = c["seq_end"]
        self.payload = c["payload"]
        self.window = c["window"]
        self.seq_low = c["seq_low"]
        self.seq_high = c["seq_high"]
        self.ack_low = c["ack_low"]
        self.ack_high = c["ack_high"]
        self.direction = c["direction"]
        self.ctstate = c["ctstate"]
        self.state = c["state"]
        self.refreshed = c["refreshed"]
        self.bounds = c["bounds"]
        self.ported = c["ported"]
        self.family = c["family"]
        self.reason = c["reason"]
        self.flags = c["flags"]
        self.proto = c["proto"]
        self.capture = c["capture"]
        self.sport = c["sport"]
        self.dport = c["dport"]
        self.src = c["src"]
        self.dst = c["dst"]


class SecondRows(Rows):
    """Columns of occupancy.parquet, `_SECONDS` cells each, one behind the other."""

    __slots__ = ("cells",)

    def reset(self) -> None:
        """Other buffers."""
        c = self.begin("occupancy", _SECONDS)
        self.cells = c["cells"]


class RowSink(Sink):
    """Turns what the tracker reports into rows; `flush` is called with each full batch and, by `finish`, the rest."""

    __slots__ = ("connections", "flush", "packets", "seconds", "summary", "transitions")

    def __init__(self, flush: Flush, fresh: Fresh = fresh) -> None:
        self.flush = flush
        self.transitions = TransitionRows(fresh)
        self.connections = ConnectionRows(fresh)
        self.packets = PacketRows(fresh)
        self.summary = Summary()
        self.seconds = SecondRows(fresh)

    def transition(self, change: Change) -> int:
        """A row of transitions."""
        r = self.transitions
        i = r.n
        r.ts[i] = change.ts
        r.packet[i] = change.packet
        r.conn_id[i] = change.entry.conn_id  # type: ignore[union-attr]
        r.event[i] = change.event
        r.direction[i] = change.direction
        # SCTP states follow the ten of TCP
        shift = 10 if change.entry.proto == _SCTP else 0  # type: ignore[union-attr]
        r.old_state[i] = change.old_state + shift if change.old_state >= 0 else -1
        r.new_state[i] = change.new_state + shift if change.new_state >= 0 else -1
        r.old_status[i] = change.old_status
        r.new_status[i] = change.new_status
        r.marks[i] = change.marks & 0x7F
        r.timeout[i] = change.timeout // _SECOND if change.timeout >= 0 else -1
        r.why[i] = change.why
        r.n = i + 1
        if r.n == r.limit:
            r.hand(self.flush, "transitions")
        return 0

    def connection(self, e: Entry, why: int, end_ts: int, left: int) -> int:
        """A row of connections."""
        r = self.connections
        i = r.n
        r.conn_id[i] = e.conn_id
        r.family[i] = e.family
        r.proto[i] = e.proto
        r.zone[i] = e.zone
        octets.put64(r.src, 16 * i, e.src_hi)
        octets.put64(r.src, 16 * i + 8, e.src_lo)
        octets.put64(r.dst, 16 * i, e.dst_hi)
        octets.put64(r.dst, 16 * i + 8, e.dst_lo)
        r.sport[i] = e.sport
        r.dport[i] = e.dport
        r.rsport[i] = e.rsport
        r.rdport[i] = e.rdport
        r.orig_packets[i] = e.orig_packets
        r.orig_bytes[i] = e.orig_bytes
        r.reply_packets[i] = e.reply_packets
        r.reply_bytes[i] = e.reply_bytes
        r.first_ts[i] = e.first_ts
        r.last_ts[i] = e.last_ts
        r.end_ts[i] = end_ts
        r.last_packet[i] = e.last_packet
        state = state_code(e)
        r.state[i] = state
        r.status[i] = e.status
        r.why[i] = why
        self.summary.add(e, state, why)
        r.left[i] = left // _SECOND if left >= 0 else -1
        r.mark[i] = e.mark
        r.midstream[i] = e.midstream
        if e.ext is not None:
            r.extra[i] = e.ext.helper, e.ext.master_conn_id
        r.n = i + 1
        if r.n == r.limit:
            r.hand(self.flush, "connections")
        return 0

    def second(self, o: Occupancy) -> int:
        """A row of occupancy."""
        r = self.seconds
        i = r.n
        r.cells[i] = o.second
        r.cells[i + _SECONDS] = o.packets
        r.cells[i + 2 * _SECONDS] = o.entries
        r.cells[i + 3 * _SECONDS] = o.peak
        r.cells[i + 4 * _SECONDS] = o.inserts
        r.cells[i + 5 * _SECONDS] = o.destroys
        r.cells[i + 6 * _SECONDS] = o.early_drops
        r.cells[i + 7 * _SECONDS] = o.full_drops
        r.cells[i + 8 * _SECONDS] = o.assured
        r.cells[i + 9 * _SECONDS] = o.unreplied
        at = i + 10 * _SECONDS
        for k in range(len(o.protos)):
            r.cells[at] = o.protos[k]
            at += _SECONDS
        for k in range(len(o.states)):
            r.cells[at] = o.states[k]
            at += _SECONDS
        r.n = i + 1
        if r.n == r.limit:
            r.hand(self.flush, "occupancy")
        return 0

    def packet(self, p: Packet, w: Packet | None, reason: int, tuple_entry: Entry | None, now: int) -> int:
        """A row of packets: frame `p`, tracked as `w` (None: not tracked)."""
        r = self.packets
        i = r.n
        r.packet[i] = p.number
        r.ts[i] = p.ts
        r.capture[i] = p.capture
        r.frame[i] = p.frame
        r.offset[i] = p.offset
        r.caplen[i] = p.caplen
        r.wirelen[i] = p.wirelen
        r.reason[i] = reason
        if w is None:
            r.conn_id[i] = 0
            r.tuple_conn_id[i] = 0
            r.direction[i] = -1
            r.ctstate[i] = 0
            r.state[i] = -1
            r.timeout[i] = -1
            r.refreshed[i] = -1
            r.flags[i] = -1
            r.bounds[i] = 0
            r.margin[i] = 0
            if p.family:
                self.addresses(p, i)
            else:
                r.proto[i] = -1
                r.ported[i] = 0
            r.length[i] = p.l3_len if p.family else -1
        else:
            e = w.entry
            if e is not None:
                r.conn_id[i] = e.conn_id
                r.direction[i] = w.direction
                r.state[i] = state_code(e)
                left = e.deadline - now
                r.timeout[i] = left // _SECOND if left > 0 else 0
                r.refreshed[i] = w.refreshed
            else:
                r.conn_id[i] = 0
                r.direction[i] = -1
                r.state[i] = -1
                r.timeout[i] = -1
                r.refreshed[i] = -1
            r.tuple_conn_id[i] = tuple_entry.conn_id if tuple_entry is not None else 0
            r.ctstate[i] = w.ctstate
            if w.proto == _TCP and w.l4_len >= 20 and not w.l4_fault:
                r.flags[i] = w.flags
                r.seq[i] = w.seq
                r.ack[i] = w.ack
                r.seq_end[i] = w.seg_end
                r.payload[i] = w.l4_len - w.doff if w.l4_len > w.doff else 0
                r.window[i] = w.window
            else:
                r.flags[i] = -1
            r.bounds[i] = w.bounds
            if w.bounds:
                r.seq_low[i] = w.bound_seq_low
                r.seq_high[i] = w.bound_seq_high
                r.ack_low[i] = w.bound_ack_low
                r.ack_high[i] = w.bound_ack_high
            r.margin[i] = w.margin
            self.addresses(w, i)
            r.length[i] = w.l3_len
        r.n = i + 1
        if r.n == r.limit:
            r.hand(self.flush, "packets")
        return 0

    def addresses(self, p: Packet, i: int) -> int:
        """Protocol, addresses and ports of row `i`."""
        r = self.packets
        r.proto[i] = p.proto
        octets.put64(r.src, 16 * i, p.src_hi)
        octets.put64(r.src, 16 * i + 8, p.src_lo)
        octets.put64(r.dst, 16 * i, p.dst_hi)
        octets.put64(r.dst, 16 * i + 8, p.dst_lo)
        r.sport[i] = p.sport
        r.dport[i] = p.dport
        r.ported[i] = p.ported
        r.family[i] = p.family
        return 0

    def finish(self) -> None:
        """Hand over what is left; no rows may follow."""
        for table, rows in (
            ("transitions", self.transitions),
            ("connections", self.connections),
            ("packets", self.packets),
            ("occupancy", self.seconds),
        ):
            if rows.n:
                self.flush(table, rows.columns, rows.n)
                rows.n = 0


def state_code(e: Entry) -> int:
    """Index into `codes.STATES`, -1 for a protocol without states."""
    if e.proto == _TCP:
        return e.state
    if e.proto == _SCTP:
        return 10 + e.state
    return -1
