"""The process that writes the tables of a large replay, and its end in the replay.

Rows lie in shared memory: each streamed table has a few batches there, which go back and forth between the two. Over
pipes go pickled messages: (what to do, arguments) one way, (kind, value) the other.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import mmap
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import ctreplay
from ctreplay import reasons
from ctreplay.dataset.columns import LAYOUTS, Columns, over, size

# one that is filled, one that waits, one that is written
_BATCHES = 3
_ANSWER, _FREE, _FAILED = "answer", "free", "failed"
_CALL = "call"
_PLACE = "place"
_PROGRAM = "import sys; sys.path[:] = {path!r}; from ctreplay.dataset.process import serve; serve({memory})"


class WriterProcess:
    """The end in the replay. Raises what writing raised, at a later call; OSError when the process is gone."""

    def __init__(self, folder: Path, metadata: dict[str, str]) -> None:
        memory = os.memfd_create("ctreplay-rows", os.MFD_CLOEXEC)
        try:
            # pages come with the first row that is written to them
            os.ftruncate(memory, _length())
            self.places = _places(memory)
            self.free = {table: list(range(_BATCHES)) for table in LAYOUTS}
            path = [str(Path(ctreplay.__file__).parent.parent), *sys.path]
            self.process = subprocess.Popen(
                [sys.executable, "-S", "-c", _PROGRAM.format(path=path, memory=memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[memory],
                # an interrupt is for the replay, which then ends this
                start_new_session=True,
            )
        finally:
            os.close(memory)
        self.known = len(reasons.TABLE)
        self._send("open", str(folder), metadata)

    def _send(self, *message: Any) -> None:
        assert self.process.stdin is not None
        try:
            pickle.dump(message, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
        except BrokenPipeError:
            # it said why before it went, or it was killed
            while True:
                self._receive()

    def _receive(self) -> tuple[str, Any]:
        """The next message; notes batches that come back."""
        assert self.process.stdout is not None
        try:
            kind, value = pickle.load(self.process.stdout)
        except (EOFError, pickle.UnpicklingError):
            code = self.process.wait()
            raise OSError(f"the process that writes the dataset has ended (exit code {code})") from None
        if kind == _FAILED:
            raise value
        if kind == _FREE:
            self.free[value[0]].append(value[1])
        return kind, value

    def _answer(self) -> Any:
        while True:
            kind, value = self._receive()
            if kind == _ANSWER:
                return value

    def fresh(self, table: str) -> Columns:
        """Columns of a batch that nobody uses; waits for one."""
        while not self.free[table]:
            self._receive()
        return dict(self.places[table, self.free[table].pop()])

    def write(self, table: str, columns: Columns, n: int) -> None:
        """Hand over a batch."""
        if table in LAYOUTS:
            # reasons named after protocols that this replay met first
            named, self.known = reasons.NAMES[self.known :], len(reasons.NAMES)
            self._send("batch", columns[_PLACE], columns.get("extra"), n, named)
        else:
            self._send("write", table, columns, n)

    def close(self, metadata: dict[str, str], meanwhile: Callable[[], object] | None = None) -> None:
        """Wait until everything is written."""
        self._send("close", metadata)
        if meanwhile is not None:
            meanwhile()
        self._answer()

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write a table that is known as a whole."""
        self._send("small", table, rows)
        self._answer()

    def call(self, module: str, name: str, *arguments: Any) -> Any:
        """What the function `name` of `module` returns, called there, where pyarrow is loaded already."""
        self._send(_CALL, module, name, *arguments)
        return self._answer()

    def end(self) -> None:
        """Nothing follows."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def abort(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


def _length() -> int:
    return _BATCHES * sum(size(table) for table in LAYOUTS)


def _places(memory: int) -> dict[tuple[str, int], Columns]:
    """All batches in the shared memory by table and number."""
    view = memoryview(mmap.mmap(memory, _length()))
    at = 0
    found = {}
    for table in LAYOUTS:
        for number in range(_BATCHES):
            columns = over(table, view[at : at + size(table)])
            columns[_PLACE] = (table, number)
            found[table, number] = columns
            at += size(table)
    return found


def serve(memory: int) -> NoReturn:
    """The process: works on messages until there are none, and removes what was not renamed by then."""
    gc.disable()
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # whatever a library prints must not come between the answers
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def answer(kind: str, value: Any) -> None:
        pickle.dump((kind, value), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    folder = ""
    with contextlib.suppress(EOFError, BrokenPipeError):
        _, folder, metadata = pickle.load(requests)
        try:
            from ctreplay.dataset.tables import ParquetTables

            places = _places(memory)
            tables = ParquetTables(Path(folder), metadata)
            while True:
                what, *arguments = pickle.load(requests)
                if what == "batch":
                    place, extra, n, named = arguments
                    for name in named:
                        reasons.code(name)
                    tables.write(place[0], places[place] | {"extra": extra}, n)
                    answer(_FREE, place)
                elif what == "write":
                    tables.write(*arguments)
                elif what == _CALL:
                    module, name, *rest = arguments
                    answer(_ANSWER, getattr(importlib.import_module(module), name)(*rest))
                else:
                    answer(_ANSWER, getattr(tables, what)(*arguments))
        except (EOFError, BrokenPipeError):
            raise
        except Exception as exc:
            try:
                answer(_FAILED, exc)
            except (TypeError, pickle.PicklingError):
                answer(_FAILED, OSError(f"{type(exc).__name__}: {exc}"))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
