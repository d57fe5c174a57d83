"""Connections: parameters of the datasets as tables, Parquet files as views, views and macros over them, the lock."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctreplay import reasons
from ctreplay.dataset.schema import TABLES
from ctreplay.sql import DatasetError, foreign, in_text, macros, pattern_of, read_run, views
from ctreplay.tracker import codes, sysctl

if TYPE_CHECKING:
    import duckdb

# in the order of a connection's life, for both protocols, so that ORDER BY state tells a story
STATE_ORDER = (
    "NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "SYN_SENT", "SYN_SENT2", "SYN_RECV", "ESTABLISHED", "FIN_WAIT",
    "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
)  # fmt: skip
_ENUMS = {
    "ct_state": STATE_ORDER,
    "ct_ctstate": codes.CTSTATES[1:],
    "ct_event": codes.EVENTS,
    "ct_direction": codes.DIRECTIONS,
}
_AS_ENUM = {
    "connections": {"state": "ct_state"},
    "transitions": {
        "event": "ct_event", "direction": "ct_direction", "old_state": "ct_state", "new_state": "ct_state",
    },
    "packets": {"direction": "ct_direction", "ctstate": "ct_ctstate", "state": "ct_state"},
}  # fmt: skip


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def run_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A short name for each dataset: the folder without .ctreplay, or the path where names repeat."""
    names = [Path(path).resolve().name.removesuffix(".ctreplay") for path in paths]
    if len(set(names)) < len(names):
        names = [os.fspath(path).rstrip("/") for path in paths]
    if len(set(names)) < len(names):
        names = [f"{number}:{name}" for number, name in enumerate(names, 1)]
    return names


def connect(
    paths: Sequence[str | os.PathLike[str]],
    *,
    comments: bool = False,
    locked: bool = True,
    below: str | os.PathLike[str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """A connection over one dataset, or over several with a first column `run` in every table and view.

    `locked`: only the dataset's own files (and the datasets `below` a folder, see `point_at`) can be read and
    nothing can be changed about that any more. Raises DatasetError.
    """
    import duckdb

    runs = [read_run(path) for path in paths]
    db = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": os.path.join(tempfile.gettempdir(), f"ctreplay-{os.getpid()}-spill"),
        },
    )
    # names of Python variables are no tables
    db.execute("SET python_enable_replacements = false")
    files = [Path(path).resolve() / f"{table}.parquet" for path in paths for table in TABLES]
    # both are asked for
    allowed = {name for file in files for name in (in_text(file), pattern_of(file))}
    try:
        db.execute("BEGIN")
        for name, values in _ENUMS.items():
            db.execute(f"CREATE TYPE {name} AS ENUM ({', '.join(map(literal, values))})")
        db.execute(macros.script(""))
        names = run_names(paths)
        db.execute("CREATE TABLE runs(position BIGINT, run VARCHAR, path VARCHAR)")
        for position, (name, path) in enumerate(zip(names, paths, strict=True), 1):
            db.execute("INSERT INTO runs VALUES (?, ?, ?)", [position, name, os.fspath(path)])
        if len(paths) == 1:
            _dataset(db, "", paths[0], runs[0])
        else:
            for number, (path, run) in enumerate(zip(paths, runs, strict=True), 1):
                db.execute(f"CREATE SCHEMA run{number}")
                _dataset(db, f"run{number}.", path, run)
            _union(db, names)
        if comments:
            db.execute(_comments(db))
        db.execute("COMMIT")
        if locked:
            db.execute(f"SET allowed_paths = [{', '.join(map(literal, sorted(allowed)))}]")
            if below is not None:
                folders = {name(Path(below).resolve()) + os.sep for name in (in_text, pattern_of)}
                db.execute(f"SET allowed_directories = [{', '.join(map(literal, sorted(folders)))}]")
            db.execute("SET enable_external_access = false")
            db.execute("SET lock_configuration = true")
    except duckdb.Error as exc:
        db.close()
        raise DatasetError(f"{', '.join(map(str, paths))}: cannot be read: {str(exc).splitlines()[0]}") from None
    return db


def point_at(db: duckdb.DuckDBPyConnection, path: str | os.PathLike[str]) -> None:
    """A connection over one dataset becomes one over another, much cheaper than a new one. Raises DatasetError."""
    import duckdb

    run = read_run(path)
    try:
        db.execute("BEGIN")
        _sources(db, "", path, run)
        db.execute("COMMIT")
    except duckdb.Error as exc:
        db.execute("ROLLBACK")
        raise DatasetError(f"{path}: cannot be read: {str(exc).splitlines()[0]}") from None


