"""Annotations and the summary of a GitHub workflow run."""

from __future__ import annotations

import html
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ctreplay.check.machine import text_of
from ctreplay.check.nodes import CheckFileError
from ctreplay.check.run import Job
from ctreplay.check.work import PASSED, Report
from ctreplay.cli.common import printable


@contextmanager
def shown_only() -> Iterator[None]:
    """What is printed meanwhile only stands in the log: a row of a table may look like a workflow command."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", flush=True)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _place(path: str) -> str:
    """Relative to the repository: GitHub finds files only so."""
    root = os.environ.get("GITHUB_WORKSPACE")
    if root:
        try:
            return Path(path).resolve().relative_to(Path(root).resolve()).as_posix()
        except ValueError:
            pass
    return path


def annotation(path: str, line: int | None, title: str, text: str) -> str:
    """One `::error` command; `text` may have several lines."""
    body = "\n".join(printable(one) for one in text.split("\n"))
    at = f",line={line}" if line else ""
    return f"::error file={_property(printable(_place(path)))}{at},title={_property(printable(title))}::{_data(body)}"


def file_error(exc: CheckFileError) -> str:
    """Annotation for a check file that cannot be used."""
    return annotation(exc.path, exc.line, "check file", exc.message)


def workflow_commands(reports: Sequence[tuple[Job, Report]]) -> Iterator[str]:
    """An annotation for each assertion that did not pass."""
    for job, report in reports:
        if report.error:
            yield annotation(job.file.shown, job.group.line, job.label, report.error)
        for outcome in report.outcomes:
            if outcome.status != PASSED:
                title = f"{job.label}: {outcome.assertion.name}"
                yield annotation(job.file.shown, outcome.assertion.line, title, text_of(outcome))


def _cell(text: str) -> str:
    """Text inside a Markdown table: nothing in it is markup."""
    escaped = html.escape(printable(text), quote=False)
    for char in "\\`*_[]|~@":
        escaped = escaped.replace(char, f"&#{ord(char)};")
    return escaped


def summary(reports: Sequence[tuple[Job, Report]]) -> str:
    """Markdown: counts, then a table of what did not pass."""
    outcomes = [(job, outcome) for job, report in reports for outcome in report.outcomes]
    bad = [(job, outcome) for job, outcome in outcomes if outcome.status != PASSED]
    broken = [(job, report) for job, report in reports if report.error]
    lines = [
        "### ctreplay check",
        "",
        f"{len(outcomes) - len(bad)} passed, {len(bad) + len(broken)} not, {len(reports)} replays",
        "",
    ]
    if bad or broken:
        lines += ["| result | replay | assertion | what |", "|---|---|---|---|"]
        for job, report in broken:
            lines.append(f"| error | {_cell(job.label)} | replay | {_cell(report.error)} |")
        for job, outcome in bad:
            what = f"{outcome.message} ({job.file.shown}:{outcome.assertion.line})"
            lines.append(f"| {outcome.status} | {_cell(job.label)} | {_cell(outcome.assertion.name)} | {_cell(what)} |")
    return "\n".join(lines) + "\n"


def append_summary(reports: Sequence[tuple[Job, Report]]) -> None:
    """Append to $GITHUB_STEP_SUMMARY when it is set. Raises OSError."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if target:
        with open(target, "a", encoding="utf-8") as file:
            file.write(summary(reports))
