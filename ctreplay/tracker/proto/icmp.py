"""ICMP and ICMPv6 before the lookup: rejected, untracked, or an error about another entry (spec section 2.6)."""

from __future__ import annotations

from ctreplay import reasons
from ctreplay.decode.checksum import Checksum
from ctreplay.decode.network import Network
from ctreplay.packet import Packet
from ctreplay.tracker.settings import Settings
from ctreplay.tracker.table import Table

_GO_ON = 0
_REJECT = 1
_UNTRACKED = 2
_ATTACHED = 3

_RELATED = 3

_ICMP = 1
_ICMPV6 = 58
_LINK_LOCAL = 0xFE80
_HOP_LIMIT = 255
_REDIRECTED_HEADER = 4

_R_SHORT = reasons.CODES["icmp_short"]
_R_CHECKSUM = reasons.CODES["icmp_checksum"]
_R_TYPE = reasons.CODES["icmp_type"]
_R_QUOTE = reasons.CODES["icmp_error_quote"]
_R_NO_ENTRY = reasons.CODES["icmp_error_no_entry"]
_R_DESTINATION = reasons.CODES["icmp_error_destination"]
_R_REDIRECT = reasons.CODES["icmp_redirect"]
_R_UNTRACKED = reasons.CODES["icmpv6_untracked"]
_R_ERROR = reasons.CODES["icmp_error"]


class Icmp:
    """`check` answers go on, reject, untracked, or attached (then `p.entry` and `p.direction` are set)."""

    __slots__ = ("checksum", "inner", "network", "probe", "s", "table")

    def __init__(self, settings: Settings, checksum: Checksum, network: Network, table: Table) -> None:
        self.s = settings
        self.checksum = checksum
        self.network = network
        self.table = table
        self.inner = Packet()
        self.probe = Packet()

    def reject(self, p: Packet, reason: int) -> int:
        """Note why and answer reject."""
        p.reason = reason
        return _REJECT

    def check(self, p: Packet) -> int:
        """Either protocol; one of them inside the other family is an ordinary packet here."""
        if p.family == 4 and p.proto == _ICMP:
            return self.v4(p)
        if p.family == 6 and p.proto == _ICMPV6:
            return self.v6(p)
        return _GO_ON

    def v4(self, p: Packet) -> int:
        """nf_conntrack_icmpv4_error."""
        if p.l4_len < 8:
            return self.reject(p, _R_SHORT)
        if self.s.checksum and p.cut == 0:
            total = self.checksum.total(p, p.l4, p.l4_len)
            # the kernel adds the IP header, whose sum is 0xffff: a message of nothing but zeros passes
            if total != 0xFFFF and total != 0:
                return self.reject(p, _R_CHECKSUM)
        kind = p.buf[p.l4]
        if kind > 18:
            return self.reject(p, _R_TYPE)
        if kind == 3 or kind == 4 or kind == 5 or kind == 11 or kind == 12:
            return self.error(p, p.l4 + 8)
        return _GO_ON

    def v6(self, p: Packet) -> int:
        """nf_conntrack_icmpv6_error."""
        if p.l4_len < 8:
            return self.reject(p, _R_SHORT)
        if self.s.checksum and p.cut == 0 and not self.checksum.transport(p, _ICMPV6, p.l4_len):
            return self.reject(p, _R_CHECKSUM)
        kind = p.buf[p.l4]
        if 130 <= kind <= 136 or kind == 143 or kind == 151 or kind == 152:
            p.reason = _R_UNTRACKED
            return _UNTRACKED
        if kind == 137:
            return self.redirect(p)
        if kind < 128:
            return self.error(p, p.l4 + 8)
        return _GO_ON

    def redirect(self, p: Packet) -> int:
        """nf_conntrack_icmpv6_redirect: the redirected packet is quoted in an option (RFC 4861 section 4.5)."""
        o = p.l4
        if p.buf[o + 1] != 0:
            return _GO_ON
        if p.hop_limit != _HOP_LIMIT or p.src_hi >> 48 & 0xFFC0 != _LINK_LOCAL:
            return self.reject(p, _R_REDIRECT)
        if p.l4_len < 48 or p.buf[o + 41] == 0:
            return self.reject(p, _R_REDIRECT)
        if p.buf[o + 40] != _REDIRECTED_HEADER:
            return _GO_ON
        return self.error(p, o + 48)

    def error(self, p: Packet, o: int) -> int:
        """Find the entry of the packet quoted at `o`: its inverted tuple, and the error must go to its sender."""
        inner = self.inner
        self.network.quoted(inner, p, o)
        if inner.l4_fault or inner.tuple_fault:
            return self.reject(p, _R_QUOTE)
        probe = self.probe
        probe.family = p.family
        probe.zone = p.zone
        probe.hash = 0
        probe.proto = inner.proto
        probe.src_hi = inner.dst_hi
        probe.src_lo = inner.dst_lo
        probe.dst_hi = inner.src_hi
        probe.dst_lo = inner.src_lo
        if not self.invert(inner.proto, inner.sport, inner.dport, probe):
            return self.reject(p, _R_QUOTE)
        e = self.table.find(probe)
        if e is None:
            return self.reject(p, _R_NO_ENTRY)
        if probe.dst_lo != p.dst_lo or probe.dst_hi != p.dst_hi:
            return self.reject(p, _R_DESTINATION)
        p.entry = e
        p.direction = probe.direction
        p.ctstate = _RELATED
        p.note = _R_ERROR
        return _ATTACHED

    def invert(self, proto: int, sport: int, dport: int, into: Packet) -> bool:
        """The reply's transport parts of a tuple, as `into.sport` and `into.dport`; False when there is no inverse."""
        if proto == _ICMP:
            kind = dport >> 8
            if kind == 8:
                kind = 0
            elif kind == 0:
                kind = 8
            elif 13 <= kind <= 18:
                kind = kind + 1 if kind & 1 else kind - 1
            else:
                return False
            into.sport = sport
            into.dport = kind << 8 | (dport & 0xFF)
            return True
        if proto == _ICMPV6:
            kind = dport >> 8
            if kind == 128 or kind == 139:
                kind += 1
            elif kind == 129 or kind == 140:
                kind -= 1
            else:
                return False
            into.sport = sport
            into.dport = kind << 8 | (dport & 0xFF)
            return True
        into.sport = dport
        into.dport = sport
        return True
