"""`ctreplay diff`: what changed between two replays."""

from __future__ import annotations

import re
import time
from pathlib import Path

import typer

from ctreplay.cli.common import EXIT_FAILED, Exit, fail, json_text, note_damage, read_sysctls
from ctreplay.cli.replay import Level

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "": 1_000_000_000}


def diff(
    base: str = typer.Argument(..., help="A dataset, a capture, or a folder or glob of captures."),
    new: str = typer.Argument(..., help="The same, to compare with it."),
    sysctl: list[str] | None = typer.Option(None, "--sysctl", metavar="NAME=VALUE", help="Replay both with this."),
    base_sysctl: list[str] | None = typer.Option(None, "--base-sysctl", metavar="NAME=VALUE", help="Replay BASE with."),
    new_sysctl: list[str] | None = typer.Option(None, "--new-sysctl", metavar="NAME=VALUE", help="Replay NEW with."),
    helper: list[str] | None = typer.Option(None, "--helper", metavar="NAME[=PORT,...]", help="Replay both with this."),
    base_helper: list[str] | None = typer.Option(
        None, "--base-helper", metavar="NAME[=PORT,...]", help="Replay BASE with."
    ),
    new_helper: list[str] | None = typer.Option(
        None, "--new-helper", metavar="NAME[=PORT,...]", help="Replay NEW with."
    ),
    by_packet: bool = typer.Option(
        False, "--by-packet", help="Match by packet number: for the same capture on both sides."
    ),
    relative: bool = typer.Option(False, "--relative", help="Compare times from the start of each side."),
    tolerance: str = typer.Option("0", "--tolerance", metavar="TIME", help="Times may differ by this: 5ms, 0.1s."),
    ignore: list[str] | None = typer.Option(
        None, "--ignore", metavar="COLUMN", help="Do not compare: a column, transitions, packets, counters."
    ),
    packets: Level = typer.Option(
        Level.notable, "--packets", help="Packets of captures to compare: all, or the notable ones."
    ),
    limit: int = typer.Option(20, "--limit", min=0, help="Changes to show of each kind; 0 shows all."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object with all changes on stdout."),
    junit: Path | None = typer.Option(None, "--junit", metavar="FILE", help="Write JUnit XML."),
) -> None:
    """Compare two replays: connections gone, new and changed. Exit 1 when they differ."""
    import duckdb

    from ctreplay.capture.errors import place
    from ctreplay.check.model import Options
    from ctreplay.diff import show
    from ctreplay.diff.compare import Rules, compare
    from ctreplay.diff.sides import SideError, sides

    rules = Rules(by_packet, relative, _duration(tolerance), _ignored(ignore or [], by_packet))
    options = [
        Options(
            tuple(sorted(read_sysctls([*(sysctl or []), *(own or [])], None).items())),
            packets.value,
            (*(helper or []), *(own_helper or [])),
        )
        for own, own_helper in ((base_sysctl, base_helper), (new_sysctl, new_helper))
    ]
    began = time.perf_counter()
    try:
        with sides(base, new, *options) as pair:
            for side in pair:
                note_damage([place(one) for one in side.run["damage"]])
            most = None if as_json or not limit else max(limit, show.MOST_IN_JUNIT if junit is not None else 0)
            found = compare(*pair, rules, most)
            seconds = time.perf_counter() - began
            # before anything is printed: the reader of that may be gone
            if junit is not None:
                try:
                    junit.write_bytes(show.junit(*pair, found, seconds))
                except OSError as exc:
                    fail(f"--junit {junit}: {exc.strerror}")
            if as_json:
                print(json_text(show.as_object(*pair, found)))
            else:
                for line in show.lines(*pair, found, limit):
                    print(line)
    except SideError as exc:
        fail(str(exc))
    except duckdb.Error as exc:
        fail(f"a dataset cannot be read: {str(exc).splitlines()[0]}")
    if not found.equal:
        raise Exit(EXIT_FAILED)


def _duration(text: str) -> int:
    """Nanoseconds."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(ns|us|µs|ms|s|)", text.strip())
    if match is None:
        fail(f"--tolerance {text}: not a time; write 5ms, 0.1s or 200us")
    whole, _, fraction = match[1].partition(".")
    unit = _UNITS[match[2]]
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def _ignored(names: list[str], by_packet: bool) -> frozenset[str]:
    import difflib

    from ctreplay.diff.compare import known_columns, matched_columns

    found = {name.strip() for one in names for name in one.split(",") if name.strip()}
    known = known_columns()
    for name in sorted(found - known):
        near = difflib.get_close_matches(name, known, 1)
        fail(f"--ignore {name}: no such column{f'; did you mean {near[0]}?' if near else ''}")
    for name in sorted(found & matched_columns(by_packet)):
        fail(f"--ignore {name}: connections or packets are matched by it, so it cannot be left out")
    return frozenset(found)
