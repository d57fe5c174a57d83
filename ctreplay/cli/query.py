"""`ctreplay query`: a query of the library, SQL, a file of SQL, or a prompt."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from ctreplay.cli.common import fail
from ctreplay.cli.output import Format, write


def parse_params(params: list[str] | None) -> dict[str, str]:
    """--param k=v as a dictionary."""
    found = {}
    for one in params or []:
        name, sep, value = one.partition("=")
        if not sep or not name:
            fail(f"--param {one}: write NAME=VALUE")
        found[name] = value
    return found


def split_arguments(arguments: list[str], with_sql: bool) -> tuple[list[str], str | None]:
    """Datasets (folders with run.json) come first; what follows is the name of a query or a file."""
    from ctreplay.sql import is_dataset

    datasets = []
    rest = list(arguments)
    while rest and is_dataset(rest[0]):
        datasets.append(rest.pop(0))
    if not datasets:
        from ctreplay.sql import DatasetError, read_run

        try:
            read_run(arguments[0])
        except DatasetError as exc:
            fail(str(exc))
    if len(rest) > 1 or (rest and with_sql):
        fail(f"{rest[0]}: not a dataset (a folder with run.json); datasets come first, then one query")
    return datasets, rest[0] if rest else None


def spare(output: Path, dataset: str) -> None:
    """End the command when the result would be written over a capture that the dataset was made from."""
    from ctreplay.sql import DatasetError, read_run

    try:
        captures = [one["absolute_path"] for one in read_run(dataset)["inputs"]]
    except DatasetError as exc:
        fail(str(exc))
    if output.exists() and any(os.path.exists(one) and output.samefile(one) for one in captures):
        fail(f"{output}: a capture that {dataset} was made from; choose another file")


def query(
    arguments: list[str] = typer.Argument(
        ..., metavar="DATASET... [NAME|FILE.sql]", help="Datasets, then a query of the library or a file with SQL."
    ),
    sql: str | None = typer.Option(None, "-c", "--command", metavar="SQL", help="SQL over the tables and views."),
    param: list[str] | None = typer.Option(
        None, "-p", "--param", metavar="NAME=VALUE", help="A parameter of the query."
    ),
    form: Format = typer.Option(Format.table, "--format", help="Form of the result."),
    as_json: bool = typer.Option(False, "--json", help="Same as --format json."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Write to a file."),
    limit: int = typer.Option(50, "--limit", min=0, help="Rows of a table; 0 shows all. Other forms have all rows."),
) -> None:
    """Ask a dataset: a named query, SQL, or a prompt.

    `ctreplay queries` lists the named queries, `ctreplay schema` tables, columns and macros.
    With several datasets the column `run` says which; without query and SQL a prompt opens.
    """
    from ctreplay.sql import DatasetError
    from ctreplay.sql.execute import SqlError, query_named, query_sql
    from ctreplay.sql.library import QueryError, load, parse

    datasets, name = split_arguments(arguments, sql is not None)
    if as_json:
        form = Format.json
    params = parse_params(param)
    if output is not None:
        if output.is_dir():
            fail(f"-o {output}: a folder; name a file")
        for dataset in datasets:
            if output.resolve().parent == Path(dataset).resolve():
                fail(f"{output}: results are not written into a dataset; choose another folder")
            spare(output, dataset)
    try:
        if sql is None and name is None:
            if sys.stdin.isatty():
                from ctreplay.cli.prompt import prompt

                if output is not None:
                    fail("-o needs a query; the prompt shows its results")
                prompt(datasets, form, limit)
                return
            sql = sys.stdin.read()
            if not sql.strip():
                fail("no query: name one (`ctreplay queries`), or give SQL with -c or on stdin")
        if sql is not None:
            if params:
                fail("--param belongs to named queries and files; write values into the SQL of -c")
            result = query_sql(datasets, sql)
        elif name is not None and (name.endswith(".sql") or "/" in name):
            try:
                text = Path(name).read_text(encoding="utf-8")
            except OSError as exc:
                fail(f"{name}: {exc.strerror}")
            except UnicodeDecodeError:
                fail(f"{name}: not UTF-8 text")
            own = parse(Path(name).stem, text)
            result = query_named(datasets, own, params) if own.question or own.parameters else query_sql(datasets, text)
        else:
            result = query_named(datasets, load(name or ""), params)
        try:
            write(result, form, output, limit)
        finally:
            result.close()
    except (SqlError, QueryError, DatasetError) as exc:
        fail(str(exc))
