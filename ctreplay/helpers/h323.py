"""H.323: RAS over UDP, Q.931 call signalling and H.245 control over TCP (TPKT), and the channels they announce.

A message that cannot be decoded is let pass without effect; one whose expectation cannot be added is dropped. Call
forwarding makes no expectation: the kernel filters it by comparing the routes to both parties, which a capture does not
hold, and with one default route both are on the same side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ctreplay.helpers import h225_types, h245_types, per
from ctreplay.helpers.addresses import MAPPED
from ctreplay.helpers.control import Control
from ctreplay.helpers.expectations import ADDED, PERMANENT
from ctreplay.helpers.kinds import H245, Q931, RAS

_TCP = 6
_UDP = 17
_U32 = 0xFFFFFFFF
_TPKT = 4
_TPKT_START = b"\x03\x00"
_Q931 = 8
_USER_TO_USER = 0x7E
_DEFAULT_LIFETIME = 300
_AFTER_UNREGISTRATION = 30

Message = dict[str, Any]


@dataclass
class Call:
    """Per direction, bytes that a TPKT header sent on its own announced; seconds a registration was asked for."""

    header_only: list[int] = field(default_factory=lambda: [0, 0])
    lifetime: int = 0


def call_of(c: Control) -> Call:
    """The memory of the connection."""
    if c.ext.info is None:
        c.ext.info = Call()
    call: Call = c.ext.info
    return call


def tpkts(c: Control) -> Iterator[bytes]:
    """Contents of the whole TPKTs (RFC 1006) of a segment; a header may come in a segment of its own."""
    call = call_of(c)
    data = c.data
    at = 0
    while True:
        left = len(data) - at
        if at and left <= _TPKT:
            break
        if left < _TPKT or data[at : at + 2] != _TPKT_START:
            announced = call.header_only[c.reply]
            if at == 0 and 0 < announced <= left:
                call.header_only[c.reply] = 0
                yield data[:announced]
                at = announced
                continue
            if at == 0 and not announced:
                return
            break
        size = (data[at + 2] << 8 | data[at + 3]) - _TPKT
        if size < 0 or size > left - _TPKT:
            if left == _TPKT and at == 0 and size > 0:
                call.header_only[c.reply] = size
                return
            break
        call.header_only[c.reply] = 0
        yield data[at + _TPKT : at + _TPKT + size]
        at += _TPKT + size
    call.header_only[c.reply] = 0


def endpoint(found: tuple[str, Any] | None, family: int) -> tuple[int, int] | None:
    """Address key and port of a transport address of the connection's family."""
    if found is None or found[0] != f"ip{family}":
        return None
    key = int.from_bytes(found[1]["network"], "big")
    return (key | MAPPED if family == 4 else key), found[1]["port"]


def media_endpoint(found: tuple[str, Any] | None, family: int) -> tuple[int, int] | None:
    """The same of an H.245 address, which must be unicast."""
    return endpoint(found[1], family) if found is not None and found[0] == "unicast" else None


def ours(c: Control, got: tuple[int, int] | None) -> int | None:
    """The port, if the address is the sender's own and the port is not 0."""
    return got[1] if got is not None and got[0] == c.sender and got[1] else None


def rtp(c: Control, found: tuple[str, Any] | None, what: str) -> bool:
    """Both ports of an RTP session."""
    port = ours(c, media_endpoint(found, c.entry.family))
    if port is None:
        return True
    text = f"{what} port {port}"
    answer, first = c.expect(proto=_UDP, src=c.peer, dst=c.sender, dport=port & ~1, text=text)
    if answer != ADDED:
        return False
    if c.expected(proto=_UDP, src=c.peer, dst=c.sender, dport=port | 1, text=text):
        return True
    c.helpers.table.remove(first, c.now, c.packet.number, "removed")
    return False


def t120(c: Control, found: tuple[str, Any] | None) -> bool:
    """A T.120 data channel over TCP."""
    port = ours(c, media_endpoint(found, c.entry.family))
    if port is None:
        return True
    text = f"T.120 port {port}"
    return c.expected(proto=_TCP, src=c.peer, dst=c.sender, dport=port, flags=PERMANENT, text=text)


def h245_channel(c: Control, found: tuple[str, Any] | None) -> bool:
    """The H.245 control connection."""
    port = ours(c, endpoint(found, c.entry.family))
    if port is None:
        return True
    return c.expected(proto=_TCP, src=c.peer, dst=c.sender, dport=port, child=H245, text=f"h245Address port {port}")


def stack_of(message: Message) -> tuple[str, Any] | None:
    """Local address of a separate stack."""
    kind, value = message.get("stack", {}).get("address", ("", None))
    return value if kind == "local" else None


def channels(c: Control, message: Message, names: tuple[str, ...], what: str) -> bool:
    """Media and media control channel of the H.225.0 multiplex parameters of each side."""
    for name in names:
        side = message.get(name)
        kind, parameters = side if isinstance(side, tuple) else (side or {}).get("multiplex", ("", None))
        if kind == "h2250" and not (
            rtp(c, parameters.get("media"), f"{what} mediaChannel")
            and rtp(c, parameters.get("control"), f"{what} mediaControlChannel")
        ):
            return False
    return True


def open_channel(c: Control, message: Message) -> bool:
    """OpenLogicalChannel."""
    if not channels(c, message, ("forward", "reverse"), "openLogicalChannel"):
        return False
    kind, value = message["forward"]["data_type"]
    over_lan = kind == "data" and value["application"] == ("t120", ("separate_lan_stack", None))
    return t120(c, stack_of(message)) if over_lan else True


def open_channel_ack(c: Control, message: Message) -> bool:
    """OpenLogicalChannelAck."""
    return channels(c, message, ("reverse", "forward"), "openLogicalChannelAck") and t120(c, stack_of(message))


