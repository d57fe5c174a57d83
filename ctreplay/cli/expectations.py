"""`ctreplay list DATASET expect` and `events DATASET expect`: what waits for its connection, and how that changes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ctreplay.cli.common import fail, note, printable
from ctreplay.cli.origin import instant, journey

if TYPE_CHECKING:
    from ctreplay.helpers.expectations import Expectation
    from ctreplay.text.filters import Filters
    from ctreplay.timetravel.instant import Window
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
    _note_watched(origin)
    note(f"ctreplay {__version__}: {len(shown)} expectations have been shown.")


def _note_watched(origin: Origin) -> None:
    if not origin.helpers:
        note("no helper is on, as by default in the kernel: these were only watched; --helper ftp turns one on")


class Told:
    """A journal of expectations that keeps the events of these kinds and filters, as lines or objects."""

    def __init__(self, kinds: set[str], options: set[str], filters: Filters) -> None:
        self.kinds = kinds
        self.options = options
        self.filters = filters
        # instant in ns, packet, as it is shown
        self.events: list[tuple[int, int | None, str]] = []

    def _tell(self, kind: str, exp: Expectation, ts: int, packet: int | None, reason: str | None) -> None:
        from ctreplay.text import expectation as text
        from ctreplay.text.objects import event_object

        if kind not in self.kinds or not self.filters(text.as_flow(exp)):
            return
        if "json" in self.options:
            shown = json.dumps(event_object(kind, ts, packet, reason, text.expectation_object(exp, ts)))
        else:
            shown = text.event(kind, exp, self.options, ts)
        self.events.append((ts, packet, shown))

    def created(self, exp: Expectation, ts: int, packet: int) -> None:
        """EXP_NEW."""
        self._tell("NEW", exp, ts, packet, None)

    def refreshed(self, exp: Expectation, ts: int, packet: int) -> None:
        """The kernel tells nobody."""

    def matched(self, exp: Expectation, ts: int, packet: int) -> None:
        """The kernel tells nobody when the expectation stays."""

    def ended(self, exp: Expectation, ts: int, packet: int, why: str) -> None:
        """EXP_DESTROY."""
        self._tell("DESTROY", exp, ts, packet or None, why)


def show_events(origin: Origin, kinds: set[str], window: Window, options: set[str], filters: Filters) -> None:
    """Lines of `conntrack -E expect`, in order."""
    from ctreplay import __version__
    from ctreplay.cli.events import check_order, settle
    from ctreplay.timetravel.instant import END

    if options & {"xml", "save"}:
        fail("events … expect: as lines, with -o timestamp, or as json")

    def work(travel: Any) -> tuple[list[tuple[int, int | None, str]], Window, int | None]:
        journal = travel.helpers.table.journal = Told(kinds, options, filters)
        settled = settle(travel, window)
        travel.to(END)
        return journal.events, settled, travel.first_ts

    events, settled, first_ts = journey(origin, work)
    check_order(settled, first_ts)
    shown = [text for ts, packet, text in events if settled.holds(ts, packet, first_ts or 0)]
    sys.stdout.writelines(text + "\n" for text in shown)
    _note_watched(origin)
    note(f"ctreplay {__version__}: {len(shown)} expectation events have been shown.")
