"""`ctreplay stats`: the counters, as `conntrack -S` prints them or all of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctreplay.cli.common import printable
from ctreplay.cli.origin import Captures, Helpers, Json, Sources, SysctlFile, Sysctls, journey, open_origin

if TYPE_CHECKING:
    from ctreplay.timetravel.origin import Origin

_CONNTRACK = (
    "found", "invalid", "insert", "insert_failed", "drop", "early_drop", "error", "search_restart", "clash_resolve",
    "chaintoolong",
)  # fmt: skip
All = Annotated[bool, typer.Option("-a", "--all", help="Our own counters too, each with its meaning.")]


def stats(
    sources: Sources,
    everything: All = False,
    json: Json = False,
    sysctl: Sysctls = None,
    sysctl_file: SysctlFile = None,
    helper: Helpers = None,
    capture: Captures = None,
) -> None:
    """The counters, as conntrack -S prints them."""
    origin = open_origin(sources, sysctl, sysctl_file, capture, helper) if sysctl or sysctl_file or helper else None
    rows = counters(sources, origin, capture)
    if json:
        from ctreplay.cli.tables import write_json

        write_json(rows)
        return
    values = {row["name"]: row["value"] for row in rows}
    line = "".join(f"{name}={values.get(name, 0)} " for name in _CONNTRACK)
    sys.stdout.write(f"cpu={0:<4}\t{line}\n")
    if everything:
        width = max(len(printable(row["name"])) for row in rows)
        digits = max(len(f"{row['value']:,}") for row in rows)
        for row in rows:
            if row["name"] in _CONNTRACK and not row["value"]:
                continue
            text = f"{printable(row['name']):<{width}}  {row['value']:>{digits},}  {row['description']}"
            sys.stdout.write(printable(text) + "\n")


def counters(sources: list[str], origin: Origin | None, capture: Any) -> list[dict[str, Any]]:
    """Rows of the stats table: those of the dataset, or of a replay when it is captures or other sysctls."""
    from ctreplay.timetravel.origin import is_dataset

    if origin is None and len(sources) == 1 and is_dataset(sources[0]):
        from ctreplay.cli.common import fail
        from ctreplay.sql import DatasetError, read_run, readable

        try:
            read_run(sources[0])
        except DatasetError as exc:
            fail(str(exc))
        import pyarrow.parquet as pq

        try:
            with readable(Path(sources[0])):
                found: list[dict[str, Any]] = pq.read_table(f"{sources[0]}/stats.parquet").to_pylist()
        except DatasetError as exc:
            fail(str(exc))
        return found
    from ctreplay.replaying import stats_rows
    from ctreplay.timetravel.instant import END

    origin = origin or open_origin(sources, None, None, capture)

    def work(travel: Any) -> list[dict[str, Any]]:
        travel.to(END)
        return stats_rows(travel.engine, travel.packets)

    return journey(origin, work)
