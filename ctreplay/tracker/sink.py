"""Where the tracker puts what it decided. This one forgets everything; the dataset's keeps it as columns."""

from __future__ import annotations

from ctreplay.tracker.entry import Entry
from ctreplay.tracker.occupancy import Occupancy


class Change:
    """One conntrack event, reused for the next.

    `event` 0 NEW, 1 UPDATE, 2 DESTROY · `ts` ns · `packet` its number, 0 for a timer · `direction` -1 for none ·
    `old_state`, `new_state` protocol state, -1 for none · `marks` the pending event marks · `timeout` ns left, -1 when
    the event carries none · `why` index into `codes.WHY`.
    """

    __slots__ = (
        "direction", "entry", "event", "marks", "new_state", "new_status", "old_state", "old_status", "packet",
        "timeout", "ts", "why",
    )  # fmt: skip

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.ts = 0
        self.packet = 0
        self.event = 0
        self.direction = 0
        self.old_state = self.new_state = -1
        self.old_status = self.new_status = 0
        self.marks = 0
        self.timeout = -1
        self.why = 0


class Sink:
    """Interface between tracker and dataset."""

    __slots__ = ()

    def transition(self, change: Change) -> int:
        """An entry came, changed or went."""
        return 0

    def connection(self, e: Entry, why: int, end_ts: int, left: int) -> int:
        """An entry ended at `end_ts` ns for reason `why`; `left` ns of timeout remained (-1: none)."""
        return 0

    def second(self, o: Occupancy) -> int:
        """A second of capture time in which something happened is over."""
        return 0
