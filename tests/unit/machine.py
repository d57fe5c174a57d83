"""A tracker on a bench: frames go in one at a time, verdicts and events come out as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ctreplay import reasons
from ctreplay.capture.record import Record, Source
from ctreplay.dataset.rows import RowSink
from ctreplay.engine import PACKETS_ALL, Engine
from ctreplay.packet import Packet
from ctreplay.tracker import codes, sysctl
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.occupancy import Occupancy
from ctreplay.tracker.settings import Settings
from ctreplay.tracker.sink import Change
from tests.traffic import build as b

SECOND = 10**9
START = 1_700_000_000 * SECOND
RAW, ETHERNET = 101, 1
A, B, C = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), bytes((10, 0, 0, 3))
A6, B6 = (bytes.fromhex("20010db8") + bytes(11) + bytes((n,)) for n in (1, 2))
CPORT, SPORT = 40000, 80
UNREPLIED, REPLIED, ASSURED = 0x8, 0xA, 0xE
WSCALE, SACK_PERM, CLOSE_INIT, LIBERAL, UNACKED, MAXACK, CHALLENGE, SIMULTANEOUS = (1 << n for n in range(8))
SYN, SYNACK, FIN, ACK, RST, RSTACK = 0x02, 0x12, 0x11, 0x10, 0x04, 0x14


class Event(NamedTuple):
    """One row for transitions, in words. `timeout` in ns, -1 for none."""

    event: str
    conn_id: int
    ts: int
    packet: int
    direction: int
    old_state: int
    new_state: int
    changes: tuple[str, ...]
    timeout: int
    why: str


class End(NamedTuple):
    conn_id: int
    why: str
    ts: int
    left: int


def live_counts(o: Occupancy) -> list[int]:
    """Live entries by protocol, then by state."""
    return [*o.protos, *o.states]


@dataclass
class Verdict:
    """What became of one frame. `timeout_s`: what is left, as a float of seconds."""

    ctstate: str = ""
    reason: str = ""
    note: str = ""
    direction: int = -1
    state: int = -1
    timeout_s: float = -1.0
    refreshed: bool = False
    entry: Entry | None = None
    tuple_entry: int = 0
    bounds: tuple[int, int, int, int] | None = None
    margin: int = 0
    events: list[Event] = field(default_factory=list)

    @property
    def short(self) -> tuple[str, str]:
        return self.ctstate, self.reason

    def changes(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(event.event, event.changes) for event in self.events]


class Recorder(RowSink):
    """Keeps what the engine says instead of turning it into columns."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ends: list[End] = []
        self.verdicts: list[Verdict] = []
        self.occupancy: list[dict[str, int]] = []

    def transition(self, change: Change) -> int:
        e = change.entry
        assert e is not None
        self.events.append(
            Event(
                codes.EVENTS[change.event],
                e.conn_id,
                change.ts,
                change.packet,
                change.direction,
                change.old_state,
                change.new_state,
                tuple(name for bit, name in enumerate(codes.MARKS) if change.marks >> bit & 1),
                change.timeout,
                codes.WHY[change.why],
            )
        )
        return 0

    def connection(self, e: Entry, why: int, end_ts: int, left: int) -> int:
        self.ends.append(End(e.conn_id, codes.WHY[why], end_ts, left))
        return 0

    def second(self, o: Occupancy) -> int:
        self.occupancy.append(
            {"second": o.second, "entries": o.entries, "peak": o.peak, "inserts": o.inserts, "destroys": o.destroys,
             "packets": o.packets, "early_drops": o.early_drops, "full_drops": o.full_drops, "assured": o.assured,
             "unreplied": o.unreplied, "sum": sum(live_counts(o)[:8]), "tcp": live_counts(o)[0],
             "tcp_states": sum(live_counts(o)[8:18])}
        )  # fmt: skip
        return 0

    def packet(self, p: Packet, w: Packet | None, reason: int, tuple_entry: Entry | None, now: int) -> int:
        verdict = Verdict(reason=reasons.NAMES[reason])
        if w is not None:
            verdict.ctstate = codes.CTSTATES[w.ctstate]
            verdict.reason = reasons.NAMES[w.reason]
            verdict.note = reasons.NAMES[w.note]
            verdict.refreshed = bool(w.refreshed)
            verdict.tuple_entry = tuple_entry.conn_id if tuple_entry is not None else 0
            if w.bounds:
                verdict.bounds = w.bound_seq_low, w.bound_seq_high, w.bound_ack_low, w.bound_ack_high
                verdict.margin = w.margin
            if w.entry is not None:
                verdict.entry = w.entry
                verdict.direction = w.direction
                verdict.state = w.entry.state
                verdict.timeout_s = (w.entry.deadline - now) / SECOND
        self.verdicts.append(verdict)
        return 0


