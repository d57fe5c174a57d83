"""SHA-256 of the inputs beside the replay: in a process of its own for large files, in a thread for small ones.

A thread would ask for the interpreter lock after every piece, and the replay holds that lock for most of the time. The
process hashes the bytes that the replay reads where they are shared (see sharing). Other files it maps, which spares it
the copy; should a file shrink meanwhile, the process dies of it (SIGBUS) and the thread reads what is there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .sharing import Sharing

if TYPE_CHECKING:
    from .inputs import InputFile

LARGE = 1 << 26

# argv: shared memory or -1, where to answer, files; a line with the digest (or nothing when unreadable) for each; ends
# early when the parent has gone. With shared memory its pieces, as lines of two positions on the standard input, are
# where the first file begins.
_PROGRAM = """
import hashlib, mmap, os, sys
parent = os.getppid()
memory, answers = int(sys.argv[1]), int(sys.argv[2])
done = 0
for path in sys.argv[3:]:
    digest = hashlib.sha256()
    if memory >= 0:
        with memoryview(mmap.mmap(memory, 0, prot=mmap.PROT_READ)) as ring:
            for line in sys.stdin:
                begin, end = map(int, line.split())
                digest.update(ring[begin:end])
                done += end - begin
                os.write(answers, b".")
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            while done < size:
                if os.getppid() != parent:
                    os._exit(1)
                start = done & ~0xFFFF
                with mmap.mmap(file.fileno(), min(1 << 22, size - start), prot=mmap.PROT_READ, offset=start) as piece:
                    with memoryview(piece) as view, view[done - start :] as rest:
                        digest.update(rest)
                        done += len(rest)
        line = digest.hexdigest()
    except (OSError, ValueError):
        line = ""
    print(line, flush=True)
    memory, done = -1, 0
"""


class Hasher:
    """Gives every input its digest, the first one first; with `ahead` false only when it is asked for.

    `sharing` is what the reader of the only input uses, None where it does not pay.
    """

    def __init__(self, inputs: Sequence[InputFile], ahead: bool = True) -> None:
        self.inputs = [one for one in inputs if not one.is_pipe]
        self.stopped = not ahead
        self.process: subprocess.Popen[str] | None = None
        self.sharing: Sharing | None = None
        if not ahead:
            for one in self.inputs:
                one.work(lambda: True)
        elif self.inputs:
            if sum(one.size for one in self.inputs) >= LARGE:
                self.process = self._start()
            threading.Thread(target=self._work, name="ctreplay-sha256", daemon=True).start()

    def _start(self) -> subprocess.Popen[str] | None:
        paths = [one.absolute_path for one in self.inputs]
        sharing = Sharing() if len(paths) == 1 and not self.inputs[0].compression else None
        requests, mine = os.pipe()
        yours, answers = os.pipe()
        memory = sharing.fd if sharing else -1
        process = None
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(memory), str(answers), *paths],
                stdin=requests,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                pass_fds=[answers, memory] if sharing else [answers],
                start_new_session=True,
            )
        except OSError:
            # too many files for one command line, or no process to be had: the thread does it alone
            sharing = None
        finally:
            for one in (requests, answers, memory):
                if one >= 0:
                    os.close(one)
        if sharing:
            sharing.connect(mine, yours)
            self.sharing = sharing
        else:
            os.close(mine)
            os.close(yours)
        return process

    def _work(self) -> None:
        lines = self.process.stdout if self.process is not None else None
        for one in self.inputs:
            digest = lines.readline().strip() if lines is not None else ""
            if digest:
                one.settle(digest)
            else:
                one.work(lambda: self.stopped)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        """Give up what is not hashed yet; a digest that is asked for later is computed then."""
        self.stopped = True
        if self.sharing is not None:
            self.sharing.part()
        if self.process is not None:
            self.process.kill()
