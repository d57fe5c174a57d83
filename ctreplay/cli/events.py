"""`ctreplay events`: what `conntrack -E` would have printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    forms,
    instant,
    journey,
    open_origin,
)

if TYPE_CHECKING:
    from ctreplay.text.filters import Filters
    from ctreplay.text.history import Event
    from ctreplay.timetravel.instant import Window
    from ctreplay.timetravel.origin import Origin

_BLOCK = 500
_FORMS = ("extended", "id", "timestamp", "ktimestamp", "labels", "xml", "save", "json")
_KINDS = {"NEW": "NEW", "UPDATES": "UPDATE", "UPDATE": "UPDATE", "DESTROY": "DESTROY"}
Mask = Annotated[str, typer.Option("-e", "--event-mask", metavar="KIND[,KIND]", help="ALL, NEW, UPDATES, DESTROY.")]
Since = Annotated[str | None, typer.Option("--from", metavar="T", help="Events from T on.")]
Up_to = Annotated[str | None, typer.Option("--to", metavar="T", help="Events up to T.")]


@with_filters
def events(
    sources: Sources,
    event_mask: Mask = "ALL",
    since: Since = None,
    up_to: Up_to = None,
    output: Outputs = "",
    json: Json = False,
    sysctl: Sysctls = None,
    sysctl_file: SysctlFile = None,
    helper: Helpers = None,
    capture: Captures = None,
    *,
    filters: Filters,
) -> None:
    """The events, as conntrack -E prints them.

    With `expect` behind the source: those of the expectations, as conntrack -E expect.

    Forms of -o, several with commas: timestamp, extended, id, ktimestamp, xml, save, json (an object per line).
    """
    from ctreplay.timetravel.instant import Window

    options = forms(output, _FORMS)
    if json:
        options.add("json")
    wanted = kinds(event_mask)
    window = Window(
        None if since is None else instant(since, "--from"), None if up_to is None else instant(up_to, "--to")
    )
    if window.since is not None and window.since.kind == "end":
        fail("--from end: no event follows the last packet")
    if len(sources) > 1 and sources[-1] == "expect":
        from ctreplay.cli.expectations import show_events

        origin = open_origin(sources[:-1], sysctl, sysctl_file, capture, helper)
        show_events(origin, wanted, window, options, filters)
        return
    # SCTP's verification tags are in no table, nor is when a packet without a row was processed
    again = "save" in options or bool(window.packets)
    source = (open_origin if again else open_dataset_or_origin)(sources, sysctl, sysctl_file, capture, helper)
    found = history(source, window)
    with printed(options) as show:
        shown = 0
        for event in found:
            if event.kind in wanted and filters(event.flow):
                show(event)
                shown += 1
    from ctreplay import __version__

    note(f"ctreplay {__version__}: {shown} flow events have been shown.")


def open_dataset_or_origin(
    sources: list[str],
    sysctl: list[str] | None,
    sysctl_file: Path | None,
    capture: list[Path] | None,
    helper: list[str] | None,
) -> Origin | Path:
    """A dataset's folder, when its rows suffice, or what is to be replayed."""
    from ctreplay.timetravel.origin import is_dataset

    if len(sources) == 1 and is_dataset(sources[0]) and not (sysctl or sysctl_file or capture or helper):
        from ctreplay.sql import DatasetError, read_run
        from ctreplay.text.history import lacks_keys

        try:
            if not lacks_keys(Path(sources[0])):
                return Path(sources[0])
            if not all(Path(one["absolute_path"]).exists() for one in read_run(sources[0])["inputs"]):
                note("keys of GRE are in no table, and the captures are not where they were: shown as 0")
                return Path(sources[0])
        except DatasetError as exc:
            fail(str(exc))
    return open_origin(sources, sysctl, sysctl_file, capture, helper)


def kinds(mask: str) -> set[str]:
    """The events that -e asks for."""
    found: set[str] = set()
    for word in mask.upper().split(","):
        if word.strip() == "ALL":
            found |= set(_KINDS.values())
        elif word.strip() in _KINDS:
            found.add(_KINDS[word.strip()])
        else:
            fail(f"-e {word.strip()}: not known; ALL, NEW, UPDATES, DESTROY")
    return found


