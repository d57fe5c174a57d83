"""A first check file from what captures show."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctreplay.check.expect import plan
from ctreplay.check.load import parse_text
from ctreplay.check.model import Count, Expect, Options
from ctreplay.check.replays import Cache
from ctreplay.check.tables import to_csv
from ctreplay.check.work import fetch

if TYPE_CHECKING:
    import duckdb

_STATES = "SELECT proto, state, end_reason, count(*) AS connections FROM connections GROUP BY ALL ORDER BY ALL"
_HEAD = """\
# What the connection tracker must make of these captures; `ctreplay check` tests it.
# Written from what they show today: delete what does not matter, sharpen what does.
# All short forms, SQL and named queries: the documentation of `ctreplay check`.

checks:
"""


def write(captures: Sequence[str], target: Path, cache: Cache) -> int:
    """Write `target` with an item for each capture; the number of assertions.

    Raises CaptureError, ValueError for a name that no check file can hold, OSError.
    """
    from ctreplay.sql import open_dataset

    folder = target.absolute().parent
    # before the captures: the way to them leads through it
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_HEAD]
    for number, capture in enumerate(captures):
        name = Path(os.path.relpath(capture, folder)).as_posix()
        if not name.isascii() and any("\ud800" <= char <= "\udfff" for char in name):
            raise ValueError(f"{capture}: a name that is not UTF-8 cannot stand in a check file; rename the capture")
        dataset, _ = cache.dataset((name,), Options(), folder)
        with open_dataset(dataset) as db:
            parts.append(("\n" if number else "") + "\n".join(_item(db, name)) + "\n")
    text = "".join(parts)
    count = sum(len(group.assertions) for group in parse_text(text, target, str(target)).groups)
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
    return count


def _quoted(text: str) -> str:
    """A YAML text; plain where that is safe. Control characters are escaped."""
    import yaml

    safe = all(char.isalnum() or char in "/._-" for char in text) and text[:1].isalpha()
    if safe and text.lower() not in ("true", "false", "null"):
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return quoted.removesuffix("\n")


def _count(db: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = db.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _item(db: duckdb.DuckDBPyConnection, capture: str) -> Iterator[str]:
    yield f"  - captures: {_quoted(capture)}"
    yield "    assert:"
    invalid = _count(db, plan(Expect("invalid_packets", Count("0", 0, 0))).count)
    yield f"      - expect: {{invalid_packets: {invalid}}}"
    cut = _count(db, plan(Expect("idle_cut", Count("0", 0, 0))).count)
    yield f"      - expect: {{idle_cut: {cut}}}"
    peak = _count(db, plan(Expect("peak_entries")).count)
    if peak:
        yield f'      - expect: {{peak_entries: "<= {peak}"}}'
    for port, total, reached in db.execute(
        "SELECT orig_dport, count(*), count(*) FILTER (EXISTS (SELECT 1 FROM transitions t WHERE t.conn_id = c.conn_id"
        " AND t.new_state::VARCHAR = 'ESTABLISHED')) FROM connections c WHERE proto = 'tcp'"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
    ).fetchall():
        if total == reached:
            yield f"      - name: every TCP connection to port {port} is established"
            yield f"        expect: {{reaches: ESTABLISHED, where: proto = 'tcp' AND orig_dport = {port}}}"
    columns, rows = fetch(db, _STATES)
    yield "      - name: connections by protocol, last state and end reason"
    yield "        sql: >"
    yield f"          {_STATES}"
    yield "        equals: |"
    for line in to_csv(columns, rows).splitlines():
        yield f"          {line}"
