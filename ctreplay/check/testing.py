"""Replays inside Python tests: what the `replay` fixture of the pytest plug-in gives."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctreplay.check.expect import CONNECTION_COLUMNS, CONNECTIONS, PACKET_COLUMNS, is_counter
from ctreplay.check.model import Options
from ctreplay.check.replays import Cache
from ctreplay.check.show import endpoints, table
from ctreplay.check.work import SHOWN_ROWS, Task, explain_command, fetch
from ctreplay.cli.common import printable
from ctreplay.dataset import LEVELS
from ctreplay.helpers import registry
from ctreplay.tracker import sysctl

_SHOWN = {"connections": CONNECTION_COLUMNS, "packets": PACKET_COLUMNS}
_CONNECTIONS = (CONNECTIONS, "* EXCLUDE (src, dst, sport, dport)")
_IN_REPR = (
    "conn_id", "packet", "proto", "orig_src", "orig_sport", "orig_dst", "orig_dport", "src", "sport", "dst", "dport",
    "event", "new_state", "ctstate", "state", "end_reason", "reason",
)  # fmt: skip
_ORDER = {
    "connections": "conn_id",
    "packets": "packet",
    "transitions": "transition_id",
    "expectations": "expectation_id",
    "occupancy": "ts",
}


class Rows(list[dict[str, Any]]):
    """Rows of a result, each a dict by column; the repr is short, for the lines that pytest shows."""

    def __repr__(self) -> str:
        parts = []
        for row in self[:SHOWN_ROWS]:
            named = [one for one in _IN_REPR if row.get(one) is not None] or list(row)[:6]
            parts.append("(" + ", ".join(f"{one}={printable(row[one])}" for one in named) + ")")
        more = f", … {len(self) - SHOWN_ROWS:,} more" if len(self) > SHOWN_ROWS else ""
        return f"<{len(self)} row{'' if len(self) == 1 else 's'}: {', '.join(parts)}{more}>" if self else "<no rows>"


class Replay:
    """A capture after its replay. `run` is what run.json holds, `dataset` the folder.

    Methods raise `duckdb.Error` for SQL that is wrong. `where` is an SQL condition over the table's columns.
    """

    def __init__(self, task: Task, dataset: Path) -> None:
        from ctreplay.sql import open_dataset, read_run

        self.task = task
        self.dataset = dataset
        self.run = read_run(dataset)
        self._db = open_dataset(dataset)

    def close(self) -> None:
        """End the connection; the fixture does it after the test."""
        self._db.close()

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> Rows:
        """All rows of a query over the dataset's tables and views."""
        result = self._db.execute(query, parameters)
        columns = [one[0] for one in result.description or ()]
        return Rows(dict(zip(columns, row, strict=True)) for row in result.fetchall())

    def query(self, name: str, **parameters: Any) -> Rows:
        """All rows of a named query. Raises `ctreplay.sql.library.QueryError`, also when the dataset lacks packets."""
        from ctreplay.sql import library

        found = library.load(name)
        if found.across == "runs":
            raise library.QueryError(f"the query {name} compares replays; `ctreplay diff` does that")
        if found.needs == "packets all" and self.run.get("packets_level") != "all":
            raise library.QueryError(f'the query {name} needs every packet; write `replay(…, packets="all")`')
        values = found.values({key: str(value) for key, value in parameters.items()})
        return self.sql(found.sql, values or None)

    def _kept(self, name: str) -> None:
        """That no packet was kept does not show that there was none. Raises ValueError."""
        if name == "packets" and self.run.get("packets_level") == "none":
            raise ValueError('the replay kept no packets; write `replay(…, packets="notable")` or "all"')

    def _select(self, name: str, where: str) -> Rows:
        self._kept(name)
        condition = f" WHERE (\n{where}\n)" if where else ""
        order = f" ORDER BY {_ORDER[name]}" if name in _ORDER else ""
        source, columns = _CONNECTIONS if name == "connections" else (name, "*")
        return self.sql(f"SELECT {columns} FROM {source}{condition}{order}")

    def connections(self, where: str = "") -> Rows:
        """Connections, in the order in which their entries were created.

        `src`, `dst`, `sport` and `dport` of a condition are those of the original direction.
        """
        return self._select("connections", where)

    def packets(self, where: str = "") -> Rows:
        """Packets that have a row: notable ones, or all with `replay(…, packets="all")`."""
        return self._select("packets", where)

    def transitions(self, where: str = "") -> Rows:
        """Transitions, in the order of the events."""
        return self._select("transitions", where)

    def expectations(self, where: str = "") -> Rows:
        """Expectations, in the order of their creation."""
        return self._select("expectations", where)

    def counter(self, name: str) -> int:
        """A counter of the table stats; 0 when it never counted. Raises ValueError when there is none of this name."""
        if not is_counter(name):
            raise ValueError(f"the table stats has no counter {name!r}")
        rows = self.sql("SELECT value FROM stats WHERE name = ?", [name])
        return int(rows[0]["value"]) if rows else 0

    def assert_no(self, name: str, where: str = "") -> None:
        """Fail, showing the rows and how to have one explained, unless no row of the table satisfies `where`."""
        __tracebackhide__ = True
        self._kept(name)
        condition = f" WHERE (\n{where}\n)" if where else ""
        order = f" ORDER BY {_ORDER[name]}" if name in _ORDER else ""
        source = CONNECTIONS if name == "connections" else name
        columns, rows = fetch(self._db, f"SELECT {_SHOWN.get(name, '*')} FROM {source}{condition}{order}")
        if not rows:
            return
        lines = [f"{name}{f' where {where}' if where else ''}: {len(rows)}; expected none"]
        lines += table(*endpoints(columns, rows[:SHOWN_ROWS]), 160)
        if len(rows) > SHOWN_ROWS:
            lines.append(f"… {len(rows) - SHOWN_ROWS:,} more")
        lines.append(explain_command(self.task, self.dataset, columns, rows))
        raise AssertionError("\n".join(line for line in lines if line))


def replay(
    captures: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    folder: Path,
    cache: Cache,
    keep: bool,
    sysctls: Mapping[str, int] | None = None,
    packets: str = "notable",
    helpers: str | Sequence[str] = (),
) -> Replay:
    """Replay captures (several: together, in the order of time); paths are relative to `folder`.

    Raises CaptureError, FileNotFoundError, ValueError (options).
    """
    names = [captures] if isinstance(captures, (str, os.PathLike)) else list(captures)
    if packets not in LEVELS:
        raise ValueError(f"packets has to be one of {', '.join(LEVELS)}, not {packets!r}")
    helpers = (helpers,) if isinstance(helpers, str) else tuple(helpers)
    registry.parse(helpers)
    values = sysctl.parse(f"{name}={value}" for name, value in (sysctls or {}).items())
    options = Options(tuple(sorted(values.items())), packets, helpers)
    task = Task(tuple(os.fspath(one) for one in names), folder, options, (), cache.folder, keep)
    dataset, _ = cache.dataset(task.captures, options, folder)
    return Replay(task, dataset)
