"""What the readers of all formats share: a window over the stream and the current record.

The window is one reused buffer. `fill` moves what is not yet consumed to its front and reads more; a frame
larger than the buffer grows it, and only as fast as bytes really arrive, so a lying length costs no memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import Damage

if TYPE_CHECKING:
    from .facts import CaptureFacts
    from .inputs import CaptureFile
    from .streams import Stream

_MAX_DAMAGE = 1000


class Reader:
    """Records of one file in file order. `step` and `another` fill the fields; bytes stay valid until the next `step`.

    Without a stream it stands for a file not opened yet, of which only the first timestamp is known. `live`
    marks a pipe, whose order cannot be put right by reading it again.
    """

    __slots__ = (
        "base", "buf", "caplen", "damage", "damage_count", "end", "eof", "fact", "file", "frame", "index",
        "live", "offset", "opened", "pos", "start", "stream", "ts", "turn", "unlisted", "view", "wirelen",
    )  # fmt: skip

    def __init__(self, file: CaptureFile, stream: Stream | None, chunk: int, damage: list[Damage]) -> None:
        self.file = file
        self.index = file.index
        self.opened = stream is not None
        self.live = False
        self.stream: Stream | None = stream
        self.damage = damage
        self.damage_count = 0
        # where in `damage` the number of those beyond a thousand stands
        self.unlisted = 0
        store = bytearray(chunk)
        self.view = memoryview(store)
        self.buf: bytearray | memoryview = store
        # counts how often `buf` became another one
        self.turn = 0
        self.pos = 0
        self.end = 0
        self.base = 0
        self.eof = False
        self.ts = 0
        self.frame = 0
        self.offset = 0
        self.start = 0
        self.caplen = 0
        self.wirelen = 0
        # known from the first record on
        self.fact: CaptureFacts = None  # type: ignore[assignment]

    def step(self) -> bool:
        """Go to the next record; False at the end of what can be read."""
        return False

    def another(self) -> bool:
        """Go to the next record if all of it is in the window, where nothing is moved; False: ask `step`."""
        return False

    def fill(self, need: int) -> bool:
        """Have at least `need` unread bytes at `pos`; False when the stream ends before."""
        have = self.end - self.pos
        if have >= need:
            return True
        if self.eof or self.stream is None:
            return False
        view = self.view
        if self.pos > 0:
            if 2 * have > len(view):
                # or as much would be moved again for the next few bytes
                view = self.widen(2 * len(view))
            view[:have] = view[self.pos : self.end]
            self.base += self.pos
            self.pos = 0
            self.end = have
        while self.end - self.pos < need:
            size = len(view)
            if self.end == size:
                view = self.widen(min(size * 2, max(need, size + size // 8)))
            count = self.stream.read_into(view[self.end :])
            if count == 0:
                self.eof = True
                return False
            self.end += count
        return True

    def widen(self, size: int) -> memoryview:
        """A window of `size` bytes, with what is in it."""
        store = bytearray(size)
        store[: self.end] = self.view[: self.end]
        self.view = memoryview(store)
        self.buf = store
        self.turn += 1
        return self.view

    def beyond(self, i: int) -> None:
        """Refuse a read outside the window (kept out of the callers' hot path)."""
        raise IndexError(f"byte {i} of a window of {self.end}")

    def skip(self, count: int) -> int:
        """Leave `count` bytes unread; the number really there."""
        left = count
        while left > 0:
            have = self.end - self.pos
            if have == 0:
                if not self.fill(1):
                    break
                have = self.end - self.pos
            have = min(have, left)
            self.pos += have
            left -= have
        return count - left

    def note(self, offset: int, what: str, recovered: bool, skipped: int) -> None:
        """Keep a note about damage; the first thousand per file in full, the others as a number."""
        self.damage_count += 1
        more = self.damage_count - _MAX_DAMAGE
        if more > 1:
            first = self.damage[self.unlisted]
            what = f"{more:,} more damaged places, not listed one by one"
            skipped += first.skipped_bytes
            self.damage[self.unlisted] = first._replace(what=what, recovered=recovered, skipped_bytes=skipped)
            return
        self.unlisted = len(self.damage)
        self.damage.append(Damage(self.file.path, self.frame + 1, offset, what, recovered, skipped))

    def finish(self, offset: int, what: str) -> None:
        """The stream is over: note a cut record (`what`, empty for a clean end) and why the stream itself
        broke.
        """
        problem = self.stream.problem if self.stream is not None else None
        if problem:
            what = f"{problem}; {what}" if what else problem
        if what:
            self.note(offset, what, False, max(self.base + self.end - offset, 0))
        self.close()

    def close(self) -> None:
        """Give back the stream; the buffer goes when nobody looks at its bytes any more."""
        if self.stream is not None:
            self.file.consumed = max(self.file.consumed, self.stream.done)
            self.stream.close()
            self.stream = None
        self.eof = True
        self.pos = 0
        self.end = 0
