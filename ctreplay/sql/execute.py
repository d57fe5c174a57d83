"""Running SQL: what users may say, results as Arrow batches, errors in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctreplay.sql import read_run
from ctreplay.sql.connection import connect, run_names
from ctreplay.sql.interrupt import interruptible
from ctreplay.sql.library import Query, QueryError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_BATCH = 20_000
_ALLOWED = {
    "SELECT",
    "EXPLAIN",
    "CREATE",
    "CREATE_FUNC",
    "DROP",
    "INSERT",
    "UPDATE",
    "DELETE",
    "PRAGMA",
    "SET",
    "MULTI",
}
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([^)]*\)\s*)?", re.IGNORECASE)
_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w+)(?:\s+(\w+))?", re.DOTALL)


class SqlError(Exception):
    """SQL that cannot run; the message says why and what to do."""


@dataclass
class Result:
    """Columns and batches of a result; `close` ends the connections behind it."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    close: Callable[[], None]


def explain_error(exc: Exception) -> str:
    """DuckDB's message in one line, and where to look."""
    text = str(exc).strip()
    first = text.splitlines()[0] if text else type(exc).__name__
    if "file system operations are disabled" in first or "Permission Error" in first:
        return "SQL reads the dataset's own tables only, no other files (write results with --format and -o)"
    if "configuration has been locked" in first:
        return "settings cannot be changed in SQL"
    if "exists in the" in first and "extension" in first:
        return f"{first.rstrip('.')}: extensions are not loaded; for addresses see ip_in() in `ctreplay schema`"
    where = re.search(r"^LINE (\d+):", text, re.MULTILINE)
    at = f" (line {where.group(1)})" if where and where.group(1) != "1" else ""
    # a suggestion stands on the lines behind the first
    mean = re.search(r'(Did you mean "[^"]*"|Candidate bindings: .*)', text)
    more = f"; {mean.group(1)}" if mean and mean.group(1) not in first and "pg_" not in mean.group(1) else ""
    hint = ""
    if first.startswith(("Catalog Error", "Binder Error")):
        hint = "; `ctreplay schema` lists tables, columns and macros"
    return f"SQL: {first}{at}{more}{hint}"


def check_statements(sql: str) -> list[str]:
    """The single statements of a script. Raises SqlError for what is no question to the dataset."""
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as exc:
        raise SqlError(explain_error(exc)) from None
    for statement in statements:
        _check(statement.type.name, statement.query)
    return [statement.query for statement in statements]


def _check(kind: str, text: str) -> None:
    import duckdb

    words = _WORD.match(text)
    first, second = ((words.group(1) or "").upper(), (words.group(2) or "").upper()) if words else ("", "")
    if kind == "EXPLAIN":
        inner = text[match.end() :] if (match := _EXPLAIN.match(text)) else ""
        if [one.type.name for one in duckdb.extract_statements(inner)] == ["SELECT"]:
            return
        raise SqlError("EXPLAIN takes a SELECT here")
    refused = (
        kind not in _ALLOWED
        or (kind == "SET" and (first, second) != ("SET", "VARIABLE"))
        or (kind == "MULTI" and first not in ("PIVOT", "UNPIVOT", "WITH", "FROM", "SELECT"))
    )
    if refused:
        what = first or kind
        how = (
            "write results with --format csv|json|parquet|markdown and -o FILE"
            if what in ("COPY", "EXPORT")
            else ("SQL here only asks questions about the dataset")
        )
        raise SqlError(f"{what} is not allowed: {how}")


