"""Readers that put records right: disordered files after a scan, pipes within a window.

A `Batch` holds records (their bytes copied to one arena, or left where they are in a mapped file) and gives
them back by time, equal times in file order.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .errors import CaptureError, Damage
from .reader import Reader
from .sorting import order_of

if TYPE_CHECKING:
    from .inputs import CaptureFile
    from .scan import Plan

_ARENA = 67108864
_SPAN = 1073741824
_WINDOW = 8192
_WINDOW_BYTES = 33554432


class Batch:
    """Up to `room` records. With `size` > 0 their bytes are copied to an arena of that size, else only their
    place is kept.
    """

    __slots__ = (
        "arena", "caplens", "copying", "count", "facts", "first_frame", "frames", "high", "offsets", "order",
        "sorted", "starts", "times", "times_store", "used", "view", "wirelens",
    )  # fmt: skip

    def __init__(self, room: int, size: int) -> None:
        self.count = 0
        self.used = 0
        self.high = 0
        self.sorted = True
        self.copying = size > 0
        self.first_frame = 0
        self.times_store = array("q", [0]) * room
        self.times = self.times_store
        self.starts = array("q", [0]) * room
        self.caplens = array("i", [0]) * room
        self.wirelens = array("I", [0]) * room
        self.facts = array("H", [0]) * room
        # in place: the start is the file offset, and frames follow each other
        self.frames = array("q", [0]) * room if self.copying else array("q")
        self.offsets = array("q", [0]) * room if self.copying else self.starts
        self.arena = bytearray(size if self.copying else 1)
        self.view = memoryview(self.arena)
        self.order: Sequence[int] = array("q")

    def add(self, reader: Reader) -> None:
        """Append the current record of `reader`."""
        i = self.count
        ts = reader.ts
        if i == 0:
            self.high = ts
            self.first_frame = reader.frame
        elif ts < self.high:
            self.sorted = False
        else:
            self.high = ts
        self.times[i] = ts
        self.caplens[i] = reader.caplen
        self.wirelens[i] = reader.wirelen
        self.facts[i] = reader.fact.index
        self.offsets[i] = reader.offset
        if self.copying:
            self.put(i, reader.view, reader.start, reader.caplen)
            self.frames[i] = reader.frame
        self.count = i + 1

    def put(self, i: int, view: memoryview, start: int, caplen: int) -> None:
        """Copy the bytes of record `i` to the arena, which grows when needed."""
        end = self.used + caplen
        if end > len(self.arena):
            arena = bytearray(max(end, 2 * len(self.arena)))
            arena[: self.used] = self.view[: self.used]
            self.arena = arena
            self.view = memoryview(arena)
        self.view[self.used : end] = view[start : start + caplen]
        self.starts[i] = self.used
        self.used = end

    def carry(self, other: Batch, position: int) -> None:
        """Append the record at sorted position `position` of another arena batch."""
        i = self.count
        j = other.order[position]
        ts = other.times[j]
        if i > 0 and ts < self.high:
            self.sorted = False
        else:
            self.high = ts
        self.times[i] = ts
        self.caplens[i] = other.caplens[j]
        self.wirelens[i] = other.wirelens[j]
        self.facts[i] = other.facts[j]
        self.offsets[i] = other.offsets[j]
        self.frames[i] = other.frames[j]
        self.put(i, other.view, other.starts[j], other.caplens[j])
        self.count = i + 1

    def arrange(self) -> None:
        """Work out the order of delivery."""
        if self.sorted:
            self.order = array("q", range(self.count))
        else:
            self.order = order_of(self.times_store, self.count)


class SortedReader(Reader):
    """A disordered file in order, segment by segment as its plan says; ordered segments pass through."""

    __slots__ = ("at", "batch", "facts", "inner", "inner_turn", "left", "mapped", "plan", "segment", "window")

    def __init__(
        self, file: CaptureFile, inner: Reader, plan: Plan, mapped: memoryview | None, damage: list[Damage]
    ) -> None:
        super().__init__(file, inner.stream, 1, damage)
        self.inner = inner
        self.inner_turn = 0
        self.facts = file.captures
        self.plan = plan
        self.mapped = mapped
        self.segment = 0
        self.left = 0
        self.batch: Batch | None = None
        self.at = 0
        self.window = -1

    def step(self) -> bool:
        while not self.another():
            if self.left > 0:
                self.left -= 1
                return self.through()
            self.batch = None
            if self.segment >= len(self.plan.segments):
                # records that came to the file after the scan
                return self.through()
            self.next_segment()
        return True

    def another(self) -> bool:
        if self.left > 0:
            if not self.inner.another():
                return False
            self.left -= 1
            self.pass_on()
            return True
        if self.batch is None or self.at >= self.batch.count:
            return False
        self.take(self.batch)
        return True

    def through(self) -> bool:
        """Go to the next record of the file and hand it on."""
        if not self.inner.step():
            self.close()
            return False
        self.pass_on()
        return True

    def pass_on(self) -> None:
        """Hand on a record as it is in the file."""
        inner = self.inner
        if inner.turn != self.inner_turn or self.window != -2:
            self.buf = inner.buf
            self.turn += 1
            self.inner_turn = inner.turn
            self.window = -2
        self.ts = inner.ts
        self.frame = inner.frame
        self.offset = inner.offset
        self.start = inner.start
        self.caplen = inner.caplen
        self.wirelen = inner.wirelen
        self.fact = inner.fact

    def next_segment(self) -> None:
        """Begin with the next segment: let it through, or collect and sort it."""
        count, size, steady = self.plan.segments[self.segment]
        self.segment += 1
        if steady:
            self.left = count
            return
        in_place = self.mapped is not None and size > _ARENA
        batch = Batch(count, 0 if in_place else max(size, 1))
        for _ in range(count):
            if not self.inner.step():
                break
            batch.add(self.inner)
        batch.arrange()
        self.batch = batch
        self.at = 0
        self.window = -1

    def take(self, batch: Batch) -> None:
        """The next record of the batch becomes the current one."""
        i = batch.order[self.at]
        self.at += 1
        start = batch.starts[i]
        if batch.copying:
            if self.window != -3:
                self.buf = batch.arena
                self.turn += 1
                self.window = -3
            self.frame = batch.frames[i]
        else:
            self.frame = batch.first_frame + i
            self.look_at(start)
            start -= self.window * _SPAN
        self.start = start
        self.ts = batch.times[i]
        self.offset = batch.offsets[i]
        self.caplen = batch.caplens[i]
        self.wirelen = batch.wirelens[i]
        self.fact = self.facts[batch.facts[i]]

    def look_at(self, offset: int) -> None:
        """Have the part of the mapped file with this offset as the buffer (parts overlap by more than a
        frame).
        """
        number = offset // _SPAN
        if number != self.window:
            assert self.mapped is not None
            self.buf = self.mapped[number * _SPAN : (number + 1) * _SPAN + _SPAN // 2]
            self.turn += 1
            self.window = number

    def close(self) -> None:
        self.inner.close()
        self.stream = None
        self.batch = None
        self.left = 0
        self.segment = len(self.plan.segments)


class PipeReader(Reader):
    """A pipe: records are held back until as many younger ones as the window holds were seen."""

    __slots__ = ("at", "batch", "facts", "inner", "last", "ready")

    def __init__(self, file: CaptureFile, inner: Reader, damage: list[Damage]) -> None:
        super().__init__(file, inner.stream, 1, damage)
        self.live = True
        self.inner = inner
        self.facts = file.captures
        self.batch = Batch(0, 1)
        self.at = 0
        self.ready = 0
        self.last = 0

    def step(self) -> bool:
        return self.another() or (self.collect() and self.another())

    def another(self) -> bool:
        if self.at == self.ready:
            return False
        batch = self.batch
        i = batch.order[self.at]
        self.at += 1
        self.ts = batch.times[i]
        self.frame = batch.frames[i]
        self.offset = batch.offsets[i]
        self.start = batch.starts[i]
        self.caplen = batch.caplens[i]
        self.wirelen = batch.wirelens[i]
        self.fact = self.facts[batch.facts[i]]
        return True

    def collect(self) -> bool:
        """Read on until the window is full; False when nothing is left to deliver."""
        old = self.batch
        batch = Batch(2 * _WINDOW, max(len(old.arena), 1 << 16))
        for position in range(self.at, old.count):
            batch.carry(old, position)
        inner = self.inner
        more = True
        while batch.count < 2 * _WINDOW and batch.used < _WINDOW_BYTES:
            more = inner.step()
            if not more:
                break
            fact = inner.fact
            if inner.frame > 1 and inner.ts < self.last:
                fact.reordered += 1
                fact.max_backstep_ns = max(fact.max_backstep_ns, self.last - inner.ts)
            self.last = inner.ts
            batch.add(inner)
        batch.arrange()
        self.batch = batch
        self.buf = batch.arena
        self.turn += 1
        self.at = 0
        self.ready = batch.count if not more else (batch.count + 1) // 2
        if not more:
            self.stream = None
        return self.ready > 0

    def close(self) -> None:
        self.inner.close()
        self.stream = None
        self.at = self.ready


def sorted_reader(file: CaptureFile, damage: list[Damage], chunk: int, threaded: bool, hold: bool) -> Reader:
    """The reader for a file whose plan has segments; segments beyond the arena are read in place, by
    position.
    """
    plan = file.plan
    assert plan is not None
    if all(steady or size <= _ARENA for _, size, steady in plan.segments):
        return SortedReader(file, file.open_plain(damage, chunk, threaded, hold), plan, None, damage)
    if file.input.compression is None:
        with open(file.input.absolute_path, "rb") as plain:
            mapped = memoryview(mmap.mmap(plain.fileno(), 0, access=mmap.ACCESS_READ))
        return SortedReader(file, file.open_plain(damage, chunk, threaded, hold), plan, mapped, damage)
    # by position means a file to point into: decompress it to one that vanishes with its last user
    stream = file.stream(threaded, hold)
    try:
        import tempfile

        with tempfile.TemporaryFile(prefix="ctreplay-") as spool:
            piece = bytearray(1 << 20)
            view = memoryview(piece)
            while count := stream.read_into(view):
                spool.write(view[:count])
            spool.flush()
            mapped = memoryview(mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise CaptureError(f"no room to decompress it for sorting: {error.strerror}", file.path) from None
    finally:
        stream.close()
    spooled = MappedStream(mapped, stream.done, stream.problem)
    return SortedReader(file, file.reader_on(spooled, chunk, damage), plan, mapped, damage)


class MappedStream:
    """A decompressed file in mapped memory, read front to back."""

    def __init__(self, mapped: memoryview, done: int, problem: str | None) -> None:
        self.mapped = mapped
        self.done = done
        self.position = 0
        self.problem = problem

    def read_into(self, view: memoryview) -> int:
        count = min(len(view), len(self.mapped) - self.position)
        view[:count] = self.mapped[self.position : self.position + count]
        self.position += count
        return count

    def close(self) -> None:
        self.position = len(self.mapped)