def _sources(db: duckdb.DuckDBPyConnection, schema: str, path: str | os.PathLike[str], run: dict[str, Any]) -> None:
    """What of a connection depends on the dataset."""
    for table in TABLES:
        file = literal(pattern_of(Path(path).resolve() / f"{table}.parquet"))
        casts = ", ".join(f"{column}::{kind} AS {column}" for column, kind in _AS_ENUM.get(table, {}).items())
        replace = f" REPLACE ({casts})" if casts else ""
        db.execute(f"CREATE OR REPLACE VIEW {schema}{table} AS SELECT *{replace} FROM read_parquet({file})")
    db.execute(_facts(schema, run))


def _dataset(db: duckdb.DuckDBPyConnection, schema: str, path: str | os.PathLike[str], run: dict[str, Any]) -> None:
    """Tables, views and table macros of one dataset in a schema (`schema` ends with a dot, or is empty)."""
    _sources(db, schema, path, run)
    for view in (*views.VIEWS, *foreign.VIEWS):
        db.execute(f"CREATE VIEW {schema}{view.name} AS {view.sql.replace('{s}', schema)}")
    db.execute(macros.table_script(schema))


def _facts(schema: str, run: dict[str, Any]) -> str:
    """The small tables that come from run.json and from the closed lists."""
    defaults = sysctl.defaults()
    rows = [
        (str(k), "NULL" if v is None else literal(str(v)))
        for k, v in sorted(run.items())
        if not isinstance(v, (dict, list))
    ]
    settings = [(name, value, defaults.get(name)) for name, value in sorted(run["sysctls"].items())]
    info = ", ".join(f"({literal(name)}, {value})" for name, value in rows)
    values = ", ".join(
        f"({literal(name)}, {int(value)}, {'NULL' if default is None else default})"
        for name, value, default in settings
    )
    known = ", ".join(
        f"({literal(name)}, {literal(group)}, {literal(meaning)})" for name, group, meaning in reasons.TABLE if name
    )
    return f"""
        CREATE OR REPLACE TABLE {schema}run_info(name VARCHAR, value VARCHAR);
        INSERT INTO {schema}run_info VALUES {info};
        CREATE OR REPLACE TABLE {schema}sysctls(name VARCHAR, value BIGINT, default_value BIGINT);
        INSERT INTO {schema}sysctls VALUES {values};
        CREATE OR REPLACE TABLE {schema}reasons(name VARCHAR, class VARCHAR, meaning VARCHAR);
        INSERT INTO {schema}reasons VALUES {known};
        INSERT INTO {schema}reasons SELECT substr(name, 8), 'undecodable', description FROM {schema}stats
            WHERE name LIKE 'reason.%'
              AND substr(name, 8) NOT IN (SELECT name FROM {schema}reasons);
    """


def _union(db: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    """The main schema over several datasets: every table, view and table macro with the run's name first."""
    relations = [*TABLES, "run_info", "sysctls", "reasons", *(view.name for view in (*views.VIEWS, *foreign.VIEWS))]
    for relation in relations:
        parts = [
            f"SELECT {literal(name)} AS run, * FROM run{number}.{relation}" for number, name in enumerate(names, 1)
        ]
        db.execute(f"CREATE VIEW main.{relation} AS {' UNION ALL BY NAME '.join(parts)}")
    for macro in macros.TABLE_MACROS:
        arguments = macro.signature.partition("(")[2].rstrip(")")
        passed = ", ".join(part.split(":=")[0].strip() for part in arguments.split(",") if part.strip())
        parts = [
            f"SELECT {literal(name)} AS run, * FROM run{number}.{macro.name}({passed})"
            for number, name in enumerate(names, 1)
        ]
        db.execute(f"CREATE MACRO main.{macro.signature} AS TABLE {' UNION ALL BY NAME '.join(parts)}")


def _comments(db: duckdb.DuckDBPyConnection) -> str:
    """COMMENT ON for every table, view, column and macro."""
    from ctreplay.sql.catalog import catalog

    script = []
    tables = {
        name for (name,) in db.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
    }
    for relation in catalog(db):
        kind = "TABLE" if relation.name in tables else "VIEW"
        script.append(f"COMMENT ON {kind} {relation.name} IS {literal(relation.doc)};")
        for column in relation.columns:
            text = f"{column.doc} [{column.unit}]" if column.unit else column.doc
            script.append(f'COMMENT ON COLUMN {relation.name}."{column.name}" IS {literal(text)};')
    for macro in macros.MACROS:
        script.append(f"COMMENT ON MACRO {macro.name} IS {literal(macro.doc)};")
    for macro in macros.TABLE_MACROS:
        script.append(f"COMMENT ON MACRO TABLE {macro.name} IS {literal(macro.doc)};")
    return "\n".join(script)
