"""Outcomes for programs: one JSON object, and JUnit XML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from ctreplay.check.run import Job
from ctreplay.check.show import endpoints, table
from ctreplay.check.tables import natural
from ctreplay.check.work import ERROR, FAILED, PASSED, Outcome, Report
from ctreplay.cli.common import printable

Reports = Sequence[tuple[Job, Report]]


def as_object(reports: Reports, seconds: float) -> dict[str, Any]:
    """The object that `ctreplay check --json` prints."""
    results = []
    counts = {PASSED: 0, FAILED: 0, ERROR: 0}
    for job, report in reports:
        if report.error:
            counts[ERROR] += 1
            results.append(
                {"file": job.file.shown, "line": job.group.line, "replay": job.label, "name": "replay"}
                | {"status": ERROR, "message": report.error}
            )
        for outcome in report.outcomes:
            counts[outcome.status] += 1
            found: dict[str, Any] = {
                "file": job.file.shown,
                "line": outcome.assertion.line,
                "replay": job.label,
                "name": outcome.assertion.name,
                "status": outcome.status,
                "message": outcome.message,
            }
            if outcome.status != PASSED:
                rows = [
                    dict(zip(outcome.columns, map(natural, outcome.types, row), strict=True)) for row in outcome.rows
                ]
                found |= {"rows": rows, "total_rows": outcome.total, "difference": list(outcome.difference)}
                found |= {"explain": outcome.explain or None}
            results.append(found)
    return {
        "ok": not counts[FAILED] and not counts[ERROR],
        **counts,
        "replays": len(reports),
        "cached": sum(report.cached for _, report in reports),
        "damage": [one for _, report in reports for one in report.damage],
        "seconds": round(seconds, 3),
        "results": results,
    }


def text_of(outcome: Outcome) -> str:
    """All that is known about a failure, as plain lines."""
    lines = [outcome.message, *map(printable, outcome.difference)]
    if outcome.rows:
        columns, rows = endpoints(outcome.columns, outcome.rows)
        lines += table(columns, rows, 160)
        if outcome.total > len(outcome.rows):
            lines.append(f"… {outcome.total - len(outcome.rows)} more")
    if outcome.explain:
        lines.append(outcome.explain)
    return "\n".join(printable(line) for line in lines)


def suites(name: str, cases: Iterable[tuple[str, list[ElementTree.Element]]], seconds: float) -> bytes:
    """JUnit XML of suites (name, test cases)."""
    root = ElementTree.Element("testsuites", name=name, time=f"{seconds:.3f}")
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for suite_name, elements in cases:
        counts = {
            "tests": len(elements),
            "failures": sum(one.find("failure") is not None for one in elements),
            "errors": sum(one.find("error") is not None for one in elements),
        }
        taken = sum(float(one.get("time", "0")) for one in elements)
        suite = ElementTree.SubElement(root, "testsuite", name=printable(suite_name), skipped="0", time=f"{taken:.3f}")
        for key, value in counts.items():
            suite.set(key, str(value))
        suite.extend(elements)
        totals = {key: totals[key] + counts[key] for key in totals}
    for key, value in totals.items():
        root.set(key, str(value))
    ElementTree.indent(root)
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def case(
    name: str, classname: str, seconds: float, kind: str = "", message: str = "", text: str = "", **more: str
) -> ElementTree.Element:
    """A test case; `kind` is failure or error, or empty when it passed."""
    found = ElementTree.Element("testcase", name=printable(name), classname=printable(classname), time=f"{seconds:.3f}")
    for key, value in more.items():
        found.set(key, printable(value))
    if kind:
        problem = ElementTree.SubElement(found, kind, message=printable(message), type=kind)
        problem.text = text
    return found


def junit(reports: Reports, seconds: float) -> bytes:
    """JUnit XML: a suite for each replay, a case for each assertion."""
    found = []
    for job, report in reports:
        cases = []
        if report.error:
            cases.append(
                case("replay", job.label, report.seconds, "error", report.error, printable(report.error),
                     file=job.file.shown, line=str(job.group.line))
            )  # fmt: skip
        for outcome in report.outcomes:
            kind = {PASSED: "", FAILED: "failure", ERROR: "error"}[outcome.status]
            cases.append(
                case(outcome.assertion.name, job.label, outcome.seconds, kind, outcome.message,
                     text_of(outcome) if kind else "", file=job.file.shown, line=str(outcome.assertion.line))
            )  # fmt: skip
        found.append((f"{job.file.shown}: {job.label}", cases))
    return suites("ctreplay check", found, seconds)