def history(source: Origin | Path, window: Window) -> Iterator[Event]:
    """Events within the window. Ends the command when its end lies before its beginning."""
    if not isinstance(source, Path):
        found, window, first_ts = replayed(source, window)
    else:
        from ctreplay.sql import DatasetError, read_run

        try:
            run = read_run(source)
        except DatasetError as exc:
            fail(str(exc))
        found, first_ts = listed(source, run["sysctls"]), run["first_ts_ns"]
    check_order(window, first_ts)
    return within(found, window, first_ts or 0)


def listed(dataset: Path, sysctls: dict[str, int]) -> Iterator[Event]:
    """Events of a dataset's tables."""
    from ctreplay.sql import DatasetError
    from ctreplay.text.history import from_dataset

    shows = {name: bool(sysctls.get(f"nf_conntrack_{name}", 1)) for name in ("acct", "timestamp")}
    try:
        yield from from_dataset(dataset, accounting=shows["acct"], timestamps=shows["timestamp"])
    except DatasetError as exc:
        fail(str(exc))


def check_order(window: Window, first_ts: int | None) -> None:
    """End the command when the window's end lies before its beginning."""
    if first_ts is not None and window.backwards(first_ts):
        fail("--from and --to: the second moment lies before the first")


def within(found: Iterator[Event], window: Window, first_ts: int) -> Iterator[Event]:
    """Those within the window."""
    if window.since is None and window.up_to is None:
        yield from found
        return
    for event in found:
        if not window.begun(event.ts, event.packet, first_ts):
            continue
        if window.over(event.ts, event.packet, first_ts):
            # in order of time and packet: nothing more can follow
            return
        yield event


def replayed(origin: Origin, window: Window) -> tuple[Iterator[Event], Window, int | None]:
    """Events of a replay, the window with all that it has to know, and the time of the first packet (if any)."""
    from ctreplay.text.history import EventSink
    from ctreplay.timetravel.instant import END

    shows = {name: bool(origin.sysctls[f"nf_conntrack_{name}"]) for name in ("acct", "timestamp")}
    taken: list[Event] = []

    def sink() -> EventSink:
        taken.clear()
        return EventSink(taken.append, shows["acct"], shows["timestamp"])

    def work(travel: Any) -> tuple[Window, int | None]:
        settled = settle(travel, window)
        travel.to(END)
        return settled, travel.first_ts

    settled, first_ts = journey(origin, work, sink=sink)
    return iter(taken), settled, first_ts


def settle(travel: Any, window: Window) -> Window:
    """The window, when a replay that has just begun has gone by the packets that bound it."""
    from ctreplay.timetravel.instant import BEFORE_ALL

    clocks = {}
    for number in window.packets:
        travel.to_packet(number)
        clocks[number] = travel.now if number else BEFORE_ALL
    return window.with_clocks(clocks)


@contextmanager
def printed(options: set[str]) -> Iterator[Callable[[Event], None]]:
    """A function that prints events in the form asked for."""
    header, footer, form = _form(options)
    sys.stdout.write(header)
    # however standard output is buffered
    lines: list[str] = []

    def show(event: Event) -> None:
        lines.append(form(event))
        if len(lines) == _BLOCK:
            flush()

    def flush() -> None:
        sys.stdout.write("".join(one + "\n" for one in lines))
        lines.clear()

    try:
        yield show
    finally:
        flush()
    sys.stdout.write(footer)


def _form(options: set[str]) -> tuple[str, str, Callable[[Event], str]]:
    """What comes before and after the events, and how one is written."""
    if "json" in options:
        import json

        from ctreplay.text.objects import event_object, flow_object

        def written(event: Event) -> str:
            told = event_object(event.kind, event.ts, event.packet, event.reason, flow_object(event.flow))
            return json.dumps(told)

        return "", "", written
    if "xml" in options:
        from ctreplay.text.xml import FOOTER, HEADER, xml

        return HEADER + "\n", FOOTER + "\n", lambda event: xml(event.flow, options, event.kind)
    if "save" in options:
        from ctreplay.text.save import save

        return "", "", lambda event: save(event.flow, event.kind)
    from ctreplay.text.line import event as line

    return "", "", lambda event: line(event.kind, event.flow, options, event.ts)
