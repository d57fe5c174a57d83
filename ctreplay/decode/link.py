"""Link layers: where the IP header begins in a frame.

The compiled lane reads what is frequent: Ethernet with VLAN tags, raw IP, NULL/LOOP, cooked captures (SLL, SLL2), PPP,
Cisco HDLC, NFLOG. Anything else goes through `ctreplay.decode.rare`.
"""

from __future__ import annotations

from ctreplay import octets, reasons
from ctreplay.decode import rare
from ctreplay.packet import Packet

_FRAME_SHORT = reasons.CODES["frame_short"]
_ARP = reasons.CODES["arp"]
_PPP = reasons.CODES["ppp"]
_IP_VERSION = reasons.CODES["ip_version"]
_NESTING = reasons.CODES["nesting"]
_MAX_NESTING = 12


class Link:
    """`find` sets `pkt.l3` to the IP header and returns 0, or returns the reason why there is none."""

    __slots__ = ()

    def find(self, pkt: Packet) -> int:
        """Dispatch on the LINKTYPE_* number of the frame's interface."""
        kind = pkt.linktype
        o = pkt.start
        cap = pkt.caplen
        if kind == 1:
            if cap < 14:
                return _FRAME_SHORT
            if octets.be16(pkt.buf, o + 12) == 0x0800:
                pkt.l3 = o + 14
                return 0
            return self.ethertype(pkt, octets.be16(pkt.buf, o + 12), o + 14)
        if kind == 101 or kind == 228 or kind == 229 or kind == 12 or kind == 14:
            pkt.l3 = o
            return 0 if cap else _FRAME_SHORT
        if kind == 113:
            if cap < 16:
                return _FRAME_SHORT
            return self.ethertype(pkt, octets.be16(pkt.buf, o + 14), o + 16)
        if kind == 276:
            if cap < 20:
                return _FRAME_SHORT
            return self.ethertype(pkt, octets.be16(pkt.buf, o), o + 20)
        if kind == 0 or kind == 108:
            return self.null(pkt)
        if kind == 104 or (kind == 50 and cap >= 1 and pkt.buf[o] & 0x7F == 0x0F):
            # Cisco HDLC, which LINKTYPE_PPP_HDLC may be as well
            if cap < 4:
                return _FRAME_SHORT
            return self.ethertype(pkt, octets.be16(pkt.buf, o + 2), o + 4)
        if kind == 9 or kind == 50:
            return self.ppp(pkt, o)
        if kind == 239:
            return self.nflog(pkt)
        return rare.find(pkt, kind)

    def ethertype(self, pkt: Packet, kind: int, o: int) -> int:
        """Follow VLAN tags (802.1Q, 802.1ad and their predecessors) from an EtherType with its payload at `o`."""
        end = pkt.start + pkt.caplen
        depth = 0
        while kind == 0x8100 or kind == 0x88A8 or kind == 0x9100 or kind == 0x9200 or kind == 0x9300:
            depth += 1
            if depth > _MAX_NESTING:
                return _NESTING
            if end - o < 4:
                return _FRAME_SHORT
            kind = octets.be16(pkt.buf, o + 2)
            o += 4
        if kind == 0x0800 or kind == 0x86DD:
            pkt.l3 = o
            return 0
        if kind == 0x0806:
            return _ARP
        return rare.ethertype(pkt, kind, o)

    def null(self, pkt: Packet) -> int:
        """BSD loopback: an address family in the byte order of the capturing host (LOOP: network order)."""
        o = pkt.start
        if pkt.caplen < 4:
            return _FRAME_SHORT
        b = pkt.buf
        family = octets.be32(b, o)
        if family & 0xFFFFFF == 0:
            family >>= 24
        if family in (2, 10, 23, 24, 28, 30):
            pkt.l3 = o + 4
            return 0
        return _IP_VERSION

    def ppp(self, pkt: Packet, o: int) -> int:
        """RFC 1661 protocol field, with or without the HDLC address bytes of RFC 1662."""
        b = pkt.buf
        end = pkt.start + pkt.caplen
        if end - o >= 2 and b[o] == 0xFF and b[o + 1] == 3:
            o += 2
        if end - o < 2:
            return _FRAME_SHORT
        if b[o] & 1:
            kind = b[o]
            o += 1
        else:
            kind = octets.be16(b, o)
            o += 2
        if kind == 0x21 or kind == 0x57:
            pkt.l3 = o
            return 0
        return _PPP

    def nflog(self, pkt: Packet) -> int:
        """LINKTYPE_NFLOG: four header bytes, then attributes; number 9 holds the packet."""
        b = pkt.buf
        o = pkt.start + 4
        end = pkt.start + pkt.caplen
        while end - o >= 4:
            # in the byte order of the logging host: types are small, beside two flags in their high byte
            if b[o + 2] & 0x3F:
                size = b[o] | b[o + 1] << 8
                kind = b[o + 2]
            else:
                size = b[o] << 8 | b[o + 1]
                kind = b[o + 3]
            if kind == 9 and size >= 4:
                pkt.l3 = o + 4
                return 0
            if size < 4:
                break
            o += (size + 3) & ~3
        return _FRAME_SHORT
