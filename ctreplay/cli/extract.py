"""`ctreplay extract`: packets of connections as a capture."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import typer

from ctreplay.cli.common import counted, fail, json_text, note
from ctreplay.cli.origin import Captures
from ctreplay.cli.query import parse_params
from ctreplay.cli.saving import replacing


def extract(
    dataset: str = typer.Argument(..., metavar="DATASET", help="A dataset."),
    conns: list[int] | None = typer.Argument(None, metavar="CONN...", help="Connections, by conn_id."),
    output: Path = typer.Option(
        ..., "-o", "--output", metavar="FILE", help="X.pcapng or X.pcap; - is stdout (pcapng)."
    ),
    query: str | None = typer.Option(None, "--query", metavar="NAME", help="The packets that a named query finds."),
    sql: str | None = typer.Option(None, "-c", "--command", metavar="SQL", help="The packets that SQL finds."),
    param: list[str] | None = typer.Option(None, "-p", "--param", metavar="NAME=VALUE", help="A parameter of --query."),
    whole: bool = typer.Option(
        False, "--connections", help="Take the whole connections of a query (column conn_id), not just its packets."
    ),
    related: bool = typer.Option(
        False, "--related", help="Also ICMP errors about them, and connections they announced."
    ),
    annotate: bool = typer.Option(False, "--annotate", help="Verdict and reason as packet comments (pcapng)."),
    captures: Captures = None,
    force: bool = typer.Option(False, "--force", help="Replace an existing file."),
    as_json: bool = typer.Option(False, "--json", help="What was written as one JSON object on stdout."),
) -> None:
    """Write the packets of connections as a capture that Wireshark opens.

    Which: connections by conn_id, or what a query's column `packet` (else `conn_id`) lists.
    """
    import duckdb

    from ctreplay.capture import CaptureError
    from ctreplay.extract.choose import ExtractError
    from ctreplay.sql import DatasetError, read_run
    from ctreplay.sql.execute import SqlError
    from ctreplay.sql.library import QueryError
    from ctreplay.timetravel.origin import OriginError

    if query and sql:
        fail("--query and -c exclude each other")
    if param and not query:
        fail("--param belongs to --query; write values into the SQL of -c")
    if not (conns or query or sql):
        fail("nothing to extract: name connections, or use --query NAME or -c SQL")
    suffix = output.suffix.lower()
    if str(output) == "-" and as_json:
        fail("--json needs another output than -: the packets themselves go to stdout")
    if str(output) != "-" and suffix not in (".pcap", ".pcapng"):
        fail(f"{output}: the name must end in .pcapng or .pcap")
    if annotate and suffix == ".pcap":
        fail("--annotate needs pcapng: a pcap file has no comments; name the output .pcapng")
    if str(output) != "-" and output.exists() and not force:
        fail(f"{output} exists already; --force replaces it")
    try:
        run = read_run(dataset)
        wanted, packets = _wanted(dataset, run, set(conns or []), query, sql, parse_params(param), whole)
        count, connections = _extract(dataset, wanted, packets, output, related, annotate, captures or [])
    except (ExtractError, DatasetError, SqlError, QueryError, OriginError, CaptureError) as exc:
        fail(str(exc))
    except duckdb.Error as exc:
        fail(f"{dataset}: a table cannot be read: {str(exc).splitlines()[0]}")
    if as_json:
        print(json_text({"output": str(output), "packets": count, "connections": connections}))
        return
    what = f" of {counted(connections, 'connection')}" if connections else ""
    note(f"{counted(count, 'packet')}{what} written to {output}")


def _wanted(
    dataset: str,
    run: dict[str, Any],
    conns: set[int],
    query: str | None,
    sql: str | None,
    params: dict[str, str],
    whole: bool,
) -> tuple[set[int], set[int]]:
    """Connections and packet numbers that the arguments name."""
    from ctreplay.extract.choose import ExtractError
    from ctreplay.sql.execute import query_named, query_sql
    from ctreplay.sql.library import load

    if not (query or sql):
        return conns, set()
    result = query_named([dataset], load(query), params) if query else query_sql([dataset], sql or "")
    names = result.schema.names
    try:
        column = "packet" if "packet" in names and not whole else "conn_id"
        if column not in names:
            raise ExtractError(
                f"the result has no column {'conn_id' if whole else 'packet or conn_id'}, only {', '.join(names)}"
            )
        at = names.index(column)
        found: set[int] = set()
        for batch in result.batches:
            for value in batch.column(at).to_pylist():
                if value is not None and type(value) is not int:
                    raise ExtractError(f"column {column} holds {value!r}, which is no number")
                if value is not None:
                    found.add(value)
    finally:
        result.close()
    total = run.get("packets", 0)
    bad = [number for number in found if not 0 < number <= total]
    if bad:
        raise ExtractError(f"there is no packet {bad[0]}: the capture holds {total:,} packets")
    return (conns, found) if column == "packet" else (conns | found, set())


def _extract(
    dataset: str,
    wanted: set[int],
    packets: set[int],
    output: Path,
    related: bool,
    annotate: bool,
    captures: list[Path],
) -> tuple[int, int]:
    """Choose, read and write; packets written and connections they belong to."""
    from ctreplay.extract.choose import (
        Chooser,
        ExtractError,
        check_connections,
        children,
        from_dataset,
        from_replay,
        rows_of,
    )
    from ctreplay.extract.frames import Frames, with_fragments
    from ctreplay.extract.save import save
    from ctreplay.sql.connection import connect
    from ctreplay.timetravel.origin import from_dataset as origin_of

    origin = origin_of(dataset, {}, captures)
    run = origin.run or {}
    for path in origin.paths:
        if str(output) != "-" and output.exists() and os.path.samefile(path, output):
            raise ExtractError(f"{output}: is the capture itself; write to another file")
    db = connect([dataset])
    try:
        check_connections(db, wanted)
        if related:
            wanted = children(db, wanted)

        def make() -> Chooser:
            return Chooser(wanted, packets, related)

        chooser = make()
        from_dataset(dataset, chooser)
        known = rows_of(chooser.rows)
        complete = run.get("packets_level") == "all" or (
            not wanted and len({row["packet"] for row in known}) == len(packets) and not run_has_fragments(db)
        )
        if not complete:
            chooser = from_replay(origin, make)
            known = rows_of(chooser.rows)
        else:
            origin.check(origin.hashed())
        facts = {
            row["capture"]: row
            for row in (
                dict(
                    zip(
                        ("capture", "path", "interface_name", "linktype", "linktype_name", "snaplen"),
                        values,
                        strict=True,
                    )
                )
                for values in db.execute(
                    "SELECT capture, path, interface_name, linktype, linktype_name, snaplen FROM captures"
                ).fetchall()
            )
        }
    finally:
        db.close()
    located = {one["path"]: (path, one["compression"]) for one, path in zip(run["inputs"], origin.paths, strict=True)}
    if strange := [row["path"] for row in facts.values() if row["path"] not in located]:
        raise ExtractError(f"{dataset}: captures.parquet names {strange[0]}, run.json does not; replay again")
    files = {number: located[row["path"]] for number, row in facts.items()}
    linktypes = {number: row["linktype"] for number, row in facts.items()}
    lifetimes = [int(run["sysctls"][name]) * 10**9 for name in ("ipfrag_time", "nf_conntrack_frag6_timeout")]
    rows = with_fragments(known, rows_of(chooser.fragments), files, linktypes, (lifetimes[0], lifetimes[1]))
    concerned = {row["conn_id"] or row["tuple_conn_id"] for row in rows} - {None}
    comment = f"extracted by ctreplay from {', '.join(one['path'] for one in run['inputs'])}"
    pcapng = output.suffix.lower() != ".pcap"
    with Frames(files, rows) as frames:
        if str(output) == "-":
            count = save(sys.stdout.buffer, rows, frames, facts, pcapng=True, annotate=annotate, comment=comment)
            sys.stdout.buffer.flush()
            return count, len(concerned)
        with replacing(output) as file:
            count = save(file, rows, frames, facts, pcapng=pcapng, annotate=annotate, comment=comment)
    return count, len(concerned)


def run_has_fragments(db: Any) -> bool:
    """Whether fragments were held back that the dataset does not list."""
    row = db.execute("SELECT value FROM stats WHERE name = 'fragments'").fetchone()
    return bool(row and row[0])
