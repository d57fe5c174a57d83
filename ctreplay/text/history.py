"""Events in order, from a dataset's rows or from a replay that is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ctreplay.cli.common import printable
from ctreplay.dataset.rows import RowSink
from ctreplay.text.flow import GRE, ICMP, Flow, from_entry, state_name
from ctreplay.tracker import codes
from ctreplay.tracker.sink import Change

_SECOND = 1_000_000_000
_DESTROY = 2
# connections that are held as Python objects: fast, but a kilobyte each
_MOST_UNPACKED = 2_000_000


@dataclass(slots=True)
class Event:
    """`kind` NEW, UPDATE or DESTROY at `ts` ns, by packet (None: a timer), with the entry as the event tells it."""

    kind: str
    ts: int
    packet: int | None
    reason: str | None
    flow: Flow


class EventSink(RowSink):
    """Hands each event to `take` as it happens."""

    def __init__(self, take: Callable[[Event], None], accounting: bool, timestamps: bool) -> None:
        super().__init__(lambda _table, _columns, _rows: None)
        self.take = take
        self.accounting = accounting
        self.timestamps = timestamps

    def transition(self, change: Change) -> int:
        """One event; what it carries is spec section 9.2."""
        e = change.entry
        assert e is not None
        gone = change.event == _DESTROY
        flow = from_entry(e, accounting=self.accounting and gone, timestamps=self.timestamps and gone)
        flow.status = change.new_status
        flow.state = state_name(e.proto, change.new_state)
        flow.timeout = change.timeout // _SECOND if change.timeout >= 0 else None
        flow.mark = e.mark or None
        if gone:
            flow.helper = None
            if self.timestamps:
                flow.stop = change.ts
        self.take(
            Event(codes.EVENTS[change.event], change.ts, change.packet or None, codes.WHY[change.why] or None, flow)
        )
        return 0


def lacks_keys(folder: Path) -> bool:
    """Whether a dataset has GRE connections, whose keys are in no table. Raises DatasetError."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from ctreplay.sql import readable

    with readable(folder):
        protocols = pq.read_table(folder / "connections.parquet", columns=["protonum"]).column("protonum")
    return bool(pc.any(pc.equal(protocols, GRE)).as_py())


def from_dataset(folder: Path, *, accounting: bool, timestamps: bool) -> Iterator[Event]:
    """Events of a dataset, in order. All events of a connection have one flow, which its next event changes.

    Raises DatasetError when a table cannot be read.
    """
    from ctreplay.sql import readable

    with readable(folder):
        yield from _events(folder, accounting, timestamps)


def _events(folder: Path, accounting: bool, timestamps: bool) -> Iterator[Event]:
    import pyarrow.parquet as pq

    connections = _Connections(folder)
    live: dict[int, _Known] = {}
    columns = ["ts", "packet", "conn_id", "event", "new_state", "new_status", "timeout_s", "reason"]
    for batch in pq.ParquetFile(folder / "transitions.parquet").iter_batches(columns=columns):
        data = {name: batch.column(name) for name in columns}
        data["ts"] = data["ts"].cast("int64")
        rows = zip(*(_values(data[name]) for name in columns), strict=True)
        for ts, packet, conn_id, kind, state, status, timeout, reason in rows:
            known = live.get(conn_id)
            if known is None:
                known = live[conn_id] = connections.known(conn_id)
            flow = known.flow
            flow.status, flow.state, flow.timeout = status, state, timeout
            if kind == "DESTROY":
                del live[conn_id]
                flow.helper = None
                if accounting:
                    flow.counters = known.counters
                if timestamps:
                    flow.start, flow.stop = known.start, ts
            yield Event(kind, ts, packet, reason, flow)


def _values(column: Any) -> list[Any]:
    """What is in a column; of a dictionary Arrow would make every name anew, which takes fifty times as long."""
    import pyarrow as pa

    found: list[Any]
    if not hasattr(column.type, "index_type"):
        found = column.to_pylist()
        return [*map(_shown, found)] if pa.types.is_string(column.type) else found
    found = []
    for part in getattr(column, "chunks", [column]):
        names = [*map(_shown, part.dictionary.to_pylist()), None]
        found += [names[-1 if i is None else i] for i in part.indices.to_pylist()]
    return found


def _shown(value: Any) -> Any:
    """A value of a table, which somebody else may have written; a text becomes harmless to a terminal."""
    return printable(value) if isinstance(value, str) else value


class _Known(NamedTuple):
    """A connection, and what only its last event tells: counters at the end, first instant in ns."""

    flow: Flow
    counters: tuple[int, int, int, int]
    start: int


class _Connections:
    """connections.parquet by conn_id, columns as Arrow holds them."""

    NAMES = (
        "conn_id", "family", "protonum", "zone", "orig_src", "orig_dst", "orig_sport", "orig_dport", "reply_src",
        "reply_dst", "reply_sport", "reply_dport", "icmp_type", "icmp_code", "icmp_id", "orig_packets", "orig_bytes",
        "reply_packets", "reply_bytes", "first_ts", "mark", "helper", "master_conn_id",
    )  # fmt: skip

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "connections.parquet", columns=list(self.NAMES)).combine_chunks()
        self.columns: list[Any] = [table.column(name) for name in self.NAMES]
        self.columns[self.NAMES.index("first_ts")] = table.column("first_ts").cast("int64")
        if table.num_rows <= _MOST_UNPACKED:
            self.columns = [_values(column) for column in self.columns]
        self.row = {conn_id: i for i, conn_id in enumerate(table.column("conn_id").to_pylist())}

    def known(self, conn_id: int) -> _Known:
        i = self.row[conn_id]
        values = [column[i] for column in self.columns]
        if not isinstance(self.columns[0], list):
            values = [_shown(value.as_py()) for value in values]
        row: dict[str, Any] = dict(zip(self.NAMES, values, strict=True))
        proto = row["protonum"]
        sport, dport, rsport, rdport = row["orig_sport"], row["orig_dport"], row["reply_sport"], row["reply_dport"]
        if proto in ICMP:
            sport = rsport = row["icmp_id"]
            dport = row["icmp_type"] << 8 | row["icmp_code"]
            rdport = reply_type(proto, row["icmp_type"]) << 8 | row["icmp_code"]
        flow = Flow(
            conn_id=conn_id,
            family=int(row["family"][-1]),
            proto=proto,
            zone=row["zone"],
            src=row["orig_src"],
            dst=row["orig_dst"],
            sport=sport or 0,
            dport=dport or 0,
            reply_src=row["reply_src"],
            reply_dst=row["reply_dst"],
            rsport=rsport or 0,
            rdport=rdport or 0,
            status=0,
            mark=row["mark"] or None,
            helper=row["helper"],
            master=row["master_conn_id"],
        )
        counters = row["orig_packets"], row["orig_bytes"], row["reply_packets"], row["reply_bytes"]
        return _Known(flow, counters, row["first_ts"])


def reply_type(proto: int, kind: int) -> int:
    """ICMP type of the reply tuple."""
    pairs = {1: {8: 0, 13: 14, 15: 16, 17: 18}, 58: {128: 129, 139: 140}}[proto]
    return pairs.get(kind, next((request for request, answer in pairs.items() if answer == kind), kind))
