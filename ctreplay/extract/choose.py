"""Which packets to take: of connections, of what is related to them, or by number; with the fragments they came in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctreplay import reasons

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ctreplay.timetravel.origin import Origin

_FIELDS = (
    "packet", "ts", "capture", "frame", "offset", "caplen", "wirelen", "conn_id", "tuple_conn_id", "direction",
    "ctstate",
    "reason", "state", "timeout_s", "margin", "proto", "src", "dst",
)  # fmt: skip
_FRAGMENT = tuple(name for name, group, _ in reasons.TABLE if group == "fragment")
_ERRORS = tuple(name for name, _, _ in reasons.TABLE if name.startswith("icmp_error"))


class ExtractError(Exception):
    """What cannot be extracted; the message says why and what to do."""


def check_connections(db: duckdb.DuckDBPyConnection, wanted: Iterable[int]) -> None:
    """Raise ExtractError for ids that are no connections of the dataset."""
    ids = sorted(set(wanted))
    known = {
        row[0]
        for row in db.execute("SELECT conn_id FROM connections WHERE conn_id IN (SELECT unnest(?))", [ids]).fetchall()
    }
    missing = [str(one) for one in ids if one not in known]
    if missing:
        raise ExtractError(
            f"no connection {', '.join(missing[:5])} in the dataset; "
            '`ctreplay query DATASET -c "SELECT conn_id, flow FROM conns"` lists them'
        )


def children(db: duckdb.DuckDBPyConnection, wanted: set[int]) -> set[int]:
    """Connections that a helper expected because of `wanted`, and theirs in turn."""
    found = set(wanted)
    new = wanted
    while new:
        rows = db.execute(
            "SELECT conn_id FROM connections WHERE master_conn_id IN (SELECT unnest(?))", [sorted(new)]
        ).fetchall()
        new = {row[0] for row in rows} - found
        found |= new
    return found


class Chooser:
    """Decides over batches of packets.parquet, or of a replay that makes the same rows."""

    def __init__(self, conns: set[int], packets: set[int], related: bool) -> None:
        import pyarrow as pa

        self.conns = pa.array(sorted(conns), pa.int64())
        self.packets = pa.array(sorted(packets), pa.int64())
        self.related = related
        self.rows: list[pa.RecordBatch] = []
        self.fragments: list[pa.RecordBatch] = []

    def take(self, batch: pa.RecordBatch) -> None:
        """Keep what is wanted of a batch with the columns of packets.parquet."""
        import pyarrow as pa
        import pyarrow.compute as pc

        reason = batch.column("reason")
        if pa.types.is_dictionary(reason.type):
            reason = reason.cast(pa.string())
        of_conn = pc.or_(
            pc.is_in(batch.column("conn_id"), self.conns), pc.is_in(batch.column("tuple_conn_id"), self.conns)
        )
        if not self.related:
            is_error = pc.is_in(reason, pa.array(_ERRORS))
            of_conn = pc.and_(of_conn, pc.invert(is_error))
        wanted = pc.or_(of_conn, pc.is_in(batch.column("packet"), self.packets))
        names = [name for name in _FIELDS if name in batch.schema.names]
        if pc.any(wanted).as_py():
            self.rows.append(batch.filter(wanted).select(names))
        pieces = pc.is_in(reason, pa.array(_FRAGMENT))
        if pc.any(pieces).as_py():
            self.fragments.append(batch.filter(pieces).select(names))


def from_dataset(dataset: str | os.PathLike[str], chooser: Chooser) -> None:
    """Choose from packets.parquet."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(Path(dataset) / "packets.parquet") as file:
        for batch in file.iter_batches(columns=list(_FIELDS)):
            chooser.take(batch)


def from_replay(origin: Origin, make: Any) -> Chooser:
    """Choose while the captures are replayed again. Raises CaptureError, OriginError.

    `make` gives a fresh Chooser: the replay starts again when a capture is not in order.
    """
    import pyarrow.parquet as pq

    from ctreplay.dataset.rows import RowSink
    from ctreplay.dataset.tables import in_memory
    from ctreplay.engine import PACKETS_ALL
    from ctreplay.timetravel.instant import Instant
    from ctreplay.timetravel.travel import Travel, travel

    current: list[Chooser] = []

    def flush(table: str, columns: dict[str, Any], rows: int) -> None:
        if table == "packets" and rows:
            with pq.ParquetFile(in_memory(table, columns, rows)) as file:
                for batch in file.iter_batches(columns=list(_FIELDS)):
                    current[-1].take(batch)

    def sink() -> RowSink:
        current.append(make())
        return RowSink(flush)

    def work(trip: Travel) -> Chooser:
        trip.to(Instant("end", 0))
        trip.engine.sink.finish()
        return current[-1]

    return travel(origin, work, sink=sink, level=PACKETS_ALL)


def rows_of(batches: Sequence[pa.RecordBatch]) -> list[dict[str, Any]]:
    """Plain rows in the order of packet numbers; `ts` in ns."""
    import pyarrow as pa

    found: list[dict[str, Any]] = []
    for batch in batches:
        table = pa.Table.from_batches([batch])
        at = table.schema.get_field_index("ts")
        table = table.set_column(at, "ts", table.column("ts").cast(pa.int64()))
        found.extend(table.to_pylist())
    found.sort(key=lambda row: row["packet"])
    return found
