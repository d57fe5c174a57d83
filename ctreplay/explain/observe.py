"""Watches one tuple while the capture is replayed: every packet of it, what it did, and what it changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ctreplay import reasons
from ctreplay.dataset.addresstext import address_text
from ctreplay.dataset.rows import RowSink
from ctreplay.explain.icmp import message
from ctreplay.packet import Packet
from ctreplay.text.flow import ICMP, state_name
from ctreplay.tracker import codes
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.sink import Change

_TCP = 6
_FIN, _SYN = 0x01, 0x02
_U32 = 0xFFFFFFFF
# what the window check knows of the two directions, by Entry's names
SIDE_FIELDS = (
    "end0", "maxend0", "maxwin0", "maxack0", "scale0", "tflags0",
    "end1", "maxend1", "maxwin1", "maxack1", "scale1", "tflags1",
)  # fmt: skip
# of ICMP errors that quote a packet
_ERRORS = frozenset(("icmp_error", "icmp_error_no_entry", "icmp_error_destination", "icmp_error_quote"))

# fragments that are remembered until their datagram is whole
_DATAGRAMS = 64
_FRAGMENTS = 100


@dataclass(frozen=True)
class Tuple:
    """Protocol and both ends as numbers, in the direction of the packet it was taken from."""

    family: int
    proto: int
    src: tuple[int, int]
    dst: tuple[int, int]
    sport: int
    dport: int

    @staticmethod
    def of_packet(p: Packet) -> Tuple:
        """The tuple of a decoded packet."""
        return Tuple(p.family, p.proto, (p.src_hi, p.src_lo), (p.dst_hi, p.dst_lo), p.sport, p.dport)

    @staticmethod
    def of_entry(e: Entry) -> Tuple:
        """The original tuple of an entry."""
        return Tuple(e.family, e.proto, (e.src_hi, e.src_lo), (e.dst_hi, e.dst_lo), e.sport, e.dport)

    def direction(self, p: Packet) -> int | None:
        """0 when the packet runs this way, 1 when it runs back, None when it belongs to something else."""
        if p.proto != self.proto or p.family != self.family:
            return None
        src, dst = (p.src_hi, p.src_lo), (p.dst_hi, p.dst_lo)
        if src == self.src and dst == self.dst and p.sport == self.sport and p.dport == self.dport:
            return 0
        if src == self.dst and dst == self.src:
            if self.proto in ICMP:
                return 1 if p.sport == self.sport else None
            if p.sport == self.dport and p.dport == self.sport:
                return 1
        return None

    def source(self) -> str:
        """Address of the source."""
        return address_text(self.src[0] << 64 | self.src[1], self.family)

    def destination(self) -> str:
        """Address of the destination."""
        return address_text(self.dst[0] << 64 | self.dst[1], self.family)


@dataclass(slots=True)
class Happened:
    """One transition of the entry, as `ctreplay events` shows it."""

    event: str
    ts: int
    packet: int
    old_state: str | None
    new_state: str | None
    changes: list[str]
    timeout_ns: int | None
    why: str
    conn_id: int


@dataclass(slots=True)
class Step:
    """One packet of the tuple and its verdict; `before` and `after` are the entry's numbers around it.

    `length` is that of the IP packet, `segment` what is left of it behind the IP headers.
    """

    packet: int
    ts: int
    now: int
    capture: int
    frame: int
    family: int
    proto: int
    src: str
    dst: str
    sport: int
    dport: int
    length: int
    payload: int
    segment: int
    caplen: int
    direction: int
    ctstate: str
    reason: str
    kind: str
    conn_id: int | None
    tuple_conn_id: int | None
    state: str | None
    deadline: int | None
    refreshed: bool
    flags: int | None = None
    seq: int = 0
    ack: int = 0
    seq_end: int = 0
    window: int = 0
    sack: int | None = None
    bounds: tuple[int, int, int, int] | None = None
    margin: int = 0
    icmp_error: bool = False
    icmp_message: str = ""
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    old_state: str | None = None
    happened: list[Happened] = field(default_factory=list)


def describe(p: Packet, w: Packet | None, reason: int, tuple_entry: Entry | None, now: int, forward: int) -> Step:
    """A step from what the engine hands to its sink; `forward` is the direction relative to the watched tuple."""
    q = w if w is not None else p
    e = w.entry if w is not None else None
    held = e if e is not None else tuple_entry
    is_tcp = w is not None and q.proto == _TCP and q.l4_len >= 20 and not q.l4_fault
    known = bool(q.family)
    step = Step(
        packet=p.number,
        ts=p.ts,
        now=now,
        capture=p.capture,
        frame=p.frame,
        family=q.family,
        proto=q.proto if known else -1,
        src=address_text(q.src_hi << 64 | q.src_lo, q.family) if known else "",
        dst=address_text(q.dst_hi << 64 | q.dst_lo, q.family) if known else "",
        sport=q.sport,
        dport=q.dport,
        length=q.l3_len if known else 0,
        payload=max(q.l4_len - q.doff, 0) if is_tcp else max(q.l4_len - 8, 0) if known else 0,
        segment=max(q.l4_len, 0) if known else 0,
        caplen=p.caplen,
        direction=forward,
        ctstate=codes.CTSTATES[w.ctstate] if w is not None else "",
        reason=reasons.NAMES[reason],
        kind=reasons.CLASSES[reason],
        conn_id=e.conn_id if e is not None else None,
        tuple_conn_id=tuple_entry.conn_id if tuple_entry is not None else None,
        state=state_name(held.proto, held.state) if held is not None else None,
        deadline=held.deadline if held is not None and held.in_table else None,
        refreshed=bool(w.refreshed) if w is not None else False,
        icmp_error=w is not None and q.proto in ICMP and e is not None and e.proto not in ICMP,
    )
    if is_tcp:
        step.flags, step.seq, step.ack = q.flags, q.seq, q.ack
        # `seg_end` is only set where the tracker came as far as the window check
        step.seq_end = (q.seq + step.payload + bool(q.flags & _SYN) + (q.flags & _FIN)) & _U32
        step.window = q.window
        step.sack = sack_edge(q)
        if q.bounds:
            step.bounds = (q.bound_seq_low, q.bound_seq_high, q.bound_ack_low, q.bound_ack_high)
        step.margin = q.margin
    if q.proto in ICMP and step.reason in _ERRORS:
        step.icmp_message = message(q.proto, bytes(q.buf[q.l4 : q.l4 + min(q.l4_cap, 8)]))
    if held is not None and held.proto == _TCP:
        step.after = snapshot(held)
    return step


def snapshot(e: Entry) -> dict[str, int]:
    """The numbers of a TCP entry."""
    return {name: getattr(e, name) for name in SIDE_FIELDS}


def sack_edge(p: Packet) -> int | None:
    """The highest right edge of the packet's SACK blocks beyond its ack, None without any."""
    options = bytes(p.buf[p.l4 + 20 : p.l4 + p.doff]) if 20 < p.doff <= p.l4_cap else b""
    at, edge = 0, None
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or not 2 <= options[at + 1] <= len(options) - at:
            return edge
        size = options[at + 1]
        if options[at] == 5 and size >= 10 and (size - 2) % 8 == 0:
            for block in range(at + 2, at + size, 8):
                right = int.from_bytes(options[block + 4 : block + 8], "big")
                base = p.ack if edge is None else edge
                if (right - base) & 0xFFFFFFFF < 0x80000000 and right != base:
                    edge = right
            return edge
        at += size
    return edge


