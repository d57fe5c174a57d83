"""`ctreplay explain`: why a packet got its verdict, how a connection lived, or what would be worth asking."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctreplay.cli.common import fail, json_text
from ctreplay.cli.origin import Captures, Helpers, Json, SysctlFile, Sysctls, journey, open_origin
from ctreplay.cli.pipes import kept

if TYPE_CHECKING:
    from ctreplay.explain.find import Wanted
    from ctreplay.explain.observe import Tuple
    from ctreplay.timetravel.origin import Origin

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="DATASET|CAPTURE... [CONN]",
        help="CONN: a conn_id, or ends such as `tcp 10.0.0.1:1234 10.0.0.2:80`; without it, what is worth explaining.",
    ),
]
Number = Annotated[int | None, typer.Option("--packet", metavar="N", min=1, help="Why packet N got its verdict.")]
Everything = Annotated[bool, typer.Option("--all", help="Every packet of the connection, nothing folded.")]
_MOST_LISTED = 20


def explain(
    words: Words,
    packet: Number = None,
    everything: Everything = False,
    json: Json = False,
    sysctl: Sysctls = None,
    sysctl_file: SysctlFile = None,
    capture: Captures = None,
    helper: Helpers = None,
) -> None:
    """Why a packet got its verdict; how a connection lived."""
    sources, conn = split_words(words)
    if packet is not None and conn:
        fail(f"either --packet N or a connection, not both; {conn[0]} is no file, so it names a connection")
    origin = open_origin(sources, sysctl, sysctl_file, capture, helper)
    again = command(sources, sysctl, sysctl_file, capture, helper)
    with kept(origin.paths) as origin.paths:
        if packet is not None:
            from ctreplay.explain.packet import explain_packet

            write(explain_packet(journey, origin, packet), "packet", json)
        elif conn:
            life(origin, again, conn, everything, json)
        else:
            from ctreplay.explain.worth import worth_explaining

            write(worth_explaining(journey, origin, again), "worth", json)


def split_words(words: list[str]) -> tuple[list[str], list[str]]:
    """The dataset or captures, and the words that name a connection: what follows the first and is no file."""
    from ctreplay.explain.find import is_part

    count = 1
    while count < len(words) and os.path.exists(words[count]) and not is_part(words[count]):
        count += 1
    return words[:count], words[count:]


def command(
    sources: list[str],
    sysctl: list[str] | None,
    sysctl_file: Path | None,
    capture: list[Path] | None,
    helper: list[str] | None,
) -> str:
    """The beginning of a command that explains something of the same replay."""
    options: tuple[tuple[str, Sequence[object] | None], ...] = (
        ("--sysctl-file", [sysctl_file] if sysctl_file is not None else []),
        ("--sysctl", sysctl),
        ("--helper", helper),
        ("--capture", capture),
    )
    words = [str(word) for option, values in options for value in values or () for word in (option, value)]
    return shlex.join(["ctreplay", "explain", *sources, *words])


def life(origin: Origin, again: str, conn: list[str], everything: bool, json: bool) -> None:
    """The connection that the words name, or the choice of them; `again` begins the command that explains one."""
    from ctreplay.explain.connection import explain_connection
    from ctreplay.explain.find import ConnError, parse

    try:
        wanted = parse(conn)
    except ConnError as exc:
        fail(str(exc))
    if isinstance(wanted, int):
        one, conn_id = of_number(origin, wanted)
    else:
        one, conn_id = of_ends(origin, again, conn, wanted), None
    write(explain_connection(journey, origin, one, conn_id, everything), "connection", json)


def of_number(origin: Origin, conn_id: int) -> tuple[Tuple, int | None]:
    """The tuple of an entry by its number, which is that of the packet that created it."""
    from ctreplay.explain.packet import only

    if conn_id < 1:
        fail("conn_id 0: entries are numbered by the packet that created them, from 1")
    last = only(journey, origin, conn_id)
    assert last.step is not None
    if last.entry_tuple is None or last.step.conn_id is None:
        fail(f"packet {conn_id} has no entry; why: --packet {conn_id}")
    if last.step.conn_id != conn_id:
        fail(f"there is no entry {conn_id}: packet {conn_id} belongs to entry {last.step.conn_id}")
    return last.entry_tuple, conn_id


def of_ends(origin: Origin, again: str, conn: list[str], wanted: Wanted) -> Tuple:
    """The one tuple between these ends; several are listed, with the commands."""
    from ctreplay.engine import PACKETS_ALL
    from ctreplay.explain.find import Candidates, spelled
    from ctreplay.timetravel.instant import END

    def work(travel: Any) -> Candidates:
        travel.to(END)
        sink: Candidates = travel.engine.sink
        return sink

    sink = journey(origin, work, sink=lambda: Candidates(wanted), level=PACKETS_ALL)
    found = sorted(sink.found.values(), key=lambda one: one.first)
    if not found:
        fail(f"no packet between these ends: {' '.join(conn)}")
    if len(found) == 1:
        return found[0].one
    lines = [f"{len(found)}{'+' if sink.more else ''} connections match; explain one of them:"]
    for one in found[:_MOST_LISTED]:
        name = " ".join(map(shlex.quote, spelled(one.one)))
        count = f"{one.packets} packets" + (f", {one.invalid} without an entry" if one.invalid else "")
        count += f", first entry {one.conn_id}" if one.conn_id else ""
        lines.append(f"  {again} {name}   # {count}")
    if len(found) > _MOST_LISTED:
        lines.append(f"  … and {len(found) - _MOST_LISTED} more")
    fail(lines[0], more=lines[1:])


def write(found: dict[str, Any], kind: str, json: bool) -> None:
    """On stdout."""
    if json:
        sys.stdout.write(json_text(found) + "\n")
        return
    from ctreplay.explain import screen, worth

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    page = screen.Page(shutil.get_terminal_size((80, 24)).columns, colour)
    pages = {"packet": screen.packet_page, "connection": screen.connection_page, "worth": worth.worth_page}
    sys.stdout.writelines(line + "\n" for line in pages[kind](found, page))
