"""Which replays the check files need, done in parallel, their outcomes in the order of the files."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from ctreplay import ending
from ctreplay.check.load import is_check_file, load
from ctreplay.check.model import CheckFile, Group
from ctreplay.check.nodes import CheckFileError
from ctreplay.check.work import Report, Task, work
from ctreplay.sql import is_dataset


@dataclass(frozen=True, slots=True)
class Job:
    """A task and where it comes from; `label` names the replay in the output."""

    file: CheckFile
    group: Group
    label: str
    task: Task


class NothingToCheck(Exception):
    """No check file, or none of the given names is one."""


def find_files(arguments: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Check files, and datasets to check instead of the captures. Folders are searched, hidden ones not.

    Raises NothingToCheck.
    """
    files: list[Path] = []
    datasets: list[Path] = []
    for argument in arguments or ["."]:
        path = Path(argument)
        if path.is_dir():
            if is_dataset(path):
                datasets.append(path)
                continue
            found = sorted(
                one for one in path.rglob("*") if is_check_file(one) and one.is_file() and _visible(one, path)
            )
            if not found:
                where = "this folder" if argument == "." else argument
                raise NothingToCheck(
                    f"no check file in {where} or below (ctreplay.yaml or *.ctreplay.yaml); "
                    "`ctreplay check --init CAPTURE...` writes a first one"
                )
            files += found
        elif path.is_file():
            if path.suffix.lower() not in (".yaml", ".yml"):
                raise NothingToCheck(
                    f"{argument}: a check file is YAML (.yaml); for a capture, `ctreplay check --init {argument}` "
                    "writes a check file"
                )
            files.append(path)
        else:
            raise NothingToCheck(f"{argument}: no such file or folder")
    if datasets and not files:
        raise NothingToCheck("a dataset was given, but no check file; name one: `ctreplay check DATASET FILE.yaml`")
    unique: dict[Path, Path] = {}
    for one in files:
        unique.setdefault(one.resolve(), one)
    return list(unique.values()), datasets


def _visible(path: Path, base: Path) -> bool:
    return not any(part.startswith(".") or part.endswith(".ctreplay") for part in path.relative_to(base).parts[:-1])


def plan(files: Sequence[CheckFile], datasets: Sequence[Path], cache: Path, keep: bool, pattern: str = "") -> list[Job]:
    """The jobs, in the order of the files. Raises CheckFileError where a glob finds nothing."""
    jobs = []
    for file in files:
        folder = file.path.parent
        for group in file.groups:
            for label, captures, dataset in _sources(file, group, folder, datasets):
                chosen = tuple(one for one in group.assertions if _matches(pattern, f"{label}: {one.name}"))
                if chosen:
                    task = Task(captures, folder, group.options, chosen, cache, keep, dataset)
                    jobs.append(Job(file, group, label, task))
    return jobs


def _sources(
    file: CheckFile, group: Group, folder: Path, datasets: Sequence[Path]
) -> Iterator[tuple[str, tuple[str, ...], Path | None]]:
    if datasets:
        for dataset in datasets:
            yield os.fspath(dataset), (), dataset
        return
    if not group.patterns:
        raise CheckFileError(
            file.shown,
            group.line,
            "`captures:` is missing: a file or a glob, relative to this file (or name a dataset)",
        )
    found: dict[str, None] = {}
    for pattern, line in group.patterns:
        matches = captures(pattern, folder)
        if not matches:
            raise CheckFileError(file.shown, line, f"captures: no file matches {pattern!r} in {folder.resolve()}")
        found.update(dict.fromkeys(matches))
    if group.merge:
        yield group.name or " + ".join(text for text, _ in group.patterns), tuple(found), None
    else:
        for one in found:
            yield f"{group.name} {one}".strip(), (one,), None


def captures(pattern: str, folder: Path) -> list[str]:
    """Files that a pattern of `captures:` names, sorted, relative to the folder of the check file."""
    if (folder / pattern).is_file():
        return [pattern]
    found = sorted(glob.glob(pattern, root_dir=folder, recursive=True))
    return [one for one in found if (folder / one).is_file()]


def _matches(pattern: str, text: str) -> bool:
    wanted, text = pattern.casefold(), text.casefold()
    return not wanted or wanted in text or fnmatch.fnmatchcase(text, wanted)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(jobs: Sequence[Job], workers: int) -> Generator[tuple[Job, Report], None, None]:
    """Reports in the order of the jobs. Closing the iterator drops what has not begun."""
    workers = min(workers, len(jobs))
    if workers <= 1:
        for job in jobs:
            yield job, work(job.task)
        return
    import multiprocessing

    # imported once, before the workers are forked
    import duckdb  # noqa: F401

    import ctreplay.replaying
    import ctreplay.sql  # noqa: F401

    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("fork"),
        initializer=ending.as_worker,
        initargs=(os.getpid(),),
    )
    try:
        futures: list[Future[Report]] = [pool.submit(work, job.task) for job in jobs]
        for job, future in zip(jobs, futures, strict=True):
            try:
                yield job, future.result()
            except BrokenProcessPool:
                yield job, Report(error="the worker process died (out of memory?); try `--jobs 1`")
    except (KeyboardInterrupt, SystemExit):
        ending.end_workers()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def load_files(paths: Sequence[Path]) -> list[CheckFile]:
    """Raises CheckFileError."""
    return [load(path) for path in paths]