class Last(RowSink):
    """Keeps the packet the engine worked on last; for a replay that stands before it."""

    def __init__(self) -> None:
        super().__init__(lambda _table, _columns, _rows: None)
        self.step: Step | None = None
        self.tuple: Tuple | None = None
        self.entry_tuple: Tuple | None = None
        # of the file, when there are several
        self.path: str | None = None

    def packet(self, p: Packet, w: Packet | None, reason: int, tuple_entry: Entry | None, now: int) -> int:
        """Only this one is of interest."""
        self.step = describe(p, w, reason, tuple_entry, now, w.direction if w is not None else 0)
        held = w.entry if w is not None and w.entry is not None else tuple_entry
        self.entry_tuple = Tuple.of_entry(held) if held is not None else None
        if w is not None and w.family and not w.tuple_fault and not w.l4_fault:
            self.tuple = Tuple.of_packet(w)
        return 0


class Watch(RowSink):
    """Hands every packet of the watched tuple to `take`, with the transitions it caused; those of timers
    and of other packets come on their own.

    `changed` tells, for each number of the entry, which packet changed it last and from what to what.
    """

    def __init__(self, watched: Tuple, take: Callable[[Step | Happened], None]) -> None:
        super().__init__(lambda _table, _columns, _rows: None)
        self.watched = watched
        # most packets are told apart by the lower half of one address
        self.lows = {watched.src[1], watched.dst[1]}
        self.take = take
        self.conn_ids: set[int] = set()
        self.current: dict[str, int] = {}
        self.state: str | None = None
        self.changed: dict[str, tuple[int, int, int]] = {}
        self.pending: list[Happened] = []
        self.fragments: dict[tuple[int, ...], list[Step]] = {}

    def transition(self, change: Change) -> int:
        """An entry of the tuple came, changed or went."""
        e = change.entry
        assert e is not None
        w = self.watched
        if e.src_lo not in self.lows or e.proto != w.proto:
            return 0
        if e.conn_id not in self.conn_ids and not self.mine(e):
            return 0
        self.conn_ids.add(e.conn_id)
        happened = Happened(
            event=codes.EVENTS[change.event],
            ts=change.ts,
            packet=change.packet,
            old_state=state_name(e.proto, change.old_state),
            new_state=state_name(e.proto, change.new_state),
            changes=[name for bit, name in enumerate(codes.MARKS) if change.marks >> bit & 1],
            timeout_ns=change.timeout if change.timeout >= 0 else None,
            why=codes.WHY[change.why],
            conn_id=e.conn_id,
        )
        # a reset is told with its packet
        if change.event == 2 and happened.why != "reset":
            self.current = {}
            self.changed = {}
            self.state = None
        if change.packet:
            self.pending.append(happened)
        else:
            self.take(happened)
        return 0

    def mine(self, e: Entry) -> bool:
        """Whether the entry has the watched tuple, either way round."""
        w, one = self.watched, Tuple.of_entry(e)
        if one.family != w.family:
            return False
        if one == w:
            return True
        back = (one.src, one.dst) == (w.dst, w.src)
        if w.proto in ICMP:
            return back and one.sport == w.sport
        return back and (one.sport, one.dport) == (w.dport, w.sport)

    def packet(self, p: Packet, w: Packet | None, reason: int, tuple_entry: Entry | None, now: int) -> int:
        """A frame, any frame."""
        if w is None:
            if p.frag and p.family == self.watched.family and p.proto == self.watched.proto:
                self.fragment(p, reason, now)
            return 0
        direction = self.watched.direction(w) if w.src_lo in self.lows else None
        if direction is None and w.entry is not None and w.entry.conn_id in self.conn_ids:
            direction = w.direction
        if direction is None:
            # somebody else's packet, for which the entry was evicted
            for happened in self.pending:
                self.take(happened)
            self.pending.clear()
            return 0
        if p.frag:
            for piece in self.fragments.pop((p.src_hi, p.src_lo, p.dst_hi, p.dst_lo, p.frag_id), ()):
                piece.direction = direction
                self.take(piece)
        step = describe(p, w, reason, tuple_entry, now, direction)
        step.before, step.old_state = self.current, self.state
        step.happened, self.pending = self.pending, []
        for name, value in step.after.items():
            if step.before.get(name) != value:
                self.changed[name] = (p.number, step.before.get(name, 0), value)
        self.current = step.after
        self.state = step.state
        if any(one.event == "DESTROY" for one in step.happened) and step.happened[-1].event == "DESTROY":
            self.current, self.changed, self.state = {}, {}, None
        self.take(step)
        return 0

    def fragment(self, p: Packet, reason: int, now: int) -> None:
        """A fragment that waits for the rest: whose it is shows when its datagram is whole."""
        key = (p.src_hi, p.src_lo, p.dst_hi, p.dst_lo, p.frag_id)
        waiting = self.fragments.setdefault(key, [])
        if len(waiting) < _FRAGMENTS:
            waiting.append(describe(p, None, reason, None, now, 0))
        if len(self.fragments) > _DATAGRAMS:
            del self.fragments[next(iter(self.fragments))]
