"""One replay and its assertions: what a worker process does. In and out go plain data."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctreplay.check import tables
from ctreplay.check.expect import plan
from ctreplay.check.model import Assertion, Expected, Options
from ctreplay.check.replays import Cache

if TYPE_CHECKING:
    import duckdb

SHOWN_ROWS = 10
_NAMED_CAPTURES = 6
PASSED, FAILED, ERROR = "passed", "failed", "error"


@dataclass(frozen=True, slots=True)
class Task:
    """A replay to make (or a dataset that is there) and the assertions over it."""

    captures: tuple[str, ...]
    folder: Path
    options: Options
    assertions: tuple[Assertion, ...]
    cache: Path
    keep: bool
    dataset: Path | None = None


@dataclass(slots=True)
class Outcome:
    """What became of one assertion. `rows` are the offending rows (at most SHOWN_ROWS) as text, `total` how many there
    are, `types` DuckDB's types of their columns.

    `difference` holds lines of an expected table that did not match, `result` the whole table found (for --update).
    """

    assertion: Assertion
    status: str
    message: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    total: int = 0
    types: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()
    explain: str = ""
    seconds: float = 0.0
    result: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] | None = None


@dataclass(slots=True)
class Report:
    """Outcomes of a task. `error` is set when nothing could be replayed."""

    outcomes: list[Outcome] = field(default_factory=list)
    error: str = ""
    damage: tuple[str, ...] = ()
    cached: bool = False
    seconds: float = 0.0


def work(task: Task) -> Report:
    """Replay (or take from the cache) and evaluate."""
    import duckdb

    from ctreplay.capture import CaptureError
    from ctreplay.capture.errors import place
    from ctreplay.sql import DatasetError, read_run
    from ctreplay.sql.interrupt import interruptible
    from ctreplay.sql.library import QueryError

    began = time.perf_counter()
    report = Report()
    try:
        if task.dataset is not None:
            dataset, report.cached = task.dataset, True
        else:
            dataset, report.cached = Cache(task.cache).dataset(task.captures, task.options, task.folder)
        run = read_run(dataset)
        report.damage = tuple(map(place, run["damage"]))
        db = _session(dataset, task)
    except (CaptureError, DatasetError, ValueError) as exc:
        report.error = str(exc)
        return report
    except OSError as exc:
        report.error = f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}"
        return report
    for assertion in task.assertions:
        at = time.perf_counter()
        try:
            with interruptible(db):
                outcome = evaluate(db, assertion, run)
        except duckdb.Error as exc:
            outcome = Outcome(assertion, ERROR, _sql_error(exc))
        except (ValueError, QueryError) as exc:
            outcome = Outcome(assertion, ERROR, str(exc))
        if outcome.status == FAILED:
            outcome.explain = explain_command(task, dataset, outcome.columns, outcome.rows)
        outcome.seconds = time.perf_counter() - at
        report.outcomes.append(outcome)
    report.seconds = time.perf_counter() - began
    return report


_sessions: dict[Path, duckdb.DuckDBPyConnection] = {}


def _session(dataset: Path, task: Task) -> duckdb.DuckDBPyConnection:
    """A connection over the dataset; those of one cache share one, since opening costs more than asking."""
    from ctreplay.sql.connection import connect, point_at

    if task.dataset is not None:
        return connect([dataset])
    db = _sessions.get(task.cache)
    if db is None:
        _sessions.clear()
        db = _sessions[task.cache] = connect([dataset], below=task.cache)
    else:
        point_at(db, dataset)
    return db


def _sql_error(exc: Exception) -> str:
    from ctreplay.sql.execute import explain_error

    return explain_error(exc).removeprefix("SQL: ")


def fetch(
    db: duckdb.DuckDBPyConnection, sql: str, limit: int | None = None, values: dict[str, Any] | None = None
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Columns and rows of one SELECT, every cell as DuckDB's text (NULL as `NULL`)."""
    sql = sql.strip().rstrip(";")
    bounded = f"SELECT COLUMNS(*)::VARCHAR FROM ({sql}\n)" + (f" LIMIT {limit}" if limit is not None else "")
    result = db.execute(bounded, values or None)
    columns = tuple(one[0] for one in result.description or ())
    return columns, tuple(tuple(tables.NULL if c is None else c for c in row) for row in result.fetchall())


def _types(db: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None) -> tuple[str, ...]:
    """DuckDB's types of the columns of a SELECT."""
    result = db.execute(f"SELECT * FROM ({sql.strip().rstrip(';')}\n) LIMIT 0", values or None)
    return tuple(str(one[1]) for one in result.description or ())