def h245_message(c: Control, message: tuple[str, Any]) -> bool:
    """One H.245 message; most open no channel."""
    if message[1] is None:
        return True
    name, value = message[1]
    if name == "open":
        return open_channel(c, value)
    if name == "open_ack":
        return open_channel_ack(c, value)
    return True


def h245_data(c: Control, data: bytes) -> bool:
    """The contents of a TPKT of H.245."""
    try:
        message = per.read(h245_types.MESSAGE, data)
    except per.PerError:
        return True
    return h245_message(c, message)


def h245_packet(c: Control) -> bool:
    """A packet of an H.245 connection."""
    if not c.established or not c.data:
        return True
    return all(h245_data(c, data) for data in tpkts(c))


def user_information(data: bytes) -> Message | None:
    """The H.323 part of a Q.931 message (user-to-user information element); None when there is none."""
    if len(data) < 1 or data[0] != _Q931:
        return None
    at = 1
    if at >= len(data):
        return None
    # call reference, message type
    at += 1 + (data[at] & 0xFF) + 1
    while at < len(data):
        kind = data[at]
        if kind == _USER_TO_USER:
            if len(data) - at < 3:
                return None
            size = data[at + 1] << 8 | data[at + 2]
            at += 3
            if size > len(data) - at:
                return None
            # one octet names the protocol of the contents
            found: Message = per.read(h225_types.USER_INFORMATION, data[at + 1 : at + size])
            return found
        if kind & 0x80:
            # an information element of one octet
            at += 1
            continue
        if at + 1 >= len(data):
            return None
        at += 2 + data[at + 1]
    return None


def q931_message(c: Control, data: bytes) -> bool:
    """One Q.931 message."""
    try:
        found = user_information(data)
    except per.PerError:
        return True
    if found is None:
        return True
    pdu = found["pdu"]
    name, body = pdu["body"]
    if name == "facility" and body["reason"][0] == "call_forwarded":
        return tunnelled(c, pdu)
    if isinstance(body, dict):
        if not h245_channel(c, body.get("h245")):
            return False
        if not all(open_channel(c, one) for one in body.get("fast_start", ())):
            return False
    return tunnelled(c, pdu)


def tunnelled(c: Control, pdu: Message) -> bool:
    """H.245 messages inside a call signalling message."""
    return all(h245_message(c, one) for one in pdu.get("control", ()))


def q931_packet(c: Control) -> bool:
    """A packet of a call signalling connection."""
    if not c.established or not c.data:
        return True
    return all(q931_message(c, data) for data in tpkts(c))


def signalling(c: Control, found: tuple[str, Any] | None, text: str) -> bool:
    """Call signalling to an address that the gatekeeper named."""
    got = endpoint(found, c.entry.family)
    if got is None:
        return True
    return c.expected(proto=_TCP, src=c.peer, dst=got[0], dport=got[1], flags=PERMANENT, child=Q931, text=text)


def gatekeeper_confirm(c: Control, message: Message) -> bool:
    """The gatekeeper answers discovery, and may name another RAS address."""
    got = endpoint(message["ras"], c.entry.family)
    if got is None:
        return True
    source_port = c.entry.rsport if c.reply else c.entry.sport
    if got == (c.sender, source_port):
        return True
    return c.expected(proto=_UDP, src=c.peer, dst=got[0], dport=got[1], child=RAS, text=f"GCF rasAddress port {got[1]}")


def registration_request(c: Control, message: Message) -> bool:
    """An endpoint registers: calls may come in to its signalling address."""
    call = call_of(c)
    ports = (ours(c, endpoint(found, c.entry.family)) for found in message["signal"])
    port = next((p for p in ports if p is not None), None)
    if port is not None:
        text = f"RRQ callSignalAddress port {port}"
        if not c.expected(proto=_TCP, src=c.peer, dst=c.sender, dport=port, flags=PERMANENT, child=Q931, text=text):
            return False
    call.lifetime = message.get("lifetime", _DEFAULT_LIFETIME)
    return True


def registration_confirm(c: Control, message: Message) -> bool:
    """The registration holds for so long, and the entry with it. The kernel means to set the expectation's timer too,
    but looks for one without a source address and finds none."""
    call = call_of(c)
    call.lifetime = message.get("lifetime", call.lifetime)
    if call.lifetime > 0:
        c.refresh(call.lifetime)
    return True


def unregistration_request(c: Control, _message: Message) -> bool:
    """The registration ends."""
    table = c.helpers.table
    for exp in reversed(table.of(c.entry)):
        table.remove(exp, c.now, c.packet.number, "removed")
    c.refresh(_AFTER_UNREGISTRATION)
    return True


def admission_confirm(c: Control, message: Message) -> bool:
    """A call is granted: to the address given, or, when that is the endpoint's own, one that it answers."""
    got = endpoint(message["destination"], c.entry.family)
    if got is not None and got[0] == c.peer:
        return True
    return signalling(c, message["destination"], "ACF destCallSignalAddress")


_RAS: dict[str, Callable[[Control, Message], bool]] = {
    "gatekeeper_confirm": gatekeeper_confirm,
    "registration_request": registration_request,
    "registration_confirm": registration_confirm,
    "unregistration_request": unregistration_request,
    "admission_confirm": admission_confirm,
    "location_confirm": lambda c, m: signalling(c, m["signal"], "LCF callSignalAddress"),
}


def ras_packet(c: Control) -> bool:
    """One RAS message."""
    if not c.data:
        return True
    try:
        message = per.read(h225_types.RAS_MESSAGE, c.data)
    except per.PerError:
        return True
    act = _RAS.get(message[0])
    return True if act is None else act(c, message[1])
