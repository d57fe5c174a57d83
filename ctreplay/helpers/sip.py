"""SIP over UDP and TCP: registrations announce where calls will come in, SDP announces the media streams."""

from __future__ import annotations

import re

from ctreplay.helpers import siptext
from ctreplay.helpers.control import Control, printable
from ctreplay.helpers.expectations import ADDED, ALREADY, INACTIVE, PERMANENT
from ctreplay.helpers.kinds import SIP
from ctreplay.helpers.siptext import Contacts, Found

_TCP = 6
_UDP = 17
_EXPECTED = 0x1
_MASTER_TIMEOUT = 3600
_SHORTEST = len(b"SIP/2.0 200")
_SIGNALLING = 0
# a registration's timeout is counted in jiffies, in 32 bits: 250 a second where Debian and the recorded kernel run
_HZ = 250
_MEDIA = ((b"audio ", 1), (b"video ", 2), (b"image ", 3))
_MOST_MEDIA = 3
# of other methods nothing is read
_REQUEST = re.compile(rb"(INVITE|UPDATE|ACK|PRACK|BYE|REGISTER) [" + siptext.LETTERS + rb"]", re.IGNORECASE)
_ANSWERED = re.compile(rb"INVITE|UPDATE|PRACK|REGISTER", re.IGNORECASE)
_END_OF_HEADERS = b"\r\n\r\n"


class Dialog:
    """Sequence numbers of the last INVITE and REGISTER."""

    __slots__ = ("invite", "register")

    def __init__(self) -> None:
        self.invite = 0
        self.register = 0


def packet(c: Control) -> bool:
    """One packet: a message over UDP, any number of whole ones over TCP."""
    data = c.data
    tcp = c.entry.proto == _TCP
    if not data or (tcp and not c.established):
        return True
    c.refresh(_MASTER_TIMEOUT)
    if len(data) < _SHORTEST:
        return True
    if c.ext.info is None:
        c.ext.info = Dialog()
    if not tcp:
        return message(c, data)
    while True:
        found = siptext.header(data, 0, "content-length", c.entry.family)
        if not isinstance(found, Found):
            return True
        body = siptext.number(data, found.at)
        head = data.find(_END_OF_HEADERS, found.end)
        if body is None or head < 0:
            return True
        length = head + 4 + body
        if length > len(data):
            return True
        if not message(c, data[:length]):
            return False
        data = data[length:]


def message(c: Control, data: bytes) -> bool:
    """One request or response."""
    code: int | None = 0
    requested = None
    if data[:8].upper() == b"SIP/2.0 ":
        if len(data) < _SHORTEST:
            return True
        code = siptext.number(data, 8)
        if not code:
            return False
    else:
        requested = _REQUEST.match(data)
        if requested is None:
            return True
    found = siptext.header(data, 0, "cseq", c.entry.family)
    if not isinstance(found, Found):
        return False
    cseq = siptext.number(data, found.at)
    if cseq is None:
        return False
    if requested is not None:
        return request(c, data, requested[1].upper(), cseq)
    answered = _ANSWERED.match(data, found.end + 1)
    return answered is None or answer(c, data, answered[0].upper(), code or 0, cseq)


def request(c: Control, data: bytes, method: bytes, cseq: int) -> bool:
    """A request."""
    if method == b"REGISTER":
        return register(c, data, cseq)
    if method in (b"INVITE", b"BYE"):
        forget_media(c)
    if method == b"BYE":
        return True
    accepted = session(c, data)
    if accepted and method == b"INVITE":
        c.ext.info.invite = cseq
    return accepted


def answer(c: Control, data: bytes, method: bytes, code: int, cseq: int) -> bool:
    """A response to `method`."""
    if method == b"REGISTER":
        return registered(c, data, code, cseq)
    if 100 <= code <= 299:
        return session(c, data)
    if c.ext.info.invite == cseq:
        forget_media(c)
    return True


def forget_media(c: Control) -> None:
    """Remove every media expectation of the entry, newest first."""
    table = c.helpers.table
    for exp in reversed(table.of(c.entry)):
        if exp.kind != _SIGNALLING:
            table.remove(exp, c.now, c.packet.number, "removed")


def forget_registration(c: Control) -> None:
    """Remove the newest signalling expectation of the entry."""
    table = c.helpers.table
    for exp in reversed(table.of(c.entry)):
        if exp.kind == _SIGNALLING:
            table.remove(exp, c.now, c.packet.number, "removed")
            return


