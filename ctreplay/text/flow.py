"""One entry as text sees it: names instead of numbers, built from a live entry or from a dataset's rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ctreplay.dataset.addresstext import address_text
from ctreplay.tracker import codes
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.proto import sctp_table, tcp_table

_SECOND = 1_000_000_000
_V4 = 0xFFFF << 32
ICMP = (1, 58)
WITH_PORTS = (6, 17, 33, 132, 136)
GRE = 47
DCCP = 33
SCTP = 132
SEEN_REPLY = codes.STATUS_BITS["SEEN_REPLY"]
ASSURED = codes.STATUS_BITS["ASSURED"]
# names that conntrack-tools know; everything else is "unknown"
L4_NAMES = codes.PROTOCOLS | {33: "dccp"}


@dataclass(slots=True)
class Flow:
    """Fields of an entry. `state`, `timeout` (s), `mark`, counters, times (ns) and `use` are None where absent.

    `sport`, `dport`, `rsport`, `rdport` are the tuples' transport parts: ports, GRE keys, for ICMP the identifier and
    type << 8 | code.
    """

    conn_id: int
    family: int
    proto: int
    zone: int
    src: str
    dst: str
    sport: int
    dport: int
    reply_src: str
    reply_dst: str
    rsport: int
    rdport: int
    status: int
    state: str | None = None
    timeout: int | None = None
    counters: tuple[int, int, int, int] | None = None
    mark: int | None = None
    start: int | None = None
    stop: int | None = None
    now: int | None = None
    helper: str | None = None
    use: int | None = None
    master: int | None = None
    vtags: tuple[int, int] | None = None
    # both tuples as lines show them, once somebody has asked
    texts: tuple[str, str] | None = None

    @property
    def proto_name(self) -> str:
        """As conntrack prints it."""
        return L4_NAMES.get(self.proto, "unknown")

    @property
    def delta(self) -> int | None:
        """Seconds that the entry has lived (libnetfilter_conntrack's delta-time), None without timestamps."""
        if self.start is None:
            return None
        until = self.stop if self.stop is not None else self.now
        return None if until is None else max((until - self.start) // _SECOND, 0)

    def original(self) -> list[tuple[str, int]]:
        """Names and values of the original tuple's transport part."""
        return transport(self.proto, self.sport, self.dport)

    def reply(self) -> list[tuple[str, int]]:
        """Names and values of the reply tuple's transport part."""
        return transport(self.proto, self.rsport, self.rdport)


def transport(proto: int, one: int, two: int) -> list[tuple[str, int]]:
    """Names and values of a tuple's transport part; empty for protocols that have none."""
    if proto in ICMP:
        return [("type", two >> 8), ("code", two & 255), ("id", one)]
    if proto == GRE:
        return [("srckey", one), ("dstkey", two)]
    if proto in WITH_PORTS:
        return [("sport", one), ("dport", two)]
    return []


def state_name(proto: int, state: int) -> str | None:
    """Name of a protocol state; None for protocols without states and for -1."""
    if state < 0:
        return None
    if proto == 6:
        return tcp_table.STATES[state]
    if proto == 132:
        return sctp_table.STATES[state]
    return None


def from_entry(e: Entry, *, accounting: bool, timestamps: bool) -> Flow:
    """The tuples, status, counters and helper of an entry; what depends on the occasion is left out."""
    src, dst = address_text(e.src_hi << 64 | e.src_lo, e.family), address_text(e.dst_hi << 64 | e.dst_lo, e.family)
    ext: Any = e.ext
    return Flow(
        conn_id=e.conn_id,
        family=e.family,
        proto=e.proto,
        zone=e.zone,
        src=src,
        dst=dst,
        sport=e.sport,
        dport=e.dport,
        reply_src=dst,
        reply_dst=src,
        rsport=e.rsport,
        rdport=e.rdport,
        status=e.status,
        counters=(e.orig_packets, e.orig_bytes, e.reply_packets, e.reply_bytes) if accounting else None,
        start=e.first_ts if timestamps else None,
        helper=getattr(ext, "helper", None) or None,
        master=getattr(ext, "master_conn_id", None),
        # an SCTP entry keeps its verification tags where TCP keeps sequence numbers
        vtags=(e.end0, e.end1) if e.proto == SCTP else None,
    )


def table(entries: Iterable[Entry], now: int, *, accounting: bool, timestamps: bool) -> list[Flow]:
    """Live entries as a dump shows them at `now` ns: with state, timeout left, mark and use count."""
    found = []
    children: dict[int, int] = {}
    for e in entries:
        flow = from_entry(e, accounting=accounting, timestamps=timestamps)
        flow.state = state_name(e.proto, e.state)
        flow.timeout = max((e.deadline - now) // _SECOND, 0)
        flow.mark = e.mark
        flow.now = now
        if flow.master is not None:
            children[flow.master] = children.get(flow.master, 0) + 1
        found.append(flow)
    for flow in found:
        flow.use = 1 + children.get(flow.conn_id, 0)
    return found
