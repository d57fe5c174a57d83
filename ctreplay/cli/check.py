"""`ctreplay check`: assertions over captures, for CI."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctreplay.cli.common import EXIT_FAILED, EXIT_USAGE, Exit, complain, fail, json_text, note, note_damage, printable

if TYPE_CHECKING:
    from ctreplay.check.model import CheckFile
    from ctreplay.check.replays import Cache
    from ctreplay.check.run import Job
    from ctreplay.check.work import Report


def check(
    files: list[str] | None = typer.Argument(
        None, metavar="[FILE|FOLDER|DATASET]...", help="Check files, or folders to search (default: this one)."
    ),
    pattern: str = typer.Option("", "-k", metavar="PATTERN", help="Only assertions whose CAPTURE: NAME has this text."),
    fail_fast: bool = typer.Option(False, "-x", "--fail-fast", help="Stop after the first failure."),
    jobs: int | None = typer.Option(None, "-j", "--jobs", min=1, help="Replays at a time (default: one per core)."),
    listing: bool = typer.Option(False, "--list", help="List the assertions, run nothing."),
    junit: Path | None = typer.Option(None, "--junit", metavar="FILE", help="Write JUnit XML."),
    github: bool = typer.Option(False, "--github", help="GitHub annotations, and a summary for the workflow run."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
    update: bool = typer.Option(False, "--update", help="Take the results as the expected tables; show what changed."),
    init: bool = typer.Option(False, "--init", help="Write a first check file; the arguments are captures."),
    output: Path | None = typer.Option(None, "-o", "--output", help="With --init: the file (default: ctreplay.yaml)."),
    cache: Path | None = typer.Option(None, "--cache", metavar="DIR", help="Where replays are kept between runs."),
    no_cache: bool = typer.Option(False, "--no-cache", help="Replay everything, keep nothing."),
    schema: bool = typer.Option(False, "--schema", help="Print the JSON schema of check files."),
    quiet: bool = typer.Option(False, "-q", "--quiet", help="Only what is not ok, and the summary."),
) -> None:
    """Check assertions over captures: replay what is needed, one line an assertion, exit 1 when one fails."""
    from ctreplay.check.nodes import CheckFileError
    from ctreplay.check.run import NothingToCheck, find_files, load_files, plan

    if schema:
        sys.stdout.write((Path(__file__).parents[1] / "check" / "schema.json").read_text(encoding="utf-8"))
        return
    if output is not None and not init:
        fail("-o goes with --init")
    if cache is not None and no_cache:
        fail("--cache and --no-cache exclude each other")
    with contextlib.ExitStack() as stack:
        kept, keep = _cache(cache, no_cache, stack)
        if init:
            _init(files or [], output or Path("ctreplay.yaml"), kept)
            return
        try:
            paths, datasets = find_files(files or [])
            loaded = load_files(paths)
            planned = plan(loaded, datasets, kept.folder, keep, pattern)
        except (CheckFileError, NothingToCheck) as exc:
            if github and isinstance(exc, CheckFileError):
                from ctreplay.check.github import file_error

                print(file_error(exc))
            fail(str(exc))
        if not planned:
            fail(f"no assertion matches -k {pattern!r}; `ctreplay check --list` shows them")
        if listing:
            _list(planned, as_json)
            return
        code = _run(planned, jobs, fail_fast, quiet, as_json, junit, github, update, loaded)
        if keep:
            kept.prune()
    if code:
        raise Exit(code)


def _cache(folder: Path | None, none: bool, stack: contextlib.ExitStack) -> tuple[Cache, bool]:
    """The cache and whether it outlives this run."""
    from ctreplay.check.replays import Cache, default_cache, temporary_cache, unusable

    if none:
        return stack.enter_context(temporary_cache()), False
    kept = Cache((folder or default_cache()).absolute())
    why = unusable(kept.folder)
    if why and folder is not None:
        fail(f"--cache {folder}: {why}")
    return (stack.enter_context(temporary_cache()), False) if why else (kept, True)


def _list(planned: list[Job], as_json: bool) -> None:
    if as_json:
        rows = [
            {"file": job.file.shown, "line": one.line, "replay": job.label, "name": one.name}
            for job in planned
            for one in job.task.assertions
        ]
        print(json_text(rows))
        return
    for job in planned:
        for one in job.task.assertions:
            print(printable(f"{job.file.shown}:{one.line}: {job.label}: {one.name}"))


def _run(
    planned: list[Job],
    jobs: int | None,
    fail_fast: bool,
    quiet: bool,
    as_json: bool,
    junit: Path | None,
    github: bool,
    update: bool,
    loaded: list[CheckFile],
) -> int:
    from ctreplay.check import show
    from ctreplay.check.run import cores, run
    from ctreplay.check.work import ERROR, FAILED, PASSED

    began = time.perf_counter()
    reports: list[tuple[Job, Report]] = []
    log: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if github and not as_json:
        from ctreplay.check.github import shown_only

        log = shown_only()
    with log, contextlib.closing(run(planned, jobs or cores())) as running:
        for job, report in running:
            reports.append((job, report))
            if report.error and not as_json:
                print(f"{show.paint('ERROR', ERROR)} {printable(job.label)}: {printable(report.error)}")
            note_damage([f"{place}; the rest was checked" for place in report.damage])
            stop = bool(report.error)
            for number, outcome in enumerate(report.outcomes):
                stop = stop or outcome.status != PASSED
                if not as_json and not (update and outcome.status == FAILED and outcome.result is not None):
                    if outcome.status != PASSED or not quiet:
                        print(show.line(job, outcome))
                    for text in show.details(outcome):
                        print(text)
                if stop and fail_fast:
                    del report.outcomes[number + 1 :]
                    break
            sys.stdout.flush()
            if stop and fail_fast:
                break
    if update:
        _update(loaded, reports, as_json)
    seconds = time.perf_counter() - began
    statuses = [outcome.status for _, report in reports for outcome in report.outcomes]
    errors = statuses.count(ERROR) + sum(bool(report.error) for _, report in reports)
    if as_json:
        from ctreplay.check.machine import as_object

        print(json_text(as_object(reports, seconds)))
    else:
        print(show.summary(reports, seconds))
    if junit is not None:
        from ctreplay.check.machine import junit as junit_of

        try:
            junit.write_bytes(junit_of(reports, seconds))
        except OSError as exc:
            fail(f"--junit {junit}: {exc.strerror}")
    if github:
        from ctreplay.check.github import append_summary, workflow_commands

        for text in workflow_commands(reports):
            print(text, file=sys.stderr if as_json else sys.stdout)
        append_summary(reports)
    return EXIT_USAGE if errors else EXIT_FAILED if FAILED in statuses else 0


def _update(loaded: list[CheckFile], reports: list[tuple[Job, Report]], as_json: bool) -> None:
    from ctreplay.check.update import UpdateError, apply

    try:
        for path, lines in apply(loaded, reports):
            print(f"updated {printable(path)}", file=sys.stderr)
            for text in lines:
                print(printable(text), file=sys.stderr if as_json else sys.stdout)
    except UpdateError as exc:
        fail(str(exc))
    except OSError as exc:
        fail(f"--update: {exc.filename}: {exc.strerror}")


def _init(captures: list[str], target: Path, cache: Cache) -> None:
    from ctreplay.capture import CaptureError
    from ctreplay.check.init import write

    if not captures:
        fail("--init needs captures: `ctreplay check --init web.pcap dns.pcap`")
    if target.exists():
        fail(f"{target} exists already; -o names another file")
    try:
        count = write(captures, target, cache)
    except CaptureError as exc:
        fail(str(exc))
    except ValueError as exc:
        complain(str(exc))
        raise Exit(EXIT_USAGE) from None
    where = "" if target.name == "ctreplay.yaml" else f" {target}"
    note(f"{target} written: {count} assertions; read it, then run `ctreplay check{where}`")
