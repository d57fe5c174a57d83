"""`ctreplay list DATASET expect`: expectations that wait for their connection, at any moment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ctreplay.cli.common import fail, note, printable
from ctreplay.cli.origin import instant, journey

if TYPE_CHECKING:
    from ctreplay.text.filters import Filters
    from ctreplay.timetravel.origin import Origin


def show_expectations(origin: Origin, at: str, options: set[str], filters: Filters) -> None:
    """Lines of `conntrack -L expect`, oldest first."""
    from ctreplay import __version__
    from ctreplay.text import expectation as text

    if options & {"xml", "save"}:
        fail("list … expect: as lines, proc or json")
    moment = instant(at)

    def work(travel: Any) -> tuple[list[Any], int, str]:
        travel.to(moment)
        chains = travel.helpers.table.by_master.values()
        live = sorted((exp for chain in chains for exp in chain if exp.alive), key=lambda exp: exp.number)
        return live, travel.now, "" if moment.kind == "end" else f"at {travel.describe()}"

    live, now, clock = journey(origin, work)
    shown = [exp for exp in live if filters(text.as_flow(exp))]
    if "json" in options:
        from ctreplay.cli.tables import write_json

        write_json([text.expectation_object(exp, now) for exp in shown])
    else:
        form = text.proc if "proc" in options else text.line
        sys.stdout.writelines(printable(form(exp, now)) + "\n" for exp in shown)
    if clock:
        note(clock)
    if not origin.helpers:
        note("no helper is on, as by default in the kernel: these were only watched; --helper ftp turns one on")
    note(f"ctreplay {__version__}: {len(shown)} expectations have been shown.")
