"""Arguments that name a dataset or captures, and an instant; their errors become messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ctreplay.cli.common import EXIT_USAGE, Exit, fail, note, note_damage, note_repeated, read_sysctls

if TYPE_CHECKING:
    from ctreplay.dataset.rows import RowSink
    from ctreplay.timetravel.instant import Instant
    from ctreplay.timetravel.origin import Origin
    from ctreplay.timetravel.travel import Travel

Sources = Annotated[list[str], typer.Argument(metavar="DATASET|CAPTURE...", help="A dataset, or captures.")]
Sysctls = Annotated[
    list[str] | None,
    typer.Option("--sysctl", metavar="NAME=VALUE", help="Replay with this sysctl; overrides the dataset's."),
]
SysctlFile = Annotated[Path | None, typer.Option("--sysctl-file", help="sysctl.d file or `sysctl -a` output.")]
Captures = Annotated[
    list[Path] | None,
    typer.Option("--capture", metavar="FILE", help="Where the dataset's capture is now, if it was moved."),
]
Helpers = Annotated[
    list[str] | None,
    typer.Option("--helper", metavar="NAME[=PORT,...]", help="Replay with this helper; overrides the dataset's."),
]
When = Annotated[str, typer.Option("--at", metavar="T", help="ISO 8601 (UTC), epoch, +12.5s, packet:4711 or end.")]
Outputs = Annotated[str, typer.Option("-o", "--output", metavar="FORM[,FORM]", help="Form of the output.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]

Found = TypeVar("Found")


def open_origin(
    sources: list[str],
    sysctl: list[str] | None,
    sysctl_file: Path | None,
    captures: list[Path] | None,
    helpers: list[str] | None = None,
) -> Origin:
    """The origin, or the end of the command with a message."""
    from ctreplay.helpers.registry import HelperError, describe
    from ctreplay.sql import DatasetError
    from ctreplay.timetravel.origin import OriginError, find

    values = read_sysctls(sysctl, sysctl_file)
    try:
        origin = find(sources, values, captures or [], helpers or [])
    except (OriginError, DatasetError, HelperError) as exc:
        fail(str(exc))
    if origin.run is not None:
        different = [f"{k}={v}" for k, v in values.items() if origin.run["sysctls"].get(k, v) != v]
        if helpers and describe(origin.helpers) != origin.run["helpers"]:
            different += [f"helper {one}" for one in helpers]
        if different:
            note(f"replayed with {', '.join(different)}, unlike the dataset")
    return origin


def journey(
    origin: Origin,
    work: Callable[[Travel], Found],
    *,
    sink: Callable[[], RowSink] | None = None,
    level: int = 0,
) -> Found:
    """`ctreplay.timetravel.travel` with its errors as messages, and notes of damage and repeats that no dataset has."""
    from ctreplay.capture import CaptureError
    from ctreplay.timetravel.origin import OriginError
    from ctreplay.timetravel.travel import NoSuchPacket, travel

    damaged, repeated = len(origin.damage), len(origin.repeated)
    try:
        return travel(origin, work, sink=sink, level=level)
    except (CaptureError, OriginError, NoSuchPacket) as exc:
        raise Exit(EXIT_USAGE, str(exc)) from None
    finally:
        if origin.run is None:
            note_repeated(origin.repeated[repeated:])
            note_damage(origin.damage[damaged:])


def instant(text: str, option: str = "--at") -> Instant:
    """The instant that an option names."""
    from ctreplay.timetravel.instant import InstantError, parse

    try:
        return parse(text)
    except InstantError as exc:
        fail(f"{option}: {exc}")


def forms(text: str, known: tuple[str, ...]) -> set[str]:
    """The comma list of -o."""
    import difflib

    found = {word.strip().lower() for word in text.split(",") if word.strip()}
    for word in sorted(found):
        if word not in known:
            near = difflib.get_close_matches(word, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            fail(f"-o {word}: not known; {', '.join(known)}{hint}")
    return found
