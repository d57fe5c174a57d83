"""Outcomes as lines for people: one line an assertion, below a failure what broke it and what to do next."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from ctreplay.check.run import Job
from ctreplay.check.work import ERROR, FAILED, PASSED, Outcome, Report
from ctreplay.cli.common import printable

_MARK = {PASSED: "ok", FAILED: "FAIL", ERROR: "ERROR"}
_COLOUR = {PASSED: "32", FAILED: "31;1", ERROR: "31;1"}
_LINES = 20


def width() -> int:
    """Columns of the terminal; 120 where there is none."""
    return max(40, shutil.get_terminal_size((120, 24)).columns)


def coloured() -> bool:
    """Whether stdout takes colours (NO_COLOR is honoured)."""
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, status: str) -> str:
    """A status word in its colour."""
    return f"\x1b[{_COLOUR[status]}m{text}\x1b[0m" if coloured() else text


def cut(text: str, length: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= length else text[: max(1, length - 1)] + "…"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> Iterator[str]:
    """Aligned lines: numbers to the right, wide cells cut, columns that do not fit set as a list instead."""
    shown = [[printable(cell) for cell in row] for row in rows]
    names = [printable(name) for name in columns]
    wide = [max(len(name), *(len(row[at]) for row in shown)) for at, name in enumerate(names)]
    if sum(wide) + 2 * (len(wide) - 1) > room:
        wide = [min(size, max(len(names[at]), 24)) for at, size in enumerate(wide)]
    if sum(wide) + 2 * (len(wide) - 1) > room:
        for row in shown:
            line = ""
            for name, value in zip(names, row, strict=True):
                if value == "-":
                    continue
                part = cut(f"{name}={value}", room)
                if line and len(line) + 2 + len(part) > room:
                    yield line
                    line = "  " + cut(part, room - 2)
                else:
                    line = f"{line}  {part}" if line else part
            yield line
        return
    right = [all(_number(row[at]) for row in shown) for at in range(len(names))]
    for row in [names, *shown]:
        cells = [
            cut(value, size).rjust(size) if right[at] else cut(value, size).ljust(size)
            for at, (value, size) in enumerate(zip(row, wide, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _number(text: str) -> bool:
    return text == "NULL" or text.lstrip("-").replace(".", "", 1).isdigit()


def endpoints(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Address and port columns joined into one, as people read tuples; NULLs shown as a dash."""
    names = list(columns)
    drop: set[int] = set()
    join: dict[int, int] = {}
    for host, port in (
        ("orig_src", "orig_sport"), ("orig_dst", "orig_dport"), ("src", "sport"), ("dst", "dport"),
        ("reply_src", "reply_sport"), ("reply_dst", "reply_dport"),
    ):  # fmt: skip
        if host in names and port in names:
            join[names.index(host)] = names.index(port)
            drop.add(names.index(port))
    # the 16-byte keys say again what the addresses say
    kept = [at for at in range(len(names)) if at not in drop and not names[at].endswith("_key")]
    found = []
    for row in rows:
        cells = []
        for at in kept:
            value = row[at]
            if at in join and row[join[at]] != "NULL":
                value = f"[{value}]:{row[join[at]]}" if ":" in value else f"{value}:{row[join[at]]}"
            cells.append("-" if value == "NULL" else value)
        found.append(tuple(cells))
    return tuple(names[at] for at in kept), found


def line(job: Job, outcome: Outcome) -> str:
    """The one line of an assertion."""
    where = f"  ({job.file.shown}:{outcome.assertion.line})" if outcome.status != PASSED else ""
    mark = paint(f"{_MARK[outcome.status]:<5}", outcome.status)
    return f"{mark} {printable(job.label)}: {printable(outcome.assertion.name)}{printable(where)}"


def details(outcome: Outcome) -> Iterator[str]:
    """What follows a line that is not ok, indented."""
    room = width() - 6
    if outcome.status == PASSED:
        return
    yield f"      {printable(outcome.message)}"
    for text in list(diff_lines(outcome.difference, room)):
        yield f"      {text}"
    if outcome.rows:
        columns, rows = endpoints(outcome.columns, outcome.rows)
        for text in table(columns, rows, room):
            yield f"      {text}"
        if outcome.total > len(outcome.rows):
            yield f"      … {outcome.total - len(outcome.rows):,} more"
    if outcome.explain:
        yield f"      {printable(outcome.explain)}"


def diff_lines(difference: Sequence[str], room: int) -> Iterator[str]:
    """The lines of a table's difference, bounded."""
    for text in difference[:_LINES]:
        yield cut(printable(text), room)
    if len(difference) > _LINES:
        yield f"… {len(difference) - _LINES:,} more lines"


def summary(reports: Sequence[tuple[Job, Report]], seconds: float) -> str:
    """The last line."""
    counts = {PASSED: 0, FAILED: 0, ERROR: 0}
    broken = 0
    for _, report in reports:
        broken += bool(report.error)
        for outcome in report.outcomes:
            counts[outcome.status] += 1
    cached = sum(report.cached for _, report in reports)
    parts = [f"{counts[PASSED]} passed"]
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} failed")
    if counts[ERROR] + broken:
        errors = counts[ERROR] + broken
        parts.append(f"{errors} error" + ("s" if errors > 1 else ""))
    replays = f"{len(reports)} replay" + ("s" if len(reports) != 1 else "")
    return f"{', '.join(parts)} · {replays} ({cached} from the cache) · {seconds:.1f} s"