class Frames(Source):
    """A source that is fed one frame at a time."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, bytes, int, int]] = []
        self.count = 0

    def advance(self, rec: Record) -> bool:
        if not self.waiting:
            return False
        rec.ts, data, rec.linktype, rec.wirelen = self.waiting.pop(0)
        self.count += 1
        rec.number = rec.frame = self.count
        rec.offset = 0
        rec.buf = data or b"\0"
        rec.start = 0
        rec.caplen = len(data)
        rec.capture = 0
        return True


class Machine:
    """Engine, recorder and source. Times given as `at` are seconds since the start (int or exact `ns`)."""

    def __init__(self, **sysctls: int) -> None:
        values = sysctl.defaults()
        for name, value in sysctls.items():
            full = name if name in values else f"nf_conntrack_{name}"
            assert full in values, full
            values[full] = value
        self.sink = Recorder()
        self.engine = Engine(Settings(values), self.sink, PACKETS_ALL)
        self.source = Frames()
        self.now = START

    def send(
        self, frame: bytes, after: float = 0.001, *, ns: int | None = None, linktype: int = RAW,
        wirelen: int | None = None,
    ) -> Verdict:  # fmt: skip
        """One frame, `after` seconds after the one before, or `ns` nanoseconds."""
        self.now += round(after * SECOND) if ns is None else ns
        self.source.waiting.append((self.now, frame, linktype, len(frame) if wirelen is None else wirelen))
        before = len(self.sink.events)
        assert self.engine.run(self.source, 1) == 1
        verdict = self.sink.verdicts[-1]
        verdict.events = self.sink.events[before:]
        return verdict

    def wait(self, seconds: float = 0, ns: int = 0) -> list[Event]:
        """Let time pass without a packet; what happened."""
        before = len(self.sink.events)
        self.now += round(seconds * SECOND) + ns
        self.engine.tracker.advance(self.now)
        return self.sink.events[before:]

    def entries(self) -> list[Entry]:
        return list(self.engine.tracker.table.entries())

    def tcp(
        self, direction: int, flags: int, seq: int = 0, ack: int = 0, win: int = 1000, options: bytes = b"",
        data: bytes = b"", after: float = 0.001, port: int = CPORT,
    ) -> Verdict:  # fmt: skip
        """A TCP segment of the connection A:port to B:80, or back."""
        ports = (port, SPORT) if direction == 0 else (SPORT, port)
        ends = (A, B) if direction == 0 else (B, A)
        segment = b.tcp(*ports, seq, ack, flags, win, options, data)
        return self.send(b.ip(*ends, b.TCP, b.with_checksum(*ends, b.TCP, segment)), after)

    def udp(self, direction: int, data: bytes = b"", after: float = 0.001, ns: int | None = None) -> Verdict:
        ports = (CPORT, 53) if direction == 0 else (53, CPORT)
        ends = (A, B) if direction == 0 else (B, A)
        return self.send(b.ip(*ends, b.UDP, b.udp(*ports, data)), after, ns=ns)

    def handshake(self, isn: int = 1000, peer: int = 5000, win: int = 64240, options: bytes = b"") -> Entry:
        """A connection in ESTABLISHED, ASSURED."""
        self.tcp(0, SYN, isn, 0, win, options)
        self.tcp(1, SYNACK, peer, isn + 1, win, options)
        verdict = self.tcp(0, ACK, isn + 1, peer + 1, win)
        assert verdict.entry is not None and verdict.entry.state == 3 and verdict.entry.status == ASSURED
        return verdict.entry

    def tcp_entry(self, **fields: Any) -> Entry:
        """A confirmed TCP entry with the given fields (see `ctreplay.tracker.entry`)."""
        entry = self.tcp(0, SYN, 0).entry
        assert entry is not None
        return poke(entry, **fields)


def poke(entry: Entry, **fields: Any) -> Entry:
    for name, value in fields.items():
        setattr(entry, name, value)
    return entry
