"""Rare link layers, in plain Python: PPPoE, MPLS, LLC/SNAP, 802.11, Frame Relay, Token Ring, FDDI, pflog.

Each function answers where the IP header begins in the frame itself, so nothing is copied and lengths stay exact.
"""

from __future__ import annotations

import struct

from ctreplay import reasons
from ctreplay.packet import Packet

_VLAN = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)
_SNAP = b"\xaa\xaa\x03"
_SNAP_OUI = (b"\0\0\0", b"\0\0\xf8")
_MAX_NESTING = 12


class _NoIP(Exception):
    """Carries the reason name."""


def find(pkt: Packet, linktype: int) -> int:
    """Set `pkt.l3` for a frame of a rare link type; 0, or the reason's code."""
    frame = bytes(pkt.buf[pkt.start : pkt.start + pkt.caplen])
    try:
        reader = _LINKTYPES.get(linktype)
        if reader is None:
            return reasons.CODES["linktype"]
        pkt.l3 = pkt.start + reader(frame)
    except _NoIP as exc:
        return reasons.code(exc.args[0])
    except (IndexError, struct.error):
        return reasons.CODES["frame_short"]
    return 0


def ethertype(pkt: Packet, kind: int, o: int) -> int:
    """The same for an EtherType (or 802.3 length) that the fast lane does not know, with its payload at `o`."""
    frame = bytes(pkt.buf[pkt.start : pkt.start + pkt.caplen])
    try:
        pkt.l3 = pkt.start + _ethertype(frame, kind, o - pkt.start)
    except _NoIP as exc:
        return reasons.code(exc.args[0])
    except (IndexError, struct.error):
        return reasons.CODES["frame_short"]
    return 0


def _u16(frame: bytes, o: int) -> int:
    return int(struct.unpack_from("!H", frame, o)[0])


def _ethertype(frame: bytes, kind: int, o: int) -> int:
    for _ in range(_MAX_NESTING):
        if kind in _VLAN:
            kind, o = _u16(frame, o + 2), o + 4
        elif kind in (0x0800, 0x86DD):
            return o
        elif kind == 0x8864:
            return _ppp(frame, o + 6)
        elif kind in (0x8847, 0x8848):
            o = _below_labels(frame, o)
            if frame[o] >> 4 in (4, 6):
                return o
            if frame[o] >> 4 or len(frame) <= o + 18:
                raise _NoIP("mpls")
            # a pseudowire's control word and an Ethernet frame (RFC 4448)
            kind, o = _u16(frame, o + 16), o + 18
        elif kind == 0x0806:
            raise _NoIP("arp")
        elif kind <= 1500:
            if frame[o : o + 3] == _SNAP and frame[o + 3 : o + 6] in _SNAP_OUI:
                kind, o = _u16(frame, o + 6), o + 8
            elif frame[o : o + 3] == b"\x06\x06\x03":
                return o + 3
            else:
                raise _NoIP("llc")
        else:
            raise _NoIP(f"ethertype 0x{kind:04x}")
    raise _NoIP("nesting")


def _ethernet(frame: bytes, o: int = 0) -> int:
    return _ethertype(frame, _u16(frame, o + 12), o + 14)


def _below_labels(frame: bytes, o: int) -> int:
    """Where an MPLS label stack (RFC 3032) ends."""
    while not frame[o + 2] & 1:
        o += 4
    return o + 4


def _ppp(frame: bytes, o: int) -> int:
    if frame[o : o + 2] == b"\xff\x03":
        o += 2
    kind, size = (frame[o], 1) if frame[o] & 1 else (_u16(frame, o), 2)
    if kind not in (0x21, 0x57):
        raise _NoIP("ppp")
    return o + size


def _wlan(frame: bytes, o: int = 0, padded: bool = False) -> int:
    """IEEE 802.11 data frames with LLC/SNAP, also the only one of an aggregate (A-MSDU).

    With `padded` the header is followed by padding up to a multiple of four bytes.
    """
    kind, flags = frame[o], frame[o + 1]
    if kind & 0x0C != 0x08 or kind & 0x40:
        raise _NoIP("wlan_not_data")
    if flags & 0x40:
        raise _NoIP("wlan_protected")
    if frame[o + 22] & 0x0F:
        raise _NoIP("wlan_fragment")
    qos = kind & 0x80
    size = 24 + (6 if flags & 3 == 3 else 0)
    aggregate = qos and frame[o + size] & 0x80
    size += (2 if qos else 0) + (4 if qos and flags & 0x80 else 0)
    o += (size + 3) & ~3 if padded else size
    if not aggregate:
        return _llc(frame, o)
    # behind the last one there is at most padding and the frame check sequence
    if len(frame) - (o + 14 + _u16(frame, o + 12)) > 7:
        raise _NoIP("wlan_aggregate")
    return _llc(frame, o + 14)


def _llc(frame: bytes, o: int) -> int:
    return _ethertype(frame, 0, o)


def _radiotap(frame: bytes) -> int:
    """The flags field follows the bit masks of the fields present and the time (TSFT), which is aligned to 8 bytes."""
    size = int(struct.unpack_from("<H", frame, 2)[0])
    present, o = frame[4], 8
    while frame[o - 1] & 0x80:
        o += 4
    if present & 1:
        o = ((o + 7) & ~7) + 8
    padded = bool(present & 2 and o < size and frame[o] & 0x20)
    return _wlan(frame, size, padded)


def _ppi(frame: bytes) -> int:
    size = int(struct.unpack_from("<H", frame, 2)[0])
    inner = int(struct.unpack_from("<I", frame, 4)[0])
    if inner == 105:
        return _wlan(frame, size)
    if inner == 1:
        return _ethernet(frame, size)
    if inner in (12, 14, 101, 228, 229):
        return size
    raise _NoIP("linktype")


def _frame_relay(frame: bytes) -> int:
    """Q.922 address, then RFC 2427 (NLPID) or Cisco's EtherType encapsulation."""
    o = 0
    while not frame[o] & 1:
        o += 1
    o += 1
    if frame[o] == 0x03:
        o += 1
        if frame[o] == 0:
            o += 1
        nlpid = frame[o]
        if nlpid in (0xCC, 0x8E):
            return o + 1
        if nlpid == 0x80:
            return _ethertype(frame, _u16(frame, o + 4), o + 6)
        raise _NoIP("llc")
    return _ethertype(frame, _u16(frame, o), o + 2)


def _token_ring(frame: bytes) -> int:
    """IEEE 802.5: a source-routing field follows the addresses when the source's first bit is set."""
    if frame[1] >> 6 != 1:
        raise _NoIP("llc")
    size = 14
    if frame[8] & 0x80:
        size += frame[14] & 0x1F
    return _llc(frame, size)


def _fddi(frame: bytes) -> int:
    if frame[0] & 0x30 != 0x10:
        raise _NoIP("llc")
    return _llc(frame, 13)


def _pppoe(frame: bytes) -> int:
    return _ppp(frame, 6)


def _pflog(frame: bytes) -> int:
    return (frame[0] + 3) & ~3


def _enc(frame: bytes) -> int:
    return 12 if len(frame) > 12 else len(frame)


_LINKTYPES = {
    6: _token_ring,
    10: _fddi,
    51: _pppoe,
    105: _wlan,
    107: _frame_relay,
    109: _enc,
    117: _pflog,
    127: _radiotap,
    192: _ppi,
}
