"""Who opened most connections, and to where: ranked exactly, in flat memory (see `dataset.ranking`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctreplay.dataset.addresstext import address_text
from ctreplay.dataset.chunks import WITH_PORTS
from ctreplay.dataset.ranking import Ranked, Ranking, rankings
from ctreplay.dataset.seen import Ends, Seen
from ctreplay.tracker.codes import PROTOCOLS

if TYPE_CHECKING:
    import pyarrow as pa

_MAPPED = 0xFFFF
_COLUMNS = ["protonum", "orig_src_key", "orig_dst_key", "orig_dport", "orig_bytes", "reply_bytes", "seen_reply"]


def talkers(path: Path, top: int, seen: Seen | None = None) -> dict[str, list[dict[str, Any]]]:
    """`sources` (address) and `services` (proto, address, port), each with entries, unreplied and bytes.

    `seen` is what was seen of the dataset at `path` while it was written; without it all of that is read.
    """
    if seen is not None:
        ranked, kept = seen.ranked, seen.kept
    else:
        kept = None
        ranked = rankings()
        for ends in _read(path):
            for ranking in ranked:
                ranking.estimate(*ends.keys(ranking), ends.n)
    found: dict[Ranking, list[Ranked]] = {}
    for ranking in ranked:
        ranking.begin()
    while waiting := [ranking for ranking in ranked if ranking not in found]:
        for ends in _read(path) if kept is None else kept:
            for ranking in waiting:
                ranking.count(*ends.keys(ranking), ends.sent, ends.answered, ends.seen_reply, ends.first, ends.n)
        for ranking in waiting:
            if (best := ranking.best(top)) is not None:
                found[ranking] = best
    sources, services = (_first(_texts(found[ranking]), top) for ranking in ranked)
    return {
        "sources": [{name: row[name] for name in ("address", "entries", "unreplied", "bytes")} for row in sources],
        "services": services,
    }


def _first(rows: list[dict[str, Any]], top: int) -> list[dict[str, Any]]:
    order = sorted(rows, key=lambda row: (-row["entries"], row["proto"], row["address"], str(row["port"] or "")))
    return order[:top]


def _read(path: Path) -> Iterator[Ends]:
    """All connections, a row group at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path / "connections.parquet") as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number, columns=_COLUMNS).combine_chunks()
            replies = rows["seen_reply"].chunk(0)
            yield Ends(
                _buffer(rows["orig_src_key"], "B"),
                _buffer(rows["orig_dst_key"], "B"),
                _buffer(rows["protonum"], "B"),
                _buffer(rows["orig_dport"], "H"),
                _buffer(rows["orig_bytes"], "Q"),
                _buffer(rows["reply_bytes"], "Q"),
                memoryview(replies.buffers()[1]).cast("B"),
                replies.offset,
                rows.num_rows,
            )


def _buffer(column: pa.ChunkedArray, code: str) -> memoryview:
    """The values of a column in one chunk, without a copy; null is anything."""
    values = column.chunk(0)
    data = memoryview(values.buffers()[1]).cast("B")
    size = values.type.byte_width
    return data[size * values.offset : size * (values.offset + len(values))].cast(code)  # type: ignore[call-overload,no-any-return]


def _texts(ranked: list[Ranked]) -> list[dict[str, Any]]:
    return [
        {
            "proto": PROTOCOLS.get(tail >> 16, str(tail >> 16)),
            "address": address_text(high << 64 | low, 4 if high == 0 and low >> 32 == _MAPPED else 6),
            "port": tail & 0xFFFF if tail >> 16 in WITH_PORTS else None,
            "entries": entries,
            "unreplied": unreplied,
            "bytes": size,
        }
        for high, low, tail, entries, unreplied, size in ranked
    ]