def run_sql(
    db: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Run a script; the result of its last statement. Raises SqlError."""
    import duckdb
    import pyarrow as pa

    statements = check_statements(sql)
    if not statements:
        raise SqlError("no SQL given")
    try:
        with interruptible(db):
            for text in statements[:-1]:
                done = db.execute(text)
                while done.fetchmany(_BATCH):
                    # a result that is not taken keeps the connection busy
                    pass
            answer = db.sql(statements[-1], params=values or None)
            if answer is None:
                schema = pa.schema([])
                return schema, iter(())
            # the name before and since DuckDB 1.5
            make = getattr(answer, "to_arrow_reader", None) or answer.fetch_record_batch
            reader = make(_BATCH)
    except duckdb.Error as exc:
        raise SqlError(explain_error(exc)) from None
    return reader.schema, _batches(db, reader)


def _batches(db: duckdb.DuckDBPyConnection, reader: Any) -> Iterator[pa.RecordBatch]:
    import duckdb
    import pyarrow as pa

    try:
        with interruptible(db):
            yield from reader
    except (duckdb.Error, pa.ArrowException, OSError) as exc:
        if "interrupt" in str(exc).lower():
            raise KeyboardInterrupt from None
        raise SqlError(explain_error(exc)) from None


def query_sql(paths: Sequence[str | os.PathLike[str]], sql: str) -> Result:
    """SQL over one dataset, or over several at once (tables have a column `run`). Raises SqlError, DatasetError."""
    db = connect(paths, comments=bool(re.search(r"comment|duckdb_", sql, re.IGNORECASE)))
    try:
        schema, batches = run_sql(db, sql)
    except BaseException:
        db.close()
        raise
    return Result(schema, batches, db.close)


def check_needs(query: Query, paths: Sequence[str | os.PathLike[str]]) -> None:
    """Raise QueryError when a dataset does not hold what the query needs."""
    if query.across == "runs" and len(paths) < 2:
        raise QueryError(f"query {query.name} compares runs: name two datasets or more")
    if query.needs != "packets all":
        return
    for path in paths:
        run = read_run(path)
        level = run.get("packets_level")
        if level != "all":
            raise QueryError(
                f"query {query.name} needs every packet, but {path} was written with --packets {level}; replay again: "
                f"{_with_every_packet(path, run)}"
            )


def _with_every_packet(path: str | os.PathLike[str], run: dict[str, Any]) -> str:
    """The command that writes the dataset anew with all its packets, otherwise as it was."""
    import shlex

    from ctreplay.helpers.registry import options
    from ctreplay.tracker import sysctl

    usual = sysctl.defaults()
    words = ["ctreplay", *(one["path"] for one in run.get("inputs", [])), "--packets", "all"]
    for name, value in run.get("sysctls_set", {}).items():
        # `sysctl -a` sets all of them
        if value != usual.get(name):
            words += ["--sysctl", f"{name}={value}"]
    for option in options(run.get("helpers", [])):
        words += ["--helper", option]
    return shlex.join([*words, "--force", "-o", str(path)])


def query_named(paths: Sequence[str | os.PathLike[str]], query: Query, given: dict[str, str]) -> Result:
    """A query of the library over each dataset; with several, a column `run` comes first.

    Raises QueryError, SqlError, DatasetError.
    """
    import pyarrow as pa

    values = query.values(given)
    check_needs(query, paths)
    if query.across == "runs" or len(paths) == 1:
        db = connect(paths)
        try:
            schema, batches = run_sql(db, query.sql, values)
        except BaseException:
            db.close()
            raise
        return Result(schema, batches, db.close)
    opened: list[duckdb.DuckDBPyConnection] = []

    def close() -> None:
        for one in opened:
            one.close()

    def start(path: str | os.PathLike[str]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        opened.append(connect([path]))
        return run_sql(opened[-1], query.sql, values)

    labels = run_names(paths)
    first_schema, first_batches = start(paths[0])
    schema = pa.schema([pa.field("run", pa.string()), *first_schema])

    def rows() -> Iterator[pa.RecordBatch]:
        for number, (label, path) in enumerate(zip(labels, paths, strict=True)):
            if number == 0:
                batches = first_batches
            else:
                _, batches = start(path)
            for batch in batches:
                column = pa.array([label] * batch.num_rows, pa.string())
                arrays = [array.cast(field.type) for array, field in zip(batch.columns, first_schema, strict=True)]
                yield pa.RecordBatch.from_arrays([column, *arrays], schema=schema)
            opened[-1].close()

    return Result(schema, rows(), close)
