"""Who opened most connections, and to where: two passes over connections.parquet in flat memory.

The first pass collects candidates, the most frequent of every row group; the second counts those exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Groups = Callable[[], Iterable[pa.Table]]

_KEPT = 1 << 19
_PER_GROUP = 500
_CANDIDATES = 50
_COLUMNS = ["proto", "orig_src", "orig_dst", "orig_dport", "orig_bytes", "reply_bytes", "seen_reply"]
_BETWEEN = "\n"
_ORDER = [("count", "descending"), ("key", "ascending")]


def talkers(path: Path, top: int) -> dict[str, list[dict[str, Any]]]:
    """`sources` (address) and `services` (proto, address, port), each with entries, unreplied and bytes."""
    with pq.ParquetFile(path / "connections.parquet") as file:
        groups = _groups(file)
        sources = _ranked(groups, _by_source, top)
        services = []
        for row in _ranked(groups, _by_service, top):
            proto, address, port = row.pop("key").split(_BETWEEN)
            services.append({"proto": proto, "address": address, "port": int(port) if port else None, **row})
    return {"sources": [{"address": row.pop("key"), **row} for row in sources], "services": services}


def _groups(file: pq.ParquetFile) -> Groups:
    """The row groups, as often as they are asked for; few are kept, many are read again."""

    def read() -> Iterator[pa.Table]:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=_COLUMNS)

    if file.metadata.num_rows > _KEPT:
        return read
    kept = list(read())
    return lambda: kept


def _by_source(rows: pa.Table) -> pa.ChunkedArray:
    return rows["orig_src"].cast(pa.string())


def _by_service(rows: pa.Table) -> pa.ChunkedArray:
    port = pc.fill_null(rows["orig_dport"].cast(pa.string()), "")
    return pc.binary_join_element_wise(
        rows["proto"].cast(pa.string()), rows["orig_dst"].cast(pa.string()), port, _BETWEEN
    )


def _ranked(groups: Groups, key_of: Callable[[pa.Table], pa.ChunkedArray], top: int) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for rows in groups():
        counts = pc.value_counts(key_of(rows))
        group = pa.table({"key": counts.field("values"), "count": counts.field("counts")})
        best = pc.select_k_unstable(group, _PER_GROUP, _ORDER)
        for item in group.take(best).to_pylist():
            seen[item["key"]] += item["count"]
    likely = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:_CANDIDATES]
    wanted = pa.array([key for key, _ in likely], pa.string())
    sums: dict[str, list[int]] = {}
    for rows in groups():
        key = key_of(rows)
        chosen = pc.is_in(key, wanted)
        rows = rows.filter(chosen)
        size = pc.add(rows["orig_bytes"], rows["reply_bytes"])
        unreplied = pc.invert(rows["seen_reply"]).cast(pa.int64())
        found = pa.table({"key": key.filter(chosen), "bytes": size, "unreplied": unreplied}).group_by("key")
        grouped = found.aggregate([("bytes", "count"), ("unreplied", "sum"), ("bytes", "sum")])
        for row in grouped.to_pylist():
            one = sums.setdefault(row["key"], [0, 0, 0])
            for place, name in enumerate(("bytes_count", "unreplied_sum", "bytes_sum")):
                one[place] += row[name]
    order = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))[:top]
    return [{"key": key, "entries": n, "unreplied": unreplied, "bytes": size} for key, (n, unreplied, size) in order]
