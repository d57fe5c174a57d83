"""UDP, UDP-Lite, ICMP, ICMPv6, GRE and every other protocol: trackers without a state machine."""

from __future__ import annotations

from ctreplay import octets, reasons
from ctreplay.decode.checksum import Checksum
from ctreplay.packet import Packet
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.settings import Settings

_ACCEPT = 0
_INVALID = 1
_SEEN_REPLY = 0x2
_ASSURED = 0x4
_EV_ASSURED = 1 << 4
_STREAM_AFTER = 2_000_000_000

_R_UDP_SHORT = reasons.CODES["udp_short"]
_R_UDP_LENGTH = reasons.CODES["udp_length"]
_R_UDP_CHECKSUM = reasons.CODES["udp_checksum"]
_R_LITE_SHORT = reasons.CODES["udplite_short"]
_R_LITE_COVERAGE = reasons.CODES["udplite_coverage"]
_R_LITE_CHECKSUM = reasons.CODES["udplite_checksum"]
_R_NOT_REQUEST = reasons.CODES["icmp_not_request"]
_R_FAMILY = reasons.CODES["icmp_family"]


class Datagram:
    """Verdict and timeout of one packet; `p.refreshed` and `p.account` are set on accept."""

    __slots__ = ("checksum", "s")

    def __init__(self, settings: Settings, checksum: Checksum) -> None:
        self.s = settings
        self.checksum = checksum

    def refresh(self, p: Packet, timeout: int) -> int:
        """Accept, refresh to `timeout` ns, count."""
        p.timeout_ns = timeout
        p.refreshed = True
        p.account = True
        return _ACCEPT

    def assure(self, e: Entry) -> int:
        """Set ASSURED, once."""
        if not e.status & _ASSURED:
            e.status |= _ASSURED
            e.events |= _EV_ASSURED
        return 0

    def udp(self, e: Entry, p: Packet, now: int) -> int:
        """nf_conntrack_udp_packet: a stream is a replied flow that is still used 2 s after its first packet."""
        if p.l4_len < 8:
            p.reason = _R_UDP_SHORT
            return _INVALID
        o = p.l4
        length = octets.be16(p.buf, o + 4)
        if length < 8 or length > p.l4_len:
            p.reason = _R_UDP_LENGTH
            return _INVALID
        # the sum runs over the whole IP payload, with its length in the pseudo-header
        if (
            self.s.checksum
            and p.cut == 0
            and p.buf[o + 6] | p.buf[o + 7]
            and not self.checksum.transport(p, 17, p.l4_len)
        ):
            p.reason = _R_UDP_CHECKSUM
            return _INVALID
        if e.status & _SEEN_REPLY and now - e.first_ts > _STREAM_AFTER:
            self.assure(e)
            return self.refresh(p, self.s.udp_stream)
        return self.refresh(p, self.s.udp)

    def udplite(self, e: Entry, p: Packet) -> int:
        """nf_conntrack_udplite_packet; its checksum is another one than RFC 3828's."""
        if p.l4_len < 8:
            p.reason = _R_LITE_SHORT
            return _INVALID
        o = p.l4
        coverage = octets.be16(p.buf, o + 4)
        if coverage == 0:
            coverage = p.l4_len
        if coverage < 8 or coverage > p.l4_len:
            p.reason = _R_LITE_COVERAGE
            return _INVALID
        if not (p.buf[o + 6] | p.buf[o + 7]):
            p.reason = _R_LITE_CHECKSUM
            return _INVALID
        if self.s.checksum and p.cut == 0 and not self.checksum.udplite(p, coverage):
            p.reason = _R_LITE_CHECKSUM
            return _INVALID
        if e.status & _SEEN_REPLY:
            self.assure(e)
            return self.refresh(p, self.s.udp_stream)
        return self.refresh(p, self.s.udp)

    def icmp(self, e: Entry, p: Packet) -> int:
        """nf_conntrack_icmp_packet: only requests open an entry."""
        if e.family != 4:
            p.reason = _R_FAMILY
            return _INVALID
        kind = e.dport >> 8
        if kind != 8 and kind != 13 and kind != 15 and kind != 17:
            p.reason = _R_NOT_REQUEST
            return _INVALID
        return self.refresh(p, self.s.icmp)

    def icmpv6(self, e: Entry, p: Packet) -> int:
        """nf_conntrack_icmpv6_packet."""
        if e.family != 6:
            p.reason = _R_FAMILY
            return _INVALID
        kind = e.dport >> 8
        if e.in_table == 0 and kind != 128 and kind != 139:
            p.reason = _R_NOT_REQUEST
            return _INVALID
        return self.refresh(p, self.s.icmpv6)

    def gre(self, e: Entry, p: Packet) -> int:
        """nf_conntrack_gre_packet."""
        if e.status & _SEEN_REPLY:
            self.assure(e)
            return self.refresh(p, self.s.gre_stream)
        return self.refresh(p, self.s.gre)

    def generic(self, e: Entry, p: Packet) -> int:
        """nf_conntrack_generic: one timeout, no state, never ASSURED."""
        return self.refresh(p, self.s.generic)
