"""Conntrack over netlink: events, one entry's details, setting a timeout, deleting."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from . import netlink as nl

_NEW, _GET, _DELETE = 0, 1, 2
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_STATUS, _CTA_PROTOINFO = 1, 2, 3, 4
_CTA_HELP, _CTA_TIMEOUT, _CTA_COUNTERS_ORIG, _CTA_COUNTERS_REPLY, _CTA_ID, _CTA_MASTER = 5, 7, 9, 10, 12, 14
_EXP_MASTER, _EXP_TUPLE, _EXP_MASK, _EXP_TIMEOUT, _EXP_ID, _EXP_HELPER, _EXP_FLAGS, _EXP_CLASS = 1, 2, 3, 4, 5, 6, 8, 9
_GROUPS = (1, 2, 3, 4, 6)  # entries: new, update, destroy; expectations: new, destroy
_F_CREATE_OR_EXCL = 0x600

TCP_STATES = (
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
    "SYN_SENT2",
)  # fmt: skip
SCTP_STATES = (
    "NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT",
)  # fmt: skip

_U32 = struct.Struct("!I")
_U64 = struct.Struct("!Q")
_ID = struct.Struct("=I")


@dataclass(slots=True)
class View:
    """What one conntrack message says about an entry. Counters, timeout, helper and master (its original
    tuple) are None where the message has none."""

    event: str
    family: int
    ident: int
    orig: bytes
    reply: bytes
    status: int
    state: str | None
    timeout: int | None
    counters: list[int] | None
    helper: str | None
    master: bytes | None


def _state(buf: bytes, span: tuple[int, int]) -> str | None:
    for proto, (start, end) in nl.attributes(buf, *span).items():
        inner = nl.attributes(buf, start, end)
        if 1 in inner:
            names = TCP_STATES if proto == 1 else SCTP_STATES if proto == 3 else ()
            number = buf[inner[1][0]]
            return names[number] if number < len(names) else str(number)
    return None


def _counters(buf: bytes, span: tuple[int, int]) -> list[int]:
    found = nl.attributes(buf, *span)
    return [_U64.unpack_from(buf, found[kind][0])[0] if kind in found else 0 for kind in (1, 2)]


def view(buf: bytes, kind: int, flags: int, start: int, end: int) -> View:
    """Decode a message of the conntrack subsystem (`start` at the generic header)."""
    found = nl.attributes(buf, start + 4, end)
    counters = None
    if _CTA_COUNTERS_ORIG in found and _CTA_COUNTERS_REPLY in found:
        counters = _counters(buf, found[_CTA_COUNTERS_ORIG]) + _counters(buf, found[_CTA_COUNTERS_REPLY])
    orig, reply = found[_CTA_TUPLE_ORIG], found[_CTA_TUPLE_REPLY]
    helper = nl.attributes(buf, *found[_CTA_HELP]).get(1) if _CTA_HELP in found else None
    event = "DESTROY" if kind & 0xFF == _DELETE else "NEW" if flags & _F_CREATE_OR_EXCL else "UPDATE"
    return View(
        event,
        buf[start],
        _ID.unpack_from(buf, found[_CTA_ID][0])[0] if _CTA_ID in found else 0,
        buf[orig[0] : orig[1]],
        buf[reply[0] : reply[1]],
        _U32.unpack_from(buf, found[_CTA_STATUS][0])[0] if _CTA_STATUS in found else 0,
        _state(buf, found[_CTA_PROTOINFO]) if _CTA_PROTOINFO in found else None,
        _U32.unpack_from(buf, found[_CTA_TIMEOUT][0])[0] if _CTA_TIMEOUT in found else None,
        counters,
        nl.text(buf[slice(*helper)]) if helper else None,
        buf[slice(*found[_CTA_MASTER])] if _CTA_MASTER in found else None,
    )


@dataclass(slots=True)
class Announced:
    """What one message says about an expectation; tuples are nested attributes, `timeout` is in whole seconds."""

    event: str
    family: int
    ident: bytes
    tuple: bytes
    mask: bytes
    master: bytes
    timeout: int
    helper: str | None
    kind: int
    flags: int


def announced(buf: bytes, kind: int, start: int, end: int) -> Announced:
    """Decode a message of the expectation subsystem (`start` at the generic header)."""
    found = {name: buf[slice(*span)] for name, span in nl.attributes(buf, start + 4, end).items()}
    return Announced(
        "DESTROY" if kind & 0xFF == _DELETE else "NEW",
        buf[start],
        found[_EXP_ID],
        found[_EXP_TUPLE],
        found[_EXP_MASK],
        found[_EXP_MASTER],
        int.from_bytes(found[_EXP_TIMEOUT], "big"),
        nl.text(found[_EXP_HELPER]) if _EXP_HELPER in found else None,
        int.from_bytes(found.get(_EXP_CLASS, b""), "big"),
        int.from_bytes(found.get(_EXP_FLAGS, b""), "big"),
    )


def tuple_key(buf: bytes) -> tuple[int, bytes, int, bytes, int]:
    """`(protocol, source, source part, destination, destination part)` of a nested tuple; ICMP: identifier and
    `type << 8 | code`."""
    found = nl.attributes(buf, 0, len(buf))
    ip = nl.attributes(buf, *found[1])
    proto = nl.attributes(buf, *found[2])
    cut = {kind: buf[a:b] for kind, (a, b) in ip.items()}
    part: Any = {kind: int.from_bytes(buf[a:b], "big") for kind, (a, b) in proto.items()}
    source, destination = cut.get(1) or cut[3], cut.get(2) or cut[4]
    for ident, kind, code in ((4, 5, 6), (7, 8, 9)):
        if kind in part:
            return part[1], source, part[ident], destination, part[kind] << 8 | part[code]
    return part[1], source, part.get(2, 0), destination, part.get(3, 0)


class Conntrack:
    """Requests about the namespace's table, and the events that packets (not our requests) cause."""

    def __init__(self) -> None:
        self.ask = nl.NetfilterSocket()
        self.ask.sock.settimeout(10)
        self.listen = nl.NetfilterSocket(_GROUPS)
        self.listen.ignore_messages_caused_by(self.ask.port)

    def events(self) -> tuple[list[View], list[Announced]]:
        """Events that have arrived, of entries and of expectations; the kernel queues them before the write of the
        packet returns."""
        entries, expectations = [], []
        while (buf := self.listen.receive_now()) is not None:
            for kind, flags, _, start, end in nl.messages(buf):
                if kind >> 8 == nl.SUBSYS_CTNETLINK:
                    entries.append(view(buf, kind, flags, start, end))
                elif kind >> 8 == nl.SUBSYS_EXPECT:
                    expectations.append(announced(buf, kind, start, end))
        return entries, expectations

    def get(self, family: int, orig: bytes) -> View | None:
        """The entry with this original tuple, or None."""
        seq = self.ask.next_seq()
        self.ask.request(nl.message(nl.SUBSYS_CTNETLINK, _GET, 0, seq, family, nl.nest(_CTA_TUPLE_ORIG, orig)))
        while True:
            buf = self.ask.sock.recv(1 << 18)
            for kind, flags, got, start, end in nl.messages(buf):
                if got != seq:
                    continue
                if kind == nl.NLMSG_ERROR:
                    return None
                return view(buf, kind, flags, start, end)

    def set_timeout(self, family: int, orig: bytes, seconds: int) -> bool:
        """Set the remaining time; False if the entry is gone."""
        seq = self.ask.next_seq()
        body = nl.nest(_CTA_TUPLE_ORIG, orig) + nl.attr(_CTA_TIMEOUT, _U32.pack(seconds))
        return self._do(nl.message(nl.SUBSYS_CTNETLINK, _NEW, nl.NLM_F_ACK, seq, family, body), seq)

    def delete(self, family: int, orig: bytes) -> bool:
        """Delete an entry; False if it was gone."""
        seq = self.ask.next_seq()
        return self._do(
            nl.message(nl.SUBSYS_CTNETLINK, _DELETE, nl.NLM_F_ACK, seq, family, nl.nest(_CTA_TUPLE_ORIG, orig)), seq
        )

    def _do(self, body: bytes, seq: int) -> bool:
        try:
            self.ask.acknowledged(body, seq)
        except OSError as error:
            if nl.is_gone(error):
                return False
            raise
        return True

    def dump(self) -> list[View]:
        """The whole table."""
        seq = self.ask.next_seq()
        request = nl.message(nl.SUBSYS_CTNETLINK, _GET, nl.NLM_F_DUMP, seq, 0, b"")
        return [view(*message) for message in self.ask.dumped(request, seq)]
