"""The triage on one screen of a terminal."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TextIO

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ctreplay import reasons
from ctreplay.cli.common import counted, printable
from ctreplay.report.duration import duration
from ctreplay.report.share import share
from ctreplay.tracker import sysctl

_LABEL = "bold"
_QUIET = "dim"
_BAD = "bold red"
_WARN = "yellow"
_COMMAND = "cyan"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def render(found: dict[str, Any], file: TextIO, width: int | None = None) -> None:
    """Print the triage dictionary; styles only on a terminal, and none with NO_COLOR."""
    # with NO_COLOR rich itself leaves bold and dim
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    # addresses in brackets and names of files are no markup
    console = Console(file=file, width=width, color_system=colours, highlight=False, markup=False, emoji=False)
    # written at once and by us: when the reader has gone, that is no failure
    with console.capture() as page:
        _draw(found, console)
    file.write(page.get())


def _draw(found: dict[str, Any], console: Console) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=_LABEL, no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    grid.add_row("capture", _capture(found))
    grid.add_row("replayed", _replayed(found))
    grid.add_row("entries", _entries(found["entries"]))
    grid.add_row("table", _table(found["table"]))
    grid.add_row("invalid", _reasons(found["invalid"], _BAD, "no INVALID packet"))
    if found["ignored"]:
        grid.add_row("ignored", _reasons(found["ignored"], _WARN, ""))
    if found["helpers"] or found["helper_hints"]:
        grid.add_row("helpers", _helpers(found))
    console.print(grid)
    if found["talkers"]["sources"]:
        console.print()
        console.print(_talkers(found["talkers"], console.width))
    console.print()
    console.print(_trust(found["trust"]))
    console.print()
    console.print(_next(found["next"]))


def _time(ns: int) -> str:
    """UTC, with the milliseconds; years that Python cannot show stay seconds."""
    try:
        moment = _EPOCH + timedelta(microseconds=ns // 1000)
    except OverflowError:
        return f"{ns / 1e9:.3f} s"
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def _capture(found: dict[str, Any]) -> Text:
    names = [printable(name) for name in found["inputs"]]
    text = Text(names[0] if names else "", style="bold")
    if len(names) > 1:
        text.append(f" and {len(names) - 1:,} more", style=_QUIET)
    span = found["span"]
    text.append(f"\n{found['packets']:,} packets")
    if span["first_ts_ns"] is not None:
        length = duration(span["last_ts_ns"] - span["first_ts_ns"])
        text.append(f" over {length}, from {_time(span['first_ts_ns'])} UTC")
    return text


def _replayed(found: dict[str, Any]) -> Text:
    rate = found["packets_per_s"] or 0
    text = Text(f"into {printable(found['dataset'])} in {found['wall_s']:.2f} s")
    if rate:
        text.append(f" ({rate:,} packets/s)", style=_QUIET)
    settings = found["sysctls_set"]
    # all of `sysctl -a` would fill the screen
    usual = sysctl.defaults()
    changed = [f"{name}={value}" for name, value in settings.items() if value != usual.get(name)]
    if len(settings) > len(changed):
        changed.append(f"{len(settings) - len(changed)} at their defaults")
    if changed:
        text.append("\nwith " + ", ".join(changed))
    if not found["complete"]:
        text.append("\nincomplete: an input is damaged", style=_BAD)
    return text


def _counts(counts: dict[str, int], limit: int = 7) -> str:
    shown = list(counts.items())[:limit]
    parts = [f"{'protocol ' + name if name.isdigit() else name} {count:,}" for name, count in shown]
    if len(counts) > limit:
        parts.append(f"{len(counts) - limit} more")
    return " · ".join(parts)


def _entries(entries: dict[str, Any]) -> Text:
    text = Text(f"{entries['total']:,}")
    if not entries["total"]:
        return text
    text.append(f"   {_counts(entries['by_proto'])}\n")
    states = {name: count for name, count in entries["by_state"].items() if name != "-"}
    if states:
        text.append("last state  ", style=_QUIET)
        text.append(f"{_counts(states)}\n")
    text.append("ended by    ", style=_QUIET)
    text.append(_counts(entries["by_end_reason"]))
    if entries["unreplied"]:
        text.append("\nunreplied   ", style=_QUIET)
        unreplied, total = entries["unreplied"], entries["total"]
        text.append(f"{unreplied:,} ({share(unreplied, total)})", style=_WARN if 2 * unreplied > total else "")
    return text


def _table(table: dict[str, Any]) -> Text:
    text = Text(f"peak {table['peak_entries']:,} entries")
    if table["peak_ts_ns"] is not None:
        text.append(f" at {_time(table['peak_ts_ns'])}")
    text.append(f", at most {table['most_inserts_per_s']:,} new in a second")
    if table["limit"]:
        text.append(f"\nlimit {table['limit']:,}: ")
        collected = f"{table['collected']:,} by the collector, " if table["collected"] else ""
        text.append(
            f"{table['early_drops']:,} evicted early, {collected}"
            f"{table['full_drops']:,} packets dropped by the full table",
            style=_BAD if table["full_drops"] or table["early_drops"] else "",
        )
    else:
        text.append("\nno limit: a capture does not know its firewall's; set --sysctl nf_conntrack_max=N", style=_QUIET)
    return text


def _reasons(rows: list[dict[str, Any]], style: str, nothing: str) -> Text:
    if not rows:
        return Text(nothing, style=_QUIET)
    text = Text()
    width = max(len(f"{row['packets']:,}") for row in rows[:4])
    for n, row in enumerate(rows[:4]):
        if n:
            text.append("\n")
        text.append(f"{row['packets']:>{width},}", style=style)
        text.append(f"  {row['reason']}")
        meaning = reasons.MEANINGS[reasons.CODES[row["reason"]]]
        text.append(f"  {meaning}", style=_QUIET)
    if len(rows) > 4:
        rest = sum(row["packets"] for row in rows[4:])
        text.append(f"\n{rest:>{width},}", style=style)
        text.append(f"  for {counted(len(rows) - 4, 'more reason')}")
    return text


def _helpers(found: dict[str, Any]) -> Text:
    text = Text()
    if found["helpers"]:
        text.append("on: " + ", ".join(f"{one['helper']}={one['port']}/{one['protocol']}" for one in found["helpers"]))
    for hint in found["helper_hints"]:
        if text:
            text.append("\n")
        text.append(f"{hint['helper']} is off", style=_WARN if hint["missed"] else "")
        text.append(f": {hint['control_connections']:,} control connections, ")
        text.append(f"{hint['missed']:,} later ones would have been RELATED")
    return text


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 10_000:
            return f"{count:,} {unit}"
        count //= 1000
    return f"{count:,} TB"


def _numbers(row: dict[str, Any]) -> tuple[str, str, str]:
    return f"{row['entries']:,}", f"{row['unreplied']:,}", _size(row["bytes"])


def _talkers(talkers: dict[str, Any], width: int) -> Group:
    wide = width >= 110
    left = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False, header_style=_LABEL)
    left.add_column("top sources", overflow="fold", min_width=15)
    right = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False, header_style=_LABEL)
    right.add_column("top services", overflow="fold", min_width=22)
    for table in (left, right):
        table.add_column("entries", justify="right", no_wrap=True)
        table.add_column("unreplied", justify="right", no_wrap=True)
        table.add_column("bytes", justify="right", no_wrap=True)
    for row in talkers["sources"]:
        left.add_row(*map(Text, (row["address"], *_numbers(row))))
    for row in talkers["services"]:
        port = f":{row['port']}" if row["port"] is not None else ""
        address = f"[{row['address']}]" if port and ":" in row["address"] else row["address"]
        proto = f"protocol {row['proto']}" if row["proto"].isdigit() else row["proto"]
        right.add_row(*map(Text, (f"{proto} {address}{port}", *_numbers(row))))
    if wide:
        both = Table.grid(padding=(0, 4))
        both.add_row(left, right)
        return Group(both)
    return Group(left, Text(), right)


def _trust(notes: list[dict[str, str]]) -> Group:
    if not notes:
        return Group(Text("trust      nothing taints this capture", style=_QUIET))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=_WARN, no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    for note in notes[:8]:
        grid.add_row(Text(note["what"]), Text(printable(note["text"])))
    if len(notes) > 8:
        grid.add_row("", f"and {len(notes) - 8:,} more notes of this kind in captures.parquet and run.json")
    return Group(Text("What taints this capture", style=_LABEL), grid)


def _next(steps: list[dict[str, str]]) -> Group:
    lines: list[Any] = [Text("Next", style=_LABEL)]
    for step in steps:
        lines.append(Text(printable(step["command"]), style=_COMMAND))
        lines.append(Padding(Text(step["why"], style=_QUIET), (0, 0, 0, 2)))
    return Group(*lines)
