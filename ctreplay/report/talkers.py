"""Who opened most connections, and to where: two passes over connections.parquet in flat memory.

The first pass collects candidates, the most frequent of every row group; the second counts those exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_PER_GROUP = 500
_CANDIDATES = 50
_COLUMNS = ["proto", "orig_src", "orig_dst", "orig_dport", "orig_bytes", "reply_bytes", "seen_reply"]
_BETWEEN = "\n"
_ORDER = [("count", "descending"), ("key", "ascending")]


def talkers(path: Path, top: int) -> dict[str, list[dict[str, Any]]]:
    """`sources` (address) and `services` (proto, address, port), each with entries, unreplied and bytes."""
    sources = _ranked(path, "source", top)
    services = []
    for row in _ranked(path, "service", top):
        proto, address, port = row.pop("key").split(_BETWEEN)
        services.append({"proto": proto, "address": address, "port": int(port) if port else None, **row})
    return {"sources": [{"address": row.pop("key"), **row} for row in sources], "services": services}


def _batches(path: Path, kind: str) -> Iterator[pa.Table]:
    """Row groups as tables of key, bytes and unreplied."""
    with pq.ParquetFile(path / "connections.parquet") as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number, columns=_COLUMNS)
            if kind == "source":
                key = rows["orig_src"].cast(pa.string())
            else:
                port = pc.fill_null(rows["orig_dport"].cast(pa.string()), "")
                key = pc.binary_join_element_wise(
                    rows["proto"].cast(pa.string()), rows["orig_dst"].cast(pa.string()), port, _BETWEEN
                )
            size = pc.add(rows["orig_bytes"], rows["reply_bytes"])
            unreplied = pc.invert(rows["seen_reply"]).cast(pa.int64())
            yield pa.table({"key": key, "bytes": size, "unreplied": unreplied})


def _ranked(path: Path, kind: str, top: int) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for table in _batches(path, kind):
        counts = pc.value_counts(table["key"])
        group = pa.table({"key": counts.field("values"), "count": counts.field("counts")})
        best = pc.select_k_unstable(group, _PER_GROUP, _ORDER)
        for item in group.take(best).to_pylist():
            seen[item["key"]] += item["count"]
    likely = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:_CANDIDATES]
    wanted = pa.array([key for key, _ in likely], pa.string())
    sums: dict[str, list[int]] = {}
    for table in _batches(path, kind):
        found = table.filter(pc.is_in(table["key"], wanted)).group_by("key")
        grouped = found.aggregate([("bytes", "count"), ("unreplied", "sum"), ("bytes", "sum")])
        for row in grouped.to_pylist():
            one = sums.setdefault(row["key"], [0, 0, 0])
            for place, name in enumerate(("bytes_count", "unreplied_sum", "bytes_sum")):
                one[place] += row[name]
    order = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))[:top]
    return [{"key": key, "entries": n, "unreplied": unreplied, "bytes": size} for key, (n, unreplied, size) in order]
