"""SHA-256 of the inputs beside the replay: in a process of its own for large files, in a thread for small ones.

A thread would ask for the interpreter lock after every piece, and the replay holds that lock for most of the time.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctreplay import digests

if TYPE_CHECKING:
    import subprocess

    from .inputs import InputFile


class Hasher:
    """Gives every input its digest, the first one first; with `ahead` false only when it is asked for."""

    def __init__(self, inputs: Sequence[InputFile], ahead: bool = True) -> None:
        self.inputs = [one for one in inputs if not one.is_pipe]
        self.stopped = not ahead
        begun = digests.begun([one.absolute_path for one in self.inputs] if ahead else [])
        self.process: subprocess.Popen[str] | digests.Digests | None = begun
        if not ahead:
            for one in self.inputs:
                one.work(lambda: True)
        elif self.inputs:
            if begun is None and sum(one.size for one in self.inputs) >= digests.LARGE:
                self.process = self._start()
            threading.Thread(target=self._work, name="ctreplay-sha256", daemon=True).start()

    def _start(self) -> subprocess.Popen[str] | None:
        import subprocess

        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", digests.__file__, *(one.absolute_path for one in self.inputs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        except OSError:
            # too many files for one command line, or no process to be had: the thread does it alone
            return None

    def _work(self) -> None:
        lines = self.process.stdout if self.process is not None else None
        for one in self.inputs:
            digest, _, what = lines.readline().strip().partition(" ") if lines is not None else ("", "", "")
            # of a file that grows it may have hashed more or less than is replayed
            if digest and what == f"{one.size} {one.identity}":
                one.settle(digest)
            else:
                one.work(lambda: self.stopped)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        """Give up what is not hashed yet; a digest that is asked for later is computed then."""
        self.stopped = True
        if self.process is not None:
            self.process.kill()