def _one_number(db: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = db.execute(sql).fetchone()
    return int(row[0]) if row is not None else 0


def evaluate(db: duckdb.DuckDBPyConnection, assertion: Assertion, run: dict[str, Any]) -> Outcome:
    """Raises duckdb.Error for SQL that fails, ValueError and QueryError for queries that cannot be run."""
    if assertion.expect is not None:
        return _short_form(db, assertion, run)
    if assertion.query is not None:
        sql, values = _named(assertion, run)
    else:
        assert assertion.sql is not None
        sql, values = assertion.sql, {}
    columns, rows = fetch(db, sql, values=values)
    if assertion.expected is not None:
        return against(assertion, assertion.expected, columns, rows)
    if not rows:
        return Outcome(assertion, PASSED, result=None)
    noun = "row" if len(rows) == 1 else "rows"
    types = _types(db, sql, values)
    return Outcome(
        assertion, FAILED, f"{len(rows)} {noun}; expected none", columns, rows[:SHOWN_ROWS], len(rows), types
    )


def against(
    assertion: Assertion, expected: Expected, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]
) -> Outcome:
    """Compare a result with its expected table."""
    result = (columns, rows)
    if expected.missing:
        where = f"{expected.file.name} does not exist" if expected.file is not None else "`equals` is empty"
        return Outcome(assertion, FAILED, f"{where}; `ctreplay check --update` writes it", result=result)
    difference = tables.compare(columns, rows, expected.columns, expected.rows, expected.ordered)
    if not difference:
        return Outcome(assertion, PASSED, result=result)
    gone = sum(line.startswith("-") for line in difference)
    new = sum(line.startswith("+") for line in difference)
    return Outcome(
        assertion,
        FAILED,
        f"the result differs from the expected table: {gone} missing, {new} unexpected",
        difference=tuple(difference),
        result=result,
    )


def _named(assertion: Assertion, run: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """SQL of a named query and the values of its parameters."""
    from ctreplay.sql import library

    assert assertion.query is not None
    query = library.load(assertion.query)
    if query.needs == "packets all" and run.get("packets_level") != "all":
        raise ValueError(f"the query {query.name} needs every packet; replay with `packets: all`")
    return query.sql, query.values(dict(assertion.parameters))


def _short_form(db: duckdb.DuckDBPyConnection, assertion: Assertion, run: dict[str, Any]) -> Outcome:
    expect = assertion.expect
    assert expect is not None
    level = run.get("packets_level")
    if expect.form in ("invalid_packets", "packets", "idle_cut") and level == "none":
        raise ValueError(f"`{expect.form}` needs packets; replay with `packets: notable` or `packets: all`")
    made = plan(expect)
    found = _one_number(db, made.count)
    if expect.count is None:
        if found == 0:
            if expect.empty_ok or _one_number(db, made.total):
                return Outcome(assertion, PASSED)
            what = "matches `where`" if expect.where else "is there"
            return Outcome(
                assertion, FAILED, f"no connection {what}, so nothing was shown; `empty_ok: true` allows that"
            )
        of = _one_number(db, made.total)
        columns, rows = fetch(db, made.rows, SHOWN_ROWS)
        return Outcome(
            assertion, FAILED, f"{found} of {of} {made.subject}", columns, rows, found, _types(db, made.rows)
        )
    if expect.count.holds(found):
        return Outcome(assertion, PASSED, f"{found}")
    columns, rows = fetch(db, made.rows, SHOWN_ROWS)
    # what is counted need not be rows: a counter has one whatever its value
    total = found if len(rows) == SHOWN_ROWS else len(rows)
    message = f"{made.subject}: {found}; expected {expect.count.text}"
    return Outcome(assertion, FAILED, message, columns, rows, total, _types(db, made.rows))


def explain_command(task: Task, dataset: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """`ctreplay explain …` for the first offending row that names a packet or a connection, else empty."""
    source, options = [os.fspath(dataset)], []
    if task.dataset is None and (len(task.captures) <= _NAMED_CAPTURES or not task.keep):
        # with the captures themselves the command works on any machine, not only where the cache is
        source = [os.path.relpath(task.folder / one) for one in task.captures]
        options = task.options.command_line()
    for column, option in (("packet", ["--packet"]), ("conn_id", [])):
        if column not in columns or (column == "packet" and "transition_id" in columns):
            continue
        at = list(columns).index(column)
        for row in rows:
            if row[at].isdigit():
                return shlex.join(["ctreplay", "explain", *source, *option, row[at], *options])
    return ""
