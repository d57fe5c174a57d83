"""The two sides of a difference: datasets as they are, captures replayed into a temporary folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctreplay import ending
from ctreplay.check.model import Options


class SideError(Exception):
    """A side that is neither a dataset nor captures; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Side:
    """A dataset with its run.json; `name` is what the user called it."""

    name: str
    dataset: Path
    run: dict[str, Any]
    temporary: bool
    options: Options

    def same_as(self, other: Side) -> bool:
        """Whether there is nothing to compare: one dataset, or the same captures replayed alike."""
        alike = not self.temporary or self.options == other.options
        return (
            self.temporary == other.temporary and alike and os.path.realpath(self.name) == os.path.realpath(other.name)
        )


@contextlib.contextmanager
def sides(base: str, new: str, base_options: Options, new_options: Options) -> Iterator[tuple[Side, Side]]:
    """Both sides; what has to be replayed is replayed at the same time. Raises SideError."""
    from ctreplay.sql import DatasetError, in_text, read_run

    given = ((base, base_options, "base"), (new, new_options, "new"))
    with tempfile.TemporaryDirectory(prefix="ctreplay-diff-") as working:
        todo = [
            (name, options, Path(working) / side)
            for name, options, side in given
            if not _is_dataset(name, options, side)
        ]
        _replay(todo)
        try:
            found = []
            for name, options, side in given:
                made = Path(working) / side
                dataset = made if made.is_dir() else Path(name)
                found.append(Side(name, dataset, read_run(dataset), made.is_dir(), options))
                in_text(dataset)
        except DatasetError as exc:
            raise SideError(str(exc)) from None
        yield found[0], found[1]


def _is_dataset(name: str, options: Options, side: str) -> bool:
    path = Path(name)
    dataset = (path.is_dir() and (path / "run.json").exists()) or name.rstrip("/").endswith(".ctreplay")
    if dataset and (options.sysctls or options.helpers):
        raise SideError(f"{name} is a dataset, replayed already: --{side}-sysctl and --{side}-helper need a capture")
    return dataset


def replay_side(name: str, options: Options, target: Path) -> str:
    """Replay one side; an error as text, or nothing."""
    from ctreplay.capture import CaptureError
    from ctreplay.replaying import replay_to

    try:
        replay_to([name], target, sysctls=dict(options.sysctls), packets=options.packets, helpers=options.helpers)
    except (CaptureError, ValueError) as exc:
        return str(exc)
    except OSError as exc:
        return f"{exc.filename or name}: {exc.strerror or exc}"
    return ""


def _replay(todo: Sequence[tuple[str, Options, Path]]) -> None:
    from ctreplay.check.run import cores

    names = [name for name, _, _ in todo]
    if names.count("-") > 1:
        raise SideError("-: the standard input can be read only once")
    # which a process of its own does not have
    if len(todo) < 2 or cores() < 2 or "-" in names or sum(map(_size, names)) < 20_000_000:
        errors = [replay_side(*one) for one in todo]
    else:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(
            2,
            mp_context=multiprocessing.get_context("fork"),
            initializer=ending.as_worker,
            initargs=(os.getpid(),),
        ) as pool:
            try:
                errors = list(pool.map(replay_side, *zip(*todo, strict=True)))
            except (KeyboardInterrupt, SystemExit):
                ending.end_workers()
                raise
    for error in errors:
        if error:
            raise SideError(error)


def _size(name: str) -> int:
    try:
        return os.stat(name).st_size if os.path.isfile(name) else 1 << 40
    except OSError:
        return 0
