"""Replays an origin up to an instant and stops there."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from ctreplay.capture import CaptureError, OutOfOrder, open_captures
from ctreplay.capture.until import Until
from ctreplay.dataset.rows import RowSink
from ctreplay.engine import PACKETS_NONE, Engine
from ctreplay.helpers import registry
from ctreplay.helpers.expectations import Expectation
from ctreplay.helpers.runner import Helpers
from ctreplay.timetravel.instant import BEFORE_ALL, Instant, show
from ctreplay.timetravel.origin import Origin
from ctreplay.tracker.settings import Settings

_SLICE = 1 << 20
_NEVER = 0x7FFFFFFFFFFFFFFF

Found = TypeVar("Found")


class NoSuchPacket(Exception):
    """The captures end before that packet; the message says how many there are."""


def forget(_table: str, _columns: dict[str, Any], _rows: int) -> None:
    """What a replay does with its rows when nobody reads them."""


class NoJournal:
    """Where expectations are told of when nobody listens."""

    def created(self, exp: Expectation, ts: int, packet: int) -> None:
        """EXP_NEW."""

    def refreshed(self, exp: Expectation, ts: int, packet: int) -> None:
        """The timeout was set anew."""

    def matched(self, exp: Expectation, ts: int, packet: int) -> None:
        """A connection opened."""

    def ended(self, exp: Expectation, ts: int, packet: int, why: str) -> None:
        """EXP_DESTROY."""


class Travel:
    """One replay that goes from instant to instant, never back.

    `engine` holds the tracker, `packets` how many records it has worked through, `first_ts` the time of the first one
    (None: there is none). Made by `travel`, which starts again when a capture turns out not to be in order.
    """

    def __init__(self, origin: Origin, captures: Any, sink: RowSink, level: int) -> None:
        self.origin = origin
        self.captures = captures
        self.until = Until(captures)
        self.engine = Engine(Settings(origin.sysctls), sink, level)
        self.helpers = Helpers(
            self.engine.tracker,
            origin.helpers or registry.observed(),
            NoJournal(),
            origin.sysctls["nf_conntrack_expect_max"],
            observe=not origin.helpers,
        )
        self.packets = 0
        self.ended = False
        self.until.limit = BEFORE_ALL
        self.engine.run(self.until, 1)
        self.first_ts: int | None = self.engine.packets[0].ts if self.until.held else None
        self.last_ts = self.first_ts
        self.until.limit = _NEVER

    @property
    def now(self) -> int:
        """The clock."""
        now: int = self.engine.tracker.now
        return now

    def _run(self, count: int) -> int:
        done = self.engine.run(self.until, count)
        self.packets += done
        if done < count and not self.until.held:
            self.ended = True
        if done:
            self.last_ts = self.engine.tracker.now
        return done

    def to(self, instant: Instant) -> None:
        """Go to an instant; what has expired by then is gone. Raises NoSuchPacket."""
        if instant.kind == "packet":
            self.to_packet(instant.value)
            return
        if instant.kind == "end":
            while self._run(_SLICE) == _SLICE:
                pass
            return
        if self.first_ts is None:
            return
        moment = instant.at(self.first_ts)
        self.until.limit = moment
        while self._run(_SLICE) == _SLICE:
            pass
        self.until.limit = _NEVER
        if moment >= self.first_ts:
            self.engine.tracker.advance(moment)

    def to_packet(self, number: int, asked: int = 0) -> None:
        """Go to the moment after packet `number` was processed. Raises NoSuchPacket (about `asked`, if given)."""
        while self.packets < number:
            wanted = min(number - self.packets, _SLICE)
            if self._run(wanted) < wanted:
                raise NoSuchPacket(
                    f"there is no packet {asked or number:,}: {self.origin.name} holds {self.packets:,} packets"
                )

    def describe(self) -> str:
        """When and where the clock stands."""
        if self.first_ts is None:
            return "the captures hold no packets"
        if not self.engine.tracker.started:
            return f"before the first packet ({show(self.first_ts)})"
        return f"{show(self.now)}, after packet {self.packets:,}"


def travel(
    origin: Origin,
    work: Callable[[Travel], Found],
    *,
    sink: Callable[[], RowSink] | None = None,
    level: int = PACKETS_NONE,
) -> Found:
    """Open the captures, let `work` travel, and check that they are the ones the dataset was made from.

    `work` may be called twice, with a fresh replay and sink, when a capture turns out not to be in order of time: it
    must not show anything. Raises CaptureError, OriginError, NoSuchPacket.
    """
    collecting = gc.isenabled()
    gc.disable()
    captures = None
    try:
        captures = open_captures(
            origin.paths,
            stdin=sys.stdin.buffer if "-" in origin.paths else None,
            hashing="beside" if origin.digests else "asked",
            # those of a dataset are different files, even where equal ones have become links meanwhile
            once=origin.run is None,
            sizes=origin.sizes,
        )
        while True:
            try:
                found = work(Travel(origin, captures, sink() if sink else RowSink(forget), level))
                break
            except OutOfOrder:
                captures.restart()
        if origin.digests:
            origin.check([one.sha256() for one in captures.inputs])
            # of an answer that takes several replays each would hash the captures again
            origin.digests.clear()
        return found
    except (CaptureError, NoSuchPacket):
        if origin.digests:
            # a changed file explains this better
            origin.check(origin.hashed())
        raise
    finally:
        if captures is not None:
            known = set(origin.damage)
            origin.damage += [one for one in captures.damage if one not in known]
            origin.repeated += [one for one in captures.repeated if one not in origin.repeated]
            captures.close()
        if collecting:
            gc.enable()
