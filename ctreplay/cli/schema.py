"""`ctreplay schema`: tables, views, columns, macros and what they mean."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import typer

from ctreplay.cli.common import fail

if TYPE_CHECKING:
    import duckdb

    from ctreplay.sql.catalog import Relation


def schema(
    table: str | None = typer.Argument(None, help="A table, view or macro (default: all)."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Show tables, views and macros: columns, types, units, meanings."""
    from ctreplay.sql.catalog import bare

    with bare() as db:
        if as_json:
            json.dump(as_dict(db, table), sys.stdout, indent=1)
            sys.stdout.write("\n")
        else:
            show_schema(db, table)


def as_dict(db: duckdb.DuckDBPyConnection, name: str | None) -> dict[str, Any]:
    """All of it for --json."""
    from ctreplay.dataset.schema import VERSION
    from ctreplay.sql import macros
    from ctreplay.sql.catalog import catalog

    def relation(one: Relation) -> dict[str, Any]:
        columns = [column._asdict() for column in one.columns]
        return {"name": one.name, "kind": one.kind, "doc": one.doc, "columns": columns}

    found = [one for one in catalog(db) if name is None or one.name == name]
    known = [one for one in (*macros.MACROS, *macros.TABLE_MACROS) if name is None or one.name == name]
    if not found and not known:
        _unknown(db, name or "")
    return {
        "schema_version": VERSION,
        "tables": [relation(one) for one in found if one.kind == "table"],
        "views": [relation(one) for one in found if one.kind == "view"],
        "macros": [
            {"name": one.name, "signature": one.signature, "doc": one.doc, "table": one in macros.TABLE_MACROS}
            for one in known
        ],
    }


def show_schema(db: duckdb.DuckDBPyConnection, name: str | None, *, brief: bool = False) -> None:
    """Print a table, or all of them (`brief`: names and meanings only)."""
    from ctreplay.sql import macros
    from ctreplay.sql.catalog import catalog

    width = min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)
    relations = catalog(db)
    everything = (*macros.MACROS, *macros.TABLE_MACROS)
    if name is not None:
        for relation in relations:
            if relation.name == name:
                _relation(relation, width)
                return
        for macro in everything:
            if macro.name == name:
                print(textwrap.fill(f"{macro.signature}: {macro.doc}", width, subsequent_indent="  "))
                return
        _unknown(db, name)
    for title, kind in (("TABLES", "table"), ("VIEWS", "view")):
        print(title)
        for relation in relations:
            if relation.kind != kind:
                continue
            if brief:
                _entry(relation.name, relation.doc, 24, width)
            else:
                print()
                _relation(relation, width)
        print()
    print("MACROS")
    for macro in everything:
        _entry(macro.signature, macro.doc, 24, width)
    if not brief:
        print("\nTimes are UTC without a zone, to the nanosecond; epoch_ns(ts) is exact.")


def _unknown(db: duckdb.DuckDBPyConnection, name: str) -> None:
    import difflib

    from ctreplay.sql import macros
    from ctreplay.sql.catalog import catalog

    known = [one.name for one in catalog(db)] + [one.name for one in (*macros.MACROS, *macros.TABLE_MACROS)]
    close = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {', '.join(close)}?" if close else "`ctreplay schema` lists all"
    fail(f"no table, view or macro named {name!r}; {hint}")


def _entry(left: str, text: str, size: int, width: int) -> None:
    if len(left) + 4 > size:
        print(f"  {left}")
        print(textwrap.fill(text, width, initial_indent=" " * size, subsequent_indent=" " * size))
    else:
        print(textwrap.fill(f"  {left}".ljust(size) + text, width, subsequent_indent=" " * size))


def _relation(relation: Relation, width: int) -> None:
    print(textwrap.fill(f"{relation.name}: {relation.doc}", width, subsequent_indent="  "))
    left = max(len(column.name) for column in relation.columns) + 2
    kinds = min(max(len(column.type) for column in relation.columns), 12) + 2
    for column in relation.columns:
        unit = f" [{column.unit}]" if column.unit else ""
        head = f"  {column.name}".ljust(left + 2) + column.type.ljust(kinds)
        print(textwrap.fill(head + column.doc + unit, width, subsequent_indent=" " * (left + kinds + 2)))
