"""A compressed file unpacked by a process of its own, which shares no interpreter lock with the replay.

Unpacked bytes come through shared memory, in parts that are filled and emptied in turn; through a pipe they would be
copied twice by the kernel.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os

from ctreplay.child import serving

from .streams import PIECE_IN, Broken, cut_short, open_same, unpack

# all of it stays in the processor's cache
_PART = 1 << 19
_PARTS = 4


class UnpackingProcess:
    """A stream over the first `size` bytes of the file at `path` (None: all there are), while it has that `identity`.

    Raises OSError where it cannot be opened or no process can be started.
    """

    def __init__(self, path: str, kind: str, size: int | None = None, identity: str = "") -> None:
        # few captures are large and compressed
        import subprocess

        self.path = path
        self.closing = False
        self.problem: str | None = None
        self.total: int | None = None
        self.raw = open_same(path, identity)
        fds = [self.raw]
        try:
            memory = os.memfd_create("ctreplay-unpacked", os.MFD_CLOEXEC)
            fds.append(memory)
            os.ftruncate(memory, _PARTS * _PART)
            self.memory = memoryview(mmap.mmap(memory, _PARTS * _PART))
            emptied, self.emptied = os.pipe()
            fds += [emptied, self.emptied]
            self.process = subprocess.Popen(
                serving("ctreplay.capture.unpacking", (kind, memory, emptied, size)),
                stdin=self.raw,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[memory, emptied],
                # an interrupt is for the replay, which then ends this
                start_new_session=True,
            )
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        os.close(memory)
        os.close(emptied)
        assert self.process.stdout is not None
        self.filled = self.process.stdout.fileno()
        self.part = -1
        self.rest = self.memory[:0]

    @property
    def done(self) -> int:
        return self.total if self.total is not None else os.lseek(self.raw, 0, os.SEEK_CUR)

    def read_into(self, view: memoryview) -> int:
        if not len(self.rest) and not self._next():
            return 0
        count = min(len(view), len(self.rest))
        view[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count

    def _next(self) -> bool:
        """Give back the part that is read and wait for another; False at the end."""
        if self.total is not None:
            return False
        if self.part >= 0:
            # when it has nothing more to fill, or was killed, what it filled before is still there
            with contextlib.suppress(BrokenPipeError):
                os.write(self.emptied, b".")
        size = os.read(self.filled, 4)
        if len(size) < 4:
            self._end()
            return False
        self.part = (self.part + 1) % _PARTS
        self.rest = self.memory[self.part * _PART :][: int.from_bytes(size, "little")]
        return True

    def _end(self) -> None:
        if self.total is None:
            self.total = self.done
            _, said = self.process.communicate()
            code = self.process.returncode
            self.problem = said.decode("utf-8", "replace") or None
            os.close(self.raw)
            os.close(self.emptied)
            if code == errno.ENOMEM and not self.closing:
                raise MemoryError
            if code and not self.problem and not self.closing:
                # no damage of the capture, which is to be replayed again
                why = f"the process that decompresses it was killed (signal {-code})"
                raise OSError(errno.EIO, why if code < 0 else f"decompressing it ended with code {code}", self.path)

    def close(self) -> None:
        self.closing = True
        self.process.kill()
        self._end()


class _Filling:
    """The process' end: bytes go into one part after the other."""

    def __init__(self, memory: int, emptied: int) -> None:
        self.memory = memoryview(mmap.mmap(memory, _PARTS * _PART))
        self.emptied = emptied
        # filled and not yet given back
        self.lent = 0
        self.part = 0
        self.used = 0

    def put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            begin = self.part * _PART + self.used
            count = min(len(rest), _PART - self.used)
            self.memory[begin : begin + count] = rest[:count]
            self.used += count
            rest = rest[count:]
            if self.used == _PART:
                self.flush()

    def flush(self) -> None:
        """Hand over what is in the part, and have the next one."""
        if not self.used:
            return
        os.write(1, self.used.to_bytes(4, "little"))
        self.lent += 1
        self.part = (self.part + 1) % _PARTS
        self.used = 0
        if self.lent == _PARTS:
            given_back = len(os.read(self.emptied, _PARTS))
            if not given_back:
                raise BrokenPipeError
            self.lent -= given_back


def serve(argument: tuple[str, int, int, int | None]) -> None:
    """The process: its standard input unpacked, why that ended early to its standard error."""
    kind, memory, emptied, size = argument
    filling = _Filling(memory, emptied)
    done = 0

    def read() -> bytes:
        nonlocal done
        try:
            piece = os.read(0, PIECE_IN if size is None else min(PIECE_IN, size - done))
        except OSError as error:
            raise Broken(f"reading failed: {error.strerror}") from None
        done += len(piece)
        if not piece and size is not None and done < size:
            raise Broken(cut_short(done, size))
        return piece

    try:
        try:
            for piece in unpack(kind, read):
                filling.put(piece)
        finally:
            # what came before the damage too
            filling.flush()
    except Broken as error:
        os.write(2, str(error).encode())
    except BrokenPipeError:
        pass
    except MemoryError:
        os._exit(errno.ENOMEM)
    except Exception as error:
        os.write(2, f"decompression failed: {error}".encode())
    os._exit(0)
