"""`ctreplay queries`: the library of named queries."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap

import typer

from ctreplay.cli.common import fail


def queries(
    name: str | None = typer.Argument(None, help="A query, to see its columns, parameters and SQL."),
    as_json: bool = typer.Option(False, "--json", help="A list of objects on stdout."),
) -> None:
    """List the named queries: every question that has one."""
    from ctreplay.sql.library import QueryError, load, names

    try:
        if as_json:
            found = [load(one).as_dict() for one in ([name] if name else names())]
            json.dump(found, sys.stdout, indent=1)
            sys.stdout.write("\n")
        else:
            show_queries(name)
    except QueryError as exc:
        fail(str(exc))


def show_queries(name: str | None) -> None:
    """The list, or all about one query. Raises QueryError."""
    from ctreplay.sql.library import load, names

    width = min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)
    if name is None:
        size = max(len(one) for one in names()) + 2
        for one in names():
            query = load(one)
            mark = " *" if query.needs == "packets all" else ""
            lines = textwrap.wrap(query.question + mark, width - size)
            print(f"{one.ljust(size)}{lines[0]}")
            for line in lines[1:]:
                print(" " * size + line)
        print(f"\n{len(names())} queries. `ctreplay query DATASET NAME` runs one;")
        print("`ctreplay queries NAME` shows columns, parameters and SQL.")
        print("* needs a dataset written with --packets all.")
        return
    query = load(name)
    _paragraph(query.name, query.question, width)
    if query.needs:
        _paragraph("needs", f"a dataset written with --{query.needs}", width)
    if query.across:
        _paragraph("needs", "two datasets or more", width)
    print("\ncolumns")
    _pairs(list(query.columns.items()), width)
    if query.parameters:
        print("\nparameters")
        _pairs(
            [
                (f"{p.name}={'' if p.default is None else p.default}", f"{p.meaning} ({p.allowed})")
                for p in query.parameters
            ],
            width,
        )
    print()
    _paragraph("reading it", query.read, width)
    _paragraph("next", query.next, width)
    print("\n" + "\n".join(line for line in query.sql.splitlines() if not line.startswith("--")).strip())


def _paragraph(title: str, text: str, width: int) -> None:
    print(textwrap.fill(f"{title}: {text}", width, subsequent_indent="  "))


def _pairs(pairs: list[tuple[str, str]], width: int) -> None:
    size = max((len(left) for left, _ in pairs), default=0) + 4
    for left, right in pairs:
        print(textwrap.fill(f"  {left}".ljust(size) + right, width, subsequent_indent=" " * size))
