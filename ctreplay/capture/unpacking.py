"""A compressed file unpacked by a process of its own, which shares no interpreter lock with the replay."""

from __future__ import annotations

import os
import subprocess

from ctreplay.child import serving

from .streams import PIECE_IN, Broken, unpack

_ROOM = 1 << 20


class UnpackingProcess:
    """A stream over the file at `path`; raises OSError where it cannot be opened or no process can be started."""

    def __init__(self, path: str, kind: str) -> None:
        self.problem: str | None = None
        self.total: int | None = None
        self.raw = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.process = subprocess.Popen(
                serving("ctreplay.capture.unpacking", kind),
                stdin=self.raw,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # an interrupt is for the replay, which then ends this
                start_new_session=True,
                pipesize=_ROOM,
            )
        except BaseException:
            os.close(self.raw)
            raise
        assert self.process.stdout is not None
        self.out = self.process.stdout.fileno()

    @property
    def done(self) -> int:
        return self.total if self.total is not None else os.lseek(self.raw, 0, os.SEEK_CUR)

    def read_into(self, view: memoryview) -> int:
        count = os.readv(self.out, [view]) if self.total is None else 0
        if count == 0:
            self._end()
        return count

    def _end(self) -> None:
        if self.total is None:
            self.total = self.done
            _, said = self.process.communicate()
            code = self.process.returncode
            self.problem = said.decode("utf-8", "replace") or (
                f"the process that decompresses has ended (exit code {code})" if code else None
            )
            os.close(self.raw)

    def close(self) -> None:
        self.process.kill()
        self._end()


def serve(kind: str) -> None:
    """The process: its standard input unpacked to its standard output, why that ended early to its standard error."""

    def read() -> bytes:
        try:
            return os.read(0, PIECE_IN)
        except OSError as error:
            raise Broken(f"reading failed: {error.strerror}") from None

    try:
        for piece in unpack(kind, read):
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(1, rest) :]
    except Broken as error:
        os.write(2, str(error).encode())
    except BrokenPipeError:
        pass
    except Exception as error:
        os.write(2, f"decompression failed: {error}".encode())
    os._exit(0)
