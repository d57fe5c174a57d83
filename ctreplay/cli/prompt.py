"""The prompt of `ctreplay query DATASET`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from ctreplay.cli.common import Exit, complain
from ctreplay.cli.output import Format, write

if TYPE_CHECKING:
    import duckdb

HELP = """\
SQL ends with ; (DuckDB's dialect)      .tables           tables and views
.run NAME [k=v ...]  a named query      .schema [TABLE]   columns, types, meanings
.queries [NAME]      the named queries  .quit             leave (or Ctrl-D)
"""


def prompt(datasets: list[str], form: Format, limit: int) -> None:
    """Read statements and dot commands until the end of input."""
    from ctreplay.sql import DatasetError
    from ctreplay.sql.connection import connect
    from ctreplay.sql.execute import Result, SqlError, run_sql
    from ctreplay.sql.library import QueryError

    if form is Format.parquet:
        form = Format.table
    # Ctrl-C ends what is under way here, not the program
    signal.signal(signal.SIGINT, signal.default_int_handler)
    db = connect(datasets, comments=True)
    _complete(db)
    print("Ask in SQL; .help lists commands.", file=sys.stderr)
    pending: list[str] = []
    while True:
        try:
            line = input("ct> " if not pending else "..> ")
        except EOFError:
            print(file=sys.stderr)
            break
        except KeyboardInterrupt:
            print("^C", file=sys.stderr)
            pending.clear()
            continue
        try:
            if not pending and line.strip().startswith("."):
                if not _dot(db, datasets, line.split(), form, limit):
                    break
                continue
            pending.append(line)
            text = "\n".join(pending)
            if not text.strip():
                pending.clear()
                continue
            if not text.rstrip().endswith(";"):
                continue
            pending.clear()
            schema, batches = run_sql(db, text)
            write(Result(schema, batches, lambda: None), form, None, limit)
        except KeyboardInterrupt:
            print("^C", file=sys.stderr)
            pending.clear()
        except (SqlError, QueryError, DatasetError, Exit) as exc:
            complain(str(exc))
    db.close()


def _dot(db: duckdb.DuckDBPyConnection, datasets: list[str], words: list[str], form: Format, limit: int) -> bool:
    """A dot command; False to leave."""
    from ctreplay.cli.queries import show_queries
    from ctreplay.cli.query import parse_params
    from ctreplay.cli.schema import show_schema
    from ctreplay.sql.execute import query_named
    from ctreplay.sql.library import load

    match words:
        case [".quit" | ".exit" | ".q"]:
            return False
        case [".help"]:
            print(HELP, end="")
        case [".tables"]:
            show_schema(db, None, brief=True)
        case [".schema", *table]:
            show_schema(db, table[0] if table else None)
        case [".queries", *name]:
            show_queries(name[0] if name else None)
        case [".run", name, *params]:
            result = query_named(datasets, load(name), parse_params(params))
            try:
                write(result, form, None, limit)
            finally:
                result.close()
        case _:
            complain(f"{words[0]}: not a command of the prompt; .help lists them")
    return True


def _complete(db: duckdb.DuckDBPyConnection) -> None:
    """Tab completes tables, columns, macros and named queries; the arrow keys bring back what was typed."""
    try:
        import readline
    except ImportError:
        return
    from ctreplay.sql import library, macros
    from ctreplay.sql.catalog import catalog

    words = {macro.name for macro in (*macros.MACROS, *macros.TABLE_MACROS)} | set(library.names())
    for relation in catalog(db):
        words |= {relation.name} | {column.name for column in relation.columns}
    known = sorted(words | {".help", ".tables", ".schema", ".queries", ".run", ".quit"})

    def complete(text: str, state: int) -> Any:
        found = [word for word in known if word.startswith(text)]
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,();=<>'")
    readline.parse_and_bind("tab: complete")
