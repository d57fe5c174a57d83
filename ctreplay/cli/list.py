"""`ctreplay list`: the table as `conntrack -L` would have printed it at a given moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctreplay.cli.common import fail, note
from ctreplay.cli.filtering import with_filters
from ctreplay.cli.origin import (
    Captures,
    Helpers,
    Json,
    Outputs,
    Sources,
    SysctlFile,
    Sysctls,
    When,
    forms,
    open_origin,
)

if TYPE_CHECKING:
    from ctreplay.text.filters import Filters

_FORMS = ("extended", "id", "timestamp", "ktimestamp", "labels", "xml", "save", "json", "proc")
Diff = Annotated[
    tuple[str, str] | None, typer.Option("--diff", metavar="T1 T2", help="What came (+), went (-) and changed (~).")
]


@with_filters
def show_table(
    sources: Sources,
    at: When = "end",
    diff: Diff = None,
    output: Outputs = "",
    json: Json = False,
    sysctl: Sysctls = None,
    sysctl_file: SysctlFile = None,
    helper: Helpers = None,
    capture: Captures = None,
    *,
    filters: Filters,
) -> None:
    """The table at any moment, as conntrack -L prints it.

    With `expect` behind the source: the expectations, as conntrack -L expect.

    Forms of -o, several with commas: extended, id, ktimestamp, xml, save, json, and proc (/proc/net/nf_conntrack).
    """
    if len(sources) > 1 and sources[-1] in ("expect", "conntrack"):
        *sources, shown_table = sources
    else:
        shown_table = "conntrack"
    options = forms(output, _FORMS)
    if json:
        options.add("json")
    if diff is not None:
        if options & {"xml", "save", "proc"}:
            fail("--diff: as lines or json, not xml, save or proc")
        if at != "end":
            fail("--at and --diff exclude each other: --diff names both of its moments")
        if shown_table == "expect":
            fail("--diff compares entries, not expectations")
    origin = open_origin(sources, sysctl, sysctl_file, capture, helper)
    if shown_table == "expect":
        from ctreplay.cli.expectations import show_expectations

        show_expectations(origin, at, options, filters)
        return
    if diff is not None:
        from ctreplay.cli.differences import show_differences

        show_differences(origin, diff, options, filters)
        return
    from ctreplay.cli.tables import table_at, write_table

    flows, clock = table_at(origin, at)
    shown = [flow for flow in flows if filters(flow)]
    write_table(shown, options)
    if clock:
        note(clock)
    from ctreplay import __version__

    note(f"ctreplay {__version__}: {len(shown)} flow entries have been shown.")


list = show_table
