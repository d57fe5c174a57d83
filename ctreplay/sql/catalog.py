"""What there is to query, with its documentation: for `ctreplay schema`, COMMENT ON and the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctreplay.dataset.schema import TABLES, Column
from ctreplay.sql import foreign, views

if TYPE_CHECKING:
    import duckdb

TABLE_DOCS = {
    "connections": "A row per conntrack entry: its life from creation to destruction",
    "transitions": "A row per change of an entry, in the order of the kernel's events (NEW, UPDATE, DESTROY)",
    "packets": "A row per packet with its verdict and reason (by default notable packets only; --packets all for all)",
    "expectations": "Expectations of helpers: announced, matched, expired",
    "expectation_events": "What happened to each expectation, in order: created, refreshed, matched, destroyed",
    "occupancy": "The table per second of capture time: live entries by protocol and state, inserts, drops",
    "stats": "Every counter of the replay, among them those of conntrack -S",
    "captures": "A row per capture file and interface: what it is and how far it can be trusted",
}
_RUN = Column("run", "text", "the dataset (only with several datasets)")


@dataclass(frozen=True)
class Relation:
    """A table or view; `kind` is 'table' or 'view'."""

    name: str
    kind: str
    doc: str
    columns: tuple[Column, ...]


def catalog(db: duckdb.DuckDBPyConnection) -> list[Relation]:
    """All tables and views with the columns that `db` really has, each with its documentation."""
    docs: dict[str, Column] = {}
    for table in ("connections", "transitions", "packets"):
        for column in TABLES[table]:
            docs.setdefault(column.name, column)
    for one in views.VIEWS:
        for column in one.columns:
            docs.setdefault(column.name, column)
    found = []
    for name, doc in TABLE_DOCS.items():
        found.append(_relation(db, name, "table", doc, TABLES[name], docs))
    for fact in views.FACTS:
        found.append(_relation(db, fact.name, "table", fact.doc, fact.columns, docs))
    for one in (*views.VIEWS, *foreign.VIEWS):
        found.append(_relation(db, one.name, "view", one.doc, one.columns, docs))
    return found


def _relation(
    db: duckdb.DuckDBPyConnection, name: str, kind: str, doc: str, own: tuple[Column, ...], docs: dict[str, Column]
) -> Relation:
    known = docs | {column.name: column for column in own} | {"run": _RUN}
    columns = []
    for column, sql_type in db.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall():
        about = known.get(column)
        text = "ENUM" if sql_type.startswith("ENUM") else "STRUCT" if sql_type.startswith("STRUCT") else sql_type
        columns.append(Column(column, text, about.doc if about else "", about.unit if about else ""))
    return Relation(name, kind, doc, tuple(columns))


@contextmanager
def bare() -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables, views and macros without a dataset: all there is to know, no rows."""
    import tempfile
    from pathlib import Path

    from ctreplay import __version__
    from ctreplay.dataset.columns import STREAMED
    from ctreplay.dataset.schema import VERSION
    from ctreplay.dataset.tables import ParquetTables
    from ctreplay.sql.connection import connect
    from ctreplay.tracker import sysctl

    with tempfile.TemporaryDirectory(prefix="ctreplay-schema-") as folder:
        tables = ParquetTables(Path(folder), {})
        for table in TABLES:
            if table not in STREAMED:
                tables.small(table, [])
        tables.close({})
        run: dict[str, Any] = {"schema_version": VERSION, "engine_version": __version__, "sysctls": sysctl.defaults()}
        run |= {"packets": 0, "packets_level": "notable", "helpers": [], "inputs": [], "damage": []}
        (Path(folder) / "run.json").write_text(json.dumps(run), encoding="utf-8")
        db = connect([folder], locked=False)
        try:
            yield db
        finally:
            db.close()
