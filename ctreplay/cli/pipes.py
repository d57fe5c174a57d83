"""Captures from pipes, for commands that read their captures more than once."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ctreplay.cli.common import fail
from ctreplay.cli.live import standard_input


@contextlib.contextmanager
def kept(paths: Sequence[str]) -> Iterator[list[str]]:
    """The captures, with a file in place of `-` and of each named pipe. Ends the command when one cannot be kept."""
    if paths.count("-") > 1:
        fail("-: the standard input can be read only once")
    for path in paths:
        if paths.count(path) > 1 and _is_pipe(path):
            fail(f"{path}: a pipe can be read only once")
    with contextlib.ExitStack() as stack:
        yield [_file(path, stack) if path == "-" or _is_pipe(path) else path for path in paths]


def _is_pipe(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _file(path: str, stack: contextlib.ExitStack) -> str:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ctreplay-"))
    target = Path(folder) / ("stdin" if path == "-" else Path(path).name)
    try:
        with contextlib.ExitStack() as opened, target.open("wb") as out:
            source = standard_input() if path == "-" else opened.enter_context(open(path, "rb"))
            shutil.copyfileobj(source, out)
    except OSError as exc:
        fail(f"{path}: cannot be kept in {folder}: {exc.strerror}")
    return str(target)
