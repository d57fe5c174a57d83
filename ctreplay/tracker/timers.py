"""Deadlines in order: a wheel of slots with a small heap for the slot the clock is in.

Each entry is held under `queued`, a lower bound of its deadline. A deadline that moves later costs nothing; one that
moves before `queued` re-queues the entry at once. `Entry.slot` is the wheel's slot, or, below -1, the entry's place in
the heap. Slots are 2^30 ns wide; what lies beyond the wheel waits in its last
slot and is queued again from there. `crowd` counts the entries of each 64 slots, so that silence is passed in strides.
"""

from __future__ import annotations

from array import array

from ctreplay.tracker.entry import Entry

_SHIFT = 30
# of what waits longer, ESTABLISHED for the most part, the last slot is looked at every nineteen hours of capture time
_SLOTS = 1 << 16
_MASK = _SLOTS - 1
_STRIDE_SHIFT = 6
_STRIDE = (1 << _STRIDE_SHIFT) - 1
_NONE = -1
_NEVER = 0x7FFFFFFFFFFFFFFF
_MIN_SLOT = -(1 << 33)


class Timers:
    """`pop(now)` hands out entries whose deadline has come, ordered by (deadline, conn_id)."""

    __slots__ = ("crowd", "cursor", "due", "next_check", "pending", "slots")

    def __init__(self) -> None:
        self.slots: list[Entry | None] = [None] * _SLOTS
        self.crowd = array("i", [0]) * (_SLOTS >> _STRIDE_SHIFT)
        self.due: list[Entry] = []
        self.cursor = _MIN_SLOT
        self.pending = 0
        # no entry can be due before this instant
        self.next_check = _NEVER

    def queue(self, e: Entry, now: int) -> int:
        """Hold `e` until its deadline."""
        if self.cursor == _MIN_SLOT or (self.pending == 0 and not self.due):
            self.cursor = now >> _SHIFT
        self.place(e)
        self.set_next()
        return 0

    def remove(self, e: Entry) -> int:
        """Forget `e`."""
        if e.slot >= 0:
            if e.timer_prev is not None:
                e.timer_prev.timer_next = e.timer_next
            else:
                self.slots[e.slot] = e.timer_next
            if e.timer_next is not None:
                e.timer_next.timer_prev = e.timer_prev
            e.timer_next = None
            e.timer_prev = None
            self.crowd[e.slot >> _STRIDE_SHIFT] -= 1
            self.pending -= 1
        elif e.slot < _NONE:
            self.take(_NONE - 1 - e.slot)
        e.slot = _NONE
        return 0

    def pop(self, now: int) -> Entry | None:
        """The next entry whose deadline is at or before `now`, taken out; None when there is no more."""
        while True:
            while self.due:
                e = self.due[0]
                if e.queued > now:
                    self.set_next()
                    return None
                self.take(0)
                e.slot = _NONE
                if e.deadline <= e.queued:
                    return e
                self.queue(e, now)
            if self.pending == 0:
                self.next_check = _NEVER
                return None
            if self.cursor >= now >> _SHIFT:
                self.set_next()
                return None
            self.advance(now >> _SHIFT)

    def advance(self, limit: int) -> int:
        """Move the cursor to the next slot with entries, at most to `limit`, and bring its entries to the heap."""
        cursor = self.cursor
        end = limit if limit - cursor < _SLOTS else cursor + _SLOTS
        e = None
        i = 0
        while cursor < end:
            cursor += 1
            i = cursor & _MASK
            if self.crowd[i >> _STRIDE_SHIFT] == 0:
                cursor |= _STRIDE
                continue
            e = self.slots[i]
            if e is not None:
                break
        if e is None:
            self.cursor = limit
            return 0
        self.cursor = cursor
        self.slots[i] = None
        while e is not None:
            after = e.timer_next
            e.timer_next = None
            e.timer_prev = None
            e.slot = _NONE
            self.crowd[i >> _STRIDE_SHIFT] -= 1
            self.pending -= 1
            self.place(e)
            e = after
        return 0

    def place(self, e: Entry) -> int:
        """Put an entry where its present deadline belongs: into the heap, or into a slot beyond the cursor's."""
        slot = e.deadline >> _SHIFT
        e.queued = e.deadline
        if slot <= self.cursor:
            return self.push(e)
        if slot - self.cursor >= _SLOTS:
            slot = self.cursor + _MASK
            e.queued = slot << _SHIFT
        i = slot & _MASK
        head = self.slots[i]
        e.slot = i
        e.timer_prev = None
        e.timer_next = head
        if head is not None:
            head.timer_prev = e
        self.slots[i] = e
        self.crowd[i >> _STRIDE_SHIFT] += 1
        self.pending += 1
        return 0

    def set_next(self) -> int:
        """Recompute the instant before which nothing can be due."""
        nxt = _NEVER
        if self.pending:
            nxt = (self.cursor + 1) << _SHIFT
        if self.due:
            first = self.due[0]
            if first.queued < nxt:
                nxt = first.queued
        self.next_check = nxt
        return 0

    def push(self, e: Entry) -> int:
        """Add to the heap of the present slot."""
        due = self.due
        due.append(e)
        self.sift_up(len(due) - 1)
        return 0

    def take(self, i: int) -> int:
        """Remove element `i` of the heap."""
        due = self.due
        last = due.pop()
        n = len(due)
        if i < n:
            due[i] = last
            self.sift_down(i)
            self.sift_up(i)
        return 0

    def sift_up(self, i: int) -> int:
        """Move element `i` towards the top as far as it belongs."""
        due = self.due
        e = due[i]
        while i > 0:
            parent = (i - 1) >> 1
            other = due[parent]
            if before(other, e):
                break
            due[i] = other
            other.slot = _NONE - 1 - i
            i = parent
        due[i] = e
        e.slot = _NONE - 1 - i
        return 0

    def sift_down(self, i: int) -> int:
        """Move element `i` towards the leaves as far as it belongs."""
        due = self.due
        n = len(due)
        e = due[i]
        while True:
            child = 2 * i + 1
            if child >= n:
                break
            other = due[child]
            if child + 1 < n:
                right = due[child + 1]
                if before(right, other):
                    child += 1
                    other = right
            if before(e, other):
                break
            due[i] = other
            other.slot = _NONE - 1 - i
            i = child
        due[i] = e
        e.slot = _NONE - 1 - i
        return 0


def before(a: Entry, b: Entry) -> bool:
    """Order of expiry: by instant, ties by entry id."""
    if a.queued != b.queued:
        return a.queued < b.queued
    return a.conn_id <= b.conn_id
