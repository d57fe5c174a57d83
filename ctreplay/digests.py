"""SHA-256 of large files in a process of its own: the longest single piece of work in the replay of a large capture.

It imports next to nothing, and `begin` starts it before the program imports anything else; where nobody did, it runs as
a script. The process maps the files, which spares it the copy; should one shrink meanwhile, it dies of that (SIGBUS),
and whoever waits for its lines reads the file instead.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

# bytes of files from which on a process is worth its start
LARGE = 1 << 26
_PIECE = 1 << 22


class Digests:
    """A process that hashes `paths`: `stdout` has a line for each, an empty one for what cannot be read: the digest,
    how many bytes it is of, and of which file (`identify`).

    Raises OSError when there is none to be had.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = list(paths)
        parent = os.getpid()
        lines, out = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(lines)
            os.close(out)
            raise
        if self.pid == 0:
            _serve(self.paths, out, parent)
        os.close(out)
        # not before: the process is to be under way
        from threading import Lock

        self.stdout = open(lines, encoding="ascii")  # noqa: SIM115 - until `wait`
        self.ended = False
        # held by who could let another process have the number
        self.lock = Lock()

    def kill(self) -> None:
        """End it; `wait` follows, or goes on in another thread."""
        import signal

        with self.lock:
            if not self.ended:
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Until it has ended."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self.lock:
            self.ended = True
            os.waitpid(self.pid, 0)
        self.stdout.close()


# what `begin` has started and nobody has asked for
_begun: list[Digests] = []


def begin(words: Sequence[str]) -> None:
    """Start with the files of this command line, if it replays large ones.

    For a process that has no threads yet, and asks for the same files with `begun`.
    """
    words = words[1:] if words[:1] == ["replay"] else words
    if len(os.sched_getaffinity(0)) < 2 or _jobs(words) == "1":
        return
    sizes = {word: _size(word) for word in words if not word.startswith("-")}
    # the first word is an option, a file or another command
    if sum(sizes.values()) >= LARGE and sizes.get(words[0], 1):
        try:
            _begun.append(Digests([os.path.abspath(word) for word, size in sizes.items() if size]))
        except OSError:
            # it will be tried again, and done without
            return


def begun(paths: Sequence[str]) -> Digests | None:
    """The process that `begin` has started, if these are its files; else that is ended."""
    while _begun:
        found = _begun.pop()
        if found.paths == list(paths):
            return found
        found.kill()
        found.wait()
    return None


def _jobs(words: Sequence[str]) -> str:
    """The value of --jobs."""
    found = ""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word in ("-j", "--jobs"):
            found = following
        elif word.startswith(("-j", "--jobs=")):
            found = word.removeprefix("--jobs=").removeprefix("-j")
    return found


def identify(about: os.stat_result) -> str:
    """What tells a file from another one that takes its name."""
    return f"{about.st_dev}:{about.st_ino}"


def _size(path: str) -> int:
    """Bytes of a regular file, 0 for what is none."""
    try:
        about = os.stat(path)
    except (OSError, ValueError):
        return 0
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


def _serve(paths: Sequence[str], out: int, parent: int) -> NoReturn:
    """The forked process."""
    try:
        # an interrupt is for the replay, which then ends this
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number, fd in enumerate((nowhere, out, nowhere)):
            os.dup2(fd, number)
        os.close(out)
        _work(paths, parent)
    finally:
        os._exit(1)


def _work(paths: Sequence[str], parent: int) -> NoReturn:
    """Print a line for each; ends early when the parent has gone."""
    import hashlib
    import mmap

    how = {"prot": mmap.PROT_READ, "flags": mmap.MAP_SHARED | mmap.MAP_POPULATE}
    for path in paths:
        digest = hashlib.sha256()
        try:
            with open(path, "rb", buffering=0) as file:
                about = os.fstat(file.fileno())
                size = about.st_size
                for begin in range(0, size, _PIECE):
                    if os.getppid() != parent:
                        os._exit(1)
                    with mmap.mmap(file.fileno(), min(_PIECE, size - begin), offset=begin, **how) as piece:
                        digest.update(piece)
            line = f"{digest.hexdigest()} {size} {identify(about)}"
        except (OSError, ValueError):
            line = ""
        os.write(1, f"{line}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _work(sys.argv[1:], os.getppid())
