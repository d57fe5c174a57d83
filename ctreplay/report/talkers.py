"""Who opened most connections, and to where: ranked exactly, in flat memory (see `dataset.ranking`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctreplay.dataset.addresstext import address_text
from ctreplay.dataset.chunks import WITH_PORTS
from ctreplay.dataset.ranking import Ranked, Ranking, rankings
from ctreplay.tracker.codes import PROTOCOLS

_MAPPED = 0xFFFF
_COLUMNS = ["protonum", "orig_src_key", "orig_dst_key", "orig_dport", "orig_bytes", "reply_bytes", "seen_reply"]


def talkers(path: Path, top: int, ranked: tuple[Ranking, Ranking] | None = None) -> dict[str, list[dict[str, Any]]]:
    """`sources` (address) and `services` (proto, address, port), each with entries, unreplied and bytes.

    `ranked` has seen all rows in a first pass already; without it that is done here.
    """
    with pq.ParquetFile(path / "connections.parquet") as file:
        if ranked is None:
            ranked = rankings()
            for rows in _parts(file, _COLUMNS[:4]):
                for ranking in ranked:
                    ranking.estimate(*_keys(rows, ranking), rows.num_rows)
        found: dict[Ranking, list[Ranked]] = {}
        for ranking in ranked:
            ranking.begin()
        while waiting := [ranking for ranking in ranked if ranking not in found]:
            for rows in _parts(file, _COLUMNS):
                sizes = _buffer(rows["orig_bytes"], "Q"), _buffer(rows["reply_bytes"], "Q")
                replies = rows["seen_reply"].chunk(0)
                seen_reply = memoryview(replies.buffers()[1]).cast("B"), replies.offset
                for ranking in waiting:
                    ranking.count(*_keys(rows, ranking), *sizes, *seen_reply, rows.num_rows)
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


def _parts(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns=columns).combine_chunks()


def _buffer(column: pa.ChunkedArray, code: str) -> memoryview:
    """The values of a column in one chunk, without a copy; null is anything."""
    values = column.chunk(0)
    data = memoryview(values.buffers()[1]).cast("B")
    size = values.type.byte_width
    return data[size * values.offset : size * (values.offset + len(values))].cast(code)  # type: ignore[call-overload,no-any-return]


def _keys(rows: pa.Table, ranking: Ranking) -> tuple[memoryview, memoryview, memoryview]:
    address = rows["orig_dst_key" if ranking.services else "orig_src_key"]
    return _buffer(address, "B"), _buffer(rows["protonum"], "B"), _buffer(rows["orig_dport"], "H")


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
