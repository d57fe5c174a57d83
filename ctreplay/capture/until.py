"""A source that stops before a given instant and can go on from there."""

from __future__ import annotations

from ctreplay.capture.record import Record, Source

_NEVER = 0x7FFFFFFFFFFFFFFF


class Until(Source):
    """The records of `source` up to and with `limit` ns.

    The first record beyond the limit is held: it comes next once `limit` has been raised. Always pass the same
    `Record`, which meanwhile holds it.
    """

    __slots__ = ("held", "limit", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.limit = _NEVER
        self.held = False

    def advance(self, rec: Record) -> bool:
        if not self.held and not self.source.advance(rec):
            return False
        self.held = rec.ts > self.limit
        return not self.held