def session(c: Control, data: bytes) -> bool:
    """The SDP of a message: an expectation pair for each of the first media streams."""
    family = c.entry.family
    version = siptext.version(data)
    if version is None:
        return True
    common = siptext.connection(data, version, family)
    at = version
    done = 0
    while done < _MOST_MEDIA:
        media = siptext.media(data, at)
        if media is None:
            return True
        text = data[media.at : media.end]
        kind = next(((word, kind) for word, kind in _MEDIA if text.startswith(word)), None)
        if kind is None:
            at = media.end
            continue
        at = media.at + len(kind[0])
        port = siptext.number(data, at)
        if not port:
            continue
        if not siptext.FIRST_PORT <= port <= siptext.LAST_PORT:
            return False
        own = siptext.connection(data, at, family)
        address = common if own is None else own
        if address is None:
            return False
        if not stream(c, address, port, kind[1], "m=" + printable(data[media.at : media.end + _SHORTEST])):
            return False
        done += 1
    return True


def stream(c: Control, address: int, port: int, kind: int, text: str) -> bool:
    """RTP and RTCP of one stream, if the sender receives it itself (sip_direct_media)."""
    if address != c.sender:
        return True
    entry = c.entry
    known = c.helpers.table.match(entry.family, _UDP, entry.zone, c.peer, 0, address, port, any_state=True)
    # the helpers of UDP and of TCP do not know each other
    same_helper = known is not None and known.helper == SIP.name and known.master.proto == entry.proto
    if known is not None and same_helper and known.master is not entry and known.kind == kind:
        # the same stream, announced over another connection
        return True
    base = port & ~1
    fields = {"proto": _UDP, "src": c.peer, "dst": address, "kind": kind, "text": text, "any_master": True}
    first, rtp = c.expect(dport=base, **fields)  # type: ignore[arg-type]
    if first not in (ADDED, ALREADY):
        return False
    second, _ = c.expect(dport=base + 1, **fields)  # type: ignore[arg-type]
    if second in (ADDED, ALREADY):
        return True
    if first == ADDED:
        c.helpers.table.remove(rtp, c.now, c.packet.number, "removed")
    return False


def transport(c: Control, data: bytes, at: int) -> int | None:
    """Protocol of a contact; None when it is not the one the message came with."""
    value = siptext.parameter(data, at, b"transport=")
    if value is None:
        return int(c.entry.proto)
    named = {b"tcp": _TCP, b"udp": _UDP}.get(data[value : value + 3].lower())
    return named if named == c.entry.proto else None


def expiry(data: bytes, at: int, default: int) -> int | None:
    """Seconds of a contact; None when unreadable."""
    value = siptext.parameter(data, at, b"expires=")
    if value is None:
        return default
    return siptext.number(data, value)


def header_expiry(data: bytes, family: int) -> int:
    """Seconds of the Expires header, 0 without."""
    found = siptext.header(data, 0, "expires", family)
    return siptext.number(data, found.at) or 0 if isinstance(found, Found) else 0


def register(c: Control, data: bytes, cseq: int) -> bool:
    """A REGISTER request: calls may come in to the contact, once the registrar agrees."""
    if c.entry.status & _EXPECTED:
        return True
    family = c.entry.family
    seconds: int | None = header_expiry(data, family)
    found = siptext.contact(data, Contacts(), family)
    if found is None:
        return True
    place, address, port = found
    if address != c.sender:
        return True
    proto = transport(c, data, place.end)
    if proto is None:
        return True
    seconds = expiry(data, place.end, seconds or 0)
    if seconds is None:
        return False
    if seconds:
        added = c.expected(
            proto=proto, src=c.peer, dst=address, dport=port, kind=_SIGNALLING, flags=PERMANENT | INACTIVE,
            child=SIP, text=f"REGISTER Contact {printable(data[place.at : place.end])}",
        )  # fmt: skip
        if not added:
            return False
    c.ext.info.register = cseq
    return True


def registered(c: Control, data: bytes, code: int, cseq: int) -> bool:
    """A response to REGISTER: the expectation becomes active for as long as the registration lasts, or goes."""
    if c.ext.info.register != cseq or 100 <= code <= 199:
        return True
    if 200 <= code <= 299:
        family = c.entry.family
        default = header_expiry(data, family)
        walk = Contacts()
        while True:
            found = siptext.contact(data, walk, family)
            if found is None:
                break
            place, address, port = found
            if address != c.peer:
                continue
            proto = transport(c, data, place.end)
            if proto is None:
                continue
            seconds = expiry(data, place.end, default)
            if seconds is None:
                return False
            if seconds == 0:
                break
            if activate(c, address, proto, port, seconds):
                return True
    forget_registration(c)
    return True


def activate(c: Control, address: int, proto: int, port: int, seconds: int) -> bool:
    """Set the timeout of the entry's expectation for this contact; False when there is none."""
    table = c.helpers.table
    for exp in reversed(table.of(c.entry)):
        if exp.kind == _SIGNALLING and exp.dst == address and exp.proto == proto and exp.dport == port:
            table.refresh(exp, c.now, c.packet.number, seconds * _HZ % (1 << 32) // _HZ)
            return True
    return False
