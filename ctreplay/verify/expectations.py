"""Expectations over netlink, and their shadow: who was announced when, and the deadlines in the capture's time."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import netlink as nl
from .clock import NS, Deadlines
from .conntrack import Announced, Conntrack, announced, tuple_key
from .errors import CannotVerify

_NEW, _GET, _DELETE = 0, 1, 2
_MASTER, _TUPLE, _MASK, _TIMEOUT, _ID = 1, 2, 3, 4, 5
_PARK_S = 2_000_000
_PARKED_S = _PARK_S - 86_400  # no referee works for a day; what is told beyond either was set by a helper
_TICK_S = 0.025  # the kernel's tick is at most 10 ms, and may be told late

_U32 = struct.Struct("!I")


@dataclass(slots=True)
class Shadow:
    """An expectation that the kernel has; `parked` says that its timer was set far into the future."""

    number: int
    view: Announced
    parked: bool = False


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


class Expectations:
    """The expectations of the namespace. Rows are `[event, number, timeout in s, flags, what was announced]`."""

    def __init__(self, ct: Conntrack) -> None:
        self.ct = ct
        self.deadlines = Deadlines()
        self.created = 0
        self.live: dict[int, Shadow] = {}
        self.by_ident: dict[bytes, Shadow] = {}

    def take(self, seen: list[Announced], ts: int, entry_of: Callable[[bytes], int | None]) -> list[list[Any]]:
        """Follow what a packet did; `entry_of` numbers the entry with an original tuple."""
        rows = []
        for one in seen:
            if one.event == "DESTROY":
                gone = self._forget(one.ident)
                rows.append([one.event, gone.number, None, one.flags, None])
                continue
            self.created += 1
            shadow = self.by_ident[one.ident] = self.live[self.created] = Shadow(self.created, one)
            # every policy is a multiple of ten seconds; nine: the clock ticked between setting and telling
            seconds = one.timeout + 1 if one.timeout % 10 == 9 else one.timeout
            self.deadlines.set(shadow.number, ts + seconds * NS)
            proto, src, sport, dst, dport = tuple_key(one.tuple)
            _, src_mask, sport_mask, _, _ = tuple_key(one.mask)
            about = [proto, _text(src), _text(src_mask), sport, sport_mask, _text(dst), dport, one.helper, one.kind]
            rows.append([one.event, shadow.number, seconds, one.flags, [*about, entry_of(one.master)]])
        return rows

    def park(self, ts: int) -> list[list[Any]]:
        """Park what a helper has timed; rows for those that it timed anew, of which the kernel sends no event."""
        timed = self._timed()
        if any(shadow.parked for shadow, _ in timed):
            time.sleep(_TICK_S)  # whole seconds are told, rounded down: past a tick that is one less than was set
            timed = self._timed()
        rows: list[list[Any]] = []
        for shadow, now in timed:
            if shadow.parked:
                seconds = now.timeout + 1
                self.deadlines.set(shadow.number, ts + seconds * NS)
                rows.append(["REFRESH", shadow.number, seconds, now.flags, None])
            shadow.view, shadow.parked = now, True
            body = nl.nest(_TUPLE, now.tuple) + nl.nest(_MASK, now.mask) + nl.nest(_MASTER, now.master)
            if not self._do(_NEW, now.family, body + nl.attr(_TIMEOUT, _U32.pack(_PARK_S))):
                raise CannotVerify("an expectation vanished between two requests; the machine is too busy to referee")
        return rows

    def expire(self, number: int) -> bool:
        """Delete one whose deadline has passed; False if it had gone before."""
        shadow = self.live.get(number)
        if shadow is None:
            return False
        self._do(_DELETE, shadow.view.family, nl.nest(_TUPLE, shadow.view.tuple) + nl.attr(_ID, shadow.view.ident))
        self._forget(shadow.view.ident)
        return True

    def _forget(self, ident: bytes) -> Shadow:
        if ident not in self.by_ident:
            raise CannotVerify("the kernel tells of an expectation that it never announced")
        gone = self.by_ident.pop(ident)
        del self.live[gone.number]
        self.deadlines.drop(gone.number)
        return gone

    def _timed(self) -> list[tuple[Shadow, Announced]]:
        """Those whose timer is not parked, in the order of their creation."""
        found = []
        for now in self.dump():
            if now.ident not in self.by_ident:
                raise CannotVerify("the kernel has an expectation that it never announced")
            if not _PARKED_S < now.timeout <= _PARK_S:
                found.append((self.by_ident[now.ident], now))
        return sorted(found, key=lambda one: one[0].number)

    def dump(self) -> list[Announced]:
        """All of them."""
        seq = self.ct.ask.next_seq()
        request = nl.message(nl.SUBSYS_EXPECT, _GET, nl.NLM_F_DUMP, seq, 0, b"")
        return [announced(buf, kind, start, end) for buf, kind, _, start, end in self.ct.ask.dumped(request, seq)]

    def _do(self, command: int, family: int, body: bytes) -> bool:
        seq = self.ct.ask.next_seq()
        try:
            self.ct.ask.acknowledged(nl.message(nl.SUBSYS_EXPECT, command, nl.NLM_F_ACK, seq, family, body), seq)
        except OSError as error:
            if nl.is_gone(error) or error.errno == errno.ETIME:
                return False
            raise
        return True
