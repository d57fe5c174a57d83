"""All captures as one: records of many files in exact global order (time, then file, then frame).

A heap holds the next record of every file; a file that has not begun is there with its first timestamp only,
and is opened when its turn comes. A single file in order passes through without any of this. Files that are
not in order are found while reading: `OutOfOrder` asks the caller to start again, and `restart` reads them
sorted (see reorder).
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from .errors import CaptureError, Damage, OutOfOrder, Repeated, Skipped
from .reader import Reader
from .record import Record, Source
from .scan import scan

if TYPE_CHECKING:
    from .facts import CaptureFacts
    from .hashing import Hasher
    from .inputs import CaptureFile, InputFile

LOOK = 1 << 22
LOOKS = 1 << 26
CHUNK = 1 << 18
CHUNK_MIN = 1 << 15
BUFFERS = 1 << 24
HELD_FILES = 256
# of the descriptors a process may have
_SHARE = 4
THREADED_FILES = 8
# a file that is in another order at every look is changed meanwhile
_RESTARTS = 4


class CaptureSet(Source):
    """Records of all captures in replay order; made by `open_captures`.

    `captures` facts per file and interface (`Record.capture` is the index) · `inputs` the files · `damage`
    what could not be read · `skipped` files of directories that are no captures · `repeated` names of files that
    another name brought already · `late` records delivered
    after younger ones: of a pipe, when they came later than its reorder window reaches, and of a file that is
    in another order whenever it is read.
    """

    __slots__ = (
        "active", "captures", "current", "damage", "delivered", "files", "hasher", "heap", "held_files", "inputs",
        "last_ts", "late", "ready", "repeated", "restarts", "size", "skipped", "sorting",
    )  # fmt: skip

    def __init__(
        self,
        files: list[CaptureFile],
        skipped: list[Skipped],
        repeated: list[Repeated],
        captures: list[CaptureFacts],
        hasher: Hasher | None,
    ) -> None:
        self.files = files
        self.inputs: list[InputFile] = [file.input for file in files]
        self.skipped = skipped
        self.repeated = repeated
        self.captures = captures
        self.hasher = hasher
        self.damage: list[Damage] = []
        self.heap: list[Reader] = []
        self.restarts = 0
        self.held_files = min(HELD_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _SHARE)
        self.sorting = any(file.is_pipe for file in files) and len(files) > 1
        # the reader of the record delivered last, whenever `size` is not 0
        self.current: Reader = None  # type: ignore[assignment]
        self.begin()

    def begin(self) -> None:
        """Put every file into the heap with its first record."""
        self.late = 0
        self.delivered = 0
        self.last_ts = -0x7FFF_FFFF_FFFF_FFFF
        self.active = 0
        self.heap = []
        self.ready = False
        self.damage.clear()
        for fact in self.captures:
            fact.reset()
        for file in self.files:
            pending = not file.is_pipe and self.look(file) and len(self.files) > 1
            file.consumed = 0
            if pending:
                reader = Reader(file, None, 1, self.damage)
                reader.ts = file.plan.min_ts  # type: ignore[union-attr]
            else:
                # alone, live, or without any record: it is read now, if only for its damage and statistics
                reader = self.open(file)
                if not reader.step():
                    reader.close()
                    self.active -= 1
                    continue
            self.heap.append(reader)
        self.size = len(self.heap)
        for i in range(self.size // 2 - 1, -1, -1):
            self.sift(i)
        if self.size:
            self.current = self.heap[0]
            self.ready = True

    def look(self, file: CaptureFile) -> bool:
        """Learn when the file begins and, from its first bytes or (sorting) all of it, its order; False
        without records.

        Most captures with records out of order show it early, and small files are seen whole: they need no
        restart.
        """
        if file.plan is None or (self.sorting and not file.plan.whole):
            file.plan = scan(file, 0 if self.sorting else min(LOOK, LOOKS // len(self.files)))
        return file.plan.packets > 0

    def open(self, file: CaptureFile) -> Reader:
        """A reader on the file, with buffers and threads according to how many are open."""
        chunk = max(CHUNK_MIN, min(CHUNK, BUFFERS // (self.active + 1)))
        threaded = self.active < THREADED_FILES
        hold = self.active < self.held_files
        self.active += 1
        return file.open(self.damage, chunk, threaded, hold)

    def before(self, a: Reader, b: Reader) -> bool:
        """Whether the record of `a` comes before that of `b`."""
        return a.ts < b.ts or (a.ts == b.ts and a.index < b.index)

    def sift(self, i: int) -> None:
        """Let the reader at heap position `i` sink to its place."""
        reader = self.heap[i]
        while True:
            child = 2 * i + 1
            if child >= self.size:
                break
            other = self.heap[child]
            if child + 1 < self.size and self.before(self.heap[child + 1], other):
                child += 1
                other = self.heap[child]
            if self.before(reader, other):
                break
            self.heap[i] = other
            i = child
        self.heap[i] = reader

    def drop(self) -> None:
        """The reader on top has ended."""
        self.active -= 1
        last = self.heap.pop()
        self.size = len(self.heap)
        if self.size:
            self.heap[0] = last
            self.sift(0)

    def settle(self) -> bool:
        """Have an opened reader with the next record on top; False when there is none."""
        while self.size:
            reader = self.heap[0]
            if reader.opened:
                self.current = reader
                return True
            try:
                opened = self.open(reader.file)
            except CaptureError as error:
                # it was readable when the replay began
                self.damage.append(Damage(error.path, 1, 0, error.message))
                self.drop()
                continue
            if not opened.step():
                self.drop()
                continue
            self.heap[0] = opened
            self.sift(0)
        return False

    def advance(self, rec: Record) -> bool:
        if self.size == 0:
            return False
        if self.ready:
            self.ready = False
        elif not self.current.step():
            self.drop()
        elif self.size > 1:
            self.sift(0)
        else:
            return self.deliver(rec)
        return self.settle() and self.deliver(rec)

    def another(self, rec: Record) -> bool:
        if self.size == 0 or self.ready or not self.current.another():
            return False
        if self.size > 1:
            self.sift(0)
            self.settle()
        return self.deliver(rec)

    def deliver(self, rec: Record) -> bool:
        """The record of the current reader is the next one of all."""
        reader = self.current
        if reader.ts < self.last_ts:
            if not reader.live and self.restarts < _RESTARTS:
                raise OutOfOrder(reader.file.path, reader.frame, self.last_ts - reader.ts)
            self.late += 1
        else:
            self.last_ts = reader.ts
        if rec.reader is not reader or rec.turn != reader.turn:
            rec.buf = reader.buf
            rec.reader = reader
            rec.turn = reader.turn
        fact = reader.fact
        self.delivered += 1
        rec.number = self.delivered
        rec.ts = reader.ts
        rec.frame = reader.frame
        rec.offset = reader.offset
        rec.start = reader.start
        rec.caplen = reader.caplen
        rec.wirelen = reader.wirelen
        rec.linktype = fact.linktype
        rec.capture = fact.index
        if fact.packets == 0:
            fact.min_ts = reader.ts
            fact.max_ts = reader.ts
        elif reader.ts > fact.max_ts:
            fact.max_ts = reader.ts
        elif reader.ts < fact.min_ts:
            fact.min_ts = reader.ts
        fact.packets += 1
        fact.captured_bytes += reader.caplen
        fact.wire_bytes += reader.wirelen
        if reader.caplen < reader.wirelen:
            fact.truncated += 1
        return True

    def restart(self) -> None:
        """Begin again after `OutOfOrder`, now sorting what is not in order."""
        self.close_readers()
        self.restarts += 1
        self.sorting = True
        for file in self.files:
            file.plan = None
        self.begin()

    def progress(self) -> tuple[int, int | None]:
        """Bytes read of all inputs (as they are on disk), and their sum (None with a pipe)."""
        done = 0
        for file in self.files:
            done += file.consumed
        for reader in self.heap:
            if reader.stream is not None:
                done += reader.stream.done - reader.file.consumed
        total = None if any(file.is_pipe for file in self.files) else sum(one.size for one in self.inputs)
        return done, total

    def close_readers(self) -> None:
        for reader in self.heap:
            reader.close()
        self.heap = []
        self.size = 0

    def close(self) -> None:
        """Give back descriptors, threads and buffers; the facts stay."""
        self.close_readers()
        if self.hasher is not None:
            self.hasher.stop()

    def __enter__(self) -> CaptureSet:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
