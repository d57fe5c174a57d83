"""Re-blessing: results become the expected tables, in CSV files and inside check files; nothing else is touched."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ctreplay.check.load import parse_text
from ctreplay.check.model import Assertion, CheckFile, Expected
from ctreplay.check.nodes import CheckFileError
from ctreplay.check.run import Job
from ctreplay.check.tables import canonical, compare, to_csv
from ctreplay.check.work import FAILED, PASSED, Outcome, Report

Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


class UpdateError(Exception):
    """A table that cannot be written; the message says where and what to do."""


def apply(files: Sequence[CheckFile], reports: Sequence[tuple[Job, Report]]) -> Iterator[tuple[str, list[str]]]:
    """Write the new tables; yields each changed file with a unified diff. Outcomes become passed.

    Raises UpdateError, OSError.
    """
    wanted: dict[str, dict[int, tuple[Assertion, Table]]] = {}
    csv_files: dict[Path, tuple[str, Table]] = {}
    changed: list[Outcome] = []
    for job, report in reports:
        for outcome in report.outcomes:
            expected = outcome.assertion.expected
            if expected is None or outcome.result is None:
                continue
            where = f"{job.file.shown}:{outcome.assertion.line}"
            ordered = (outcome.result[0], tuple(canonical(outcome.result[1], expected.ordered)))
            if expected.file is not None:
                if csv_files.setdefault(expected.file, (where, ordered))[1] != ordered:
                    raise _conflict(where)
            else:
                of_file = wanted.setdefault(os.fspath(job.file.path), {})
                if of_file.setdefault(expected.start, (outcome.assertion, ordered))[1] != ordered:
                    raise _conflict(where)
            if outcome.status == FAILED:
                changed.append(outcome)
    for path, (_, found) in csv_files.items():
        yield from _write(path, to_csv(*found))
    for file in files:
        edits = wanted.get(os.fspath(file.path), {})
        text = file.text
        for start in sorted(edits, reverse=True):
            assertion, found = edits[start]
            expected = assertion.expected
            assert expected is not None
            if expected.missing or compare(*found, expected.columns, expected.rows, expected.ordered):
                text = _spliced(text, expected, found)
        if text != file.text:
            _verify(file, text, edits)
            yield from _write(file.path, text)
    for outcome in changed:
        outcome.status, outcome.message, outcome.difference = PASSED, "updated", ()


def _conflict(where: str) -> UpdateError:
    return UpdateError(
        f"{where}: the captures give different tables, one expected table cannot hold for all; "
        "give each capture an item of its own"
    )


def _spliced(text: str, expected: Expected, found: Table) -> str:
    """The check file's text with one inline table replaced by a block of CSV."""
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * (expected.indent + 2)
    block = "|" + newline + "".join(f"{indent}{line}{newline}" for line in to_csv(*found).splitlines())
    before, old, after = text[: expected.start], text[expected.start : expected.end], text[expected.end :]
    # what follows the old table (blank lines, comments further left) stays as it was
    tail = old[len(old.rstrip()) :] if old.strip() else ""
    if not before.endswith((" ", "\t")):
        before += " "
    rest = tail + after
    return before + block.rstrip("\r\n") + (rest if rest.lstrip(" \t").startswith(("\n", "\r")) else newline + rest)


def _verify(file: CheckFile, text: str, edits: dict[int, tuple[Assertion, Table]]) -> None:
    """The new text has to load and to hold exactly the new tables."""
    try:
        again = parse_text(text, file.path, file.shown)
    except CheckFileError as exc:
        raise UpdateError(f"{exc}: the new table does not fit here; write `equals: |` on a line of its own") from None
    old = [one for group in file.groups for one in group.assertions]
    new = [one for group in again.groups for one in group.assertions]
    for before, after in zip(old, new, strict=True):
        expected = before.expected
        if expected is None or expected.file is not None or expected.start not in edits:
            continue
        columns, rows = edits[expected.start][1]
        made = after.expected
        if made is None or compare(columns, rows, made.columns, made.rows, made.ordered):
            raise UpdateError(
                f"{file.shown}:{before.line}: this table cannot stand in YAML; use `equals_file: NAME.csv`"
            )


def _write(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    try:
        old = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        old = ""
    if old == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    working = path.with_name(f".{path.name}.new")
    working.write_bytes(text.encode("utf-8"))
    working.replace(path)
    yield (
        os.fspath(path),
        list(difflib.unified_diff(old.splitlines(), text.splitlines(), "before", "after", lineterm="", n=1)),
    )
