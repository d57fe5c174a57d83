"""Bytes read once: a reader's window in memory shared with the process that hashes the file.

Reading a file a second time would cost a fifth of hashing it, in copies or page faults.
"""

from __future__ import annotations

import mmap
import os
from collections import deque

from .streams import FileStream

# stays in the processor's cache
_LENGTH = 1 << 22
_PIECE = 1 << 19


class Sharing:
    """The reader's end. `memory` is a ring of 4 MiB; what is not handed over, the process reads by itself.

    `fd` is that memory for the process, closed by whoever starts it.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("ctreplay-window", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, _LENGTH)
        self.memory = memoryview(mmap.mmap(self.fd, _LENGTH))
        # pieces that the process has not answered for yet
        self.lent: deque[tuple[int, int]] = deque()
        self.begin = 0
        self.end = 0
        self.requests = -1
        self.answers = -1

    def connect(self, requests: int, answers: int) -> None:
        """Two pipes: pieces that can be hashed go out, a byte for each that was hashed comes back."""
        self.requests = requests
        self.answers = answers

    @property
    def wanted(self) -> bool:
        """Whether the process still waits for bytes."""
        return self.requests >= 0

    def hand(self, begin: int, end: int) -> None:
        """These bytes of the memory follow in the file; they are passed on half a mebibyte at a time."""
        if begin != self.end:
            self.flush()
            self.begin = begin
        self.end = end
        if end - self.begin >= _PIECE:
            self.flush()

    def flush(self) -> None:
        if self.wanted and self.end > self.begin:
            self.lent.append((self.begin, self.end))
            try:
                os.write(self.requests, b"%d %d\n" % (self.begin, self.end))
            except OSError:
                self.part()
        self.begin = self.end

    def settle(self, begin: int, end: int) -> None:
        """Wait until these bytes may be written over, if so until half of what is lent has come back: seldom and long
        costs less than often and shortly.
        """
        if not any(first < end and begin < last for first, last in self.lent):
            return
        left = len(self.lent) // 2
        while len(self.lent) > left or any(first < end and begin < last for first, last in self.lent):
            done = len(os.read(self.answers, len(self.lent)))
            if not done:
                # the process is gone; whoever waits for its digest finds out
                self.part()
            for _ in range(done):
                self.lent.popleft()

    def leave(self) -> None:
        """Hand over what is there and nothing more."""
        self.flush()
        if self.wanted:
            os.close(self.requests)
            self.requests = -1

    def part(self) -> None:
        """The process has ended, or will be."""
        self.lent.clear()
        for fd in (self.requests, self.answers):
            if fd >= 0:
                os.close(fd)
        self.requests = self.answers = -1


class SharedStream(FileStream):
    """A regular file that is read into shared memory, as long as it is read by `read_at`."""

    def __init__(self, path: str, sharing: Sharing) -> None:
        super().__init__(path)
        self.sharing = sharing

    def read_at(self, begin: int, end: int) -> int:
        """Read to these positions of the memory; the number of bytes."""
        self.sharing.settle(begin, end)
        count = super().read_into(self.sharing.memory[begin:end])
        self.sharing.hand(begin, begin + count)
        return count

    def read_into(self, view: memoryview) -> int:
        self.sharing.leave()
        return super().read_into(view)

    def close(self) -> None:
        self.sharing.leave()
        super().close()
