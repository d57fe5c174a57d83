"""IP and transport headers into a `Packet`: the compiled fast lane.

Lengths come from the IP headers. Bytes that the capture cut off but the IP length promises read as zero, as they would
if the packet arrived padded. Every read is behind one length check for its header.
"""

from __future__ import annotations

from ctreplay import octets, reasons
from ctreplay.packet import Packet

_OK = 0
_IP_VERSION = reasons.CODES["ip_version"]
_IP_HEADER = reasons.CODES["ip_header"]
_IPV6_ADDRESS = reasons.CODES["ipv6_address"]
_IPV6_OPTIONS = reasons.CODES["ipv6_options"]
_IP_LENGTH = reasons.CODES["ip_length"]
_L4_NOT_FOUND = reasons.CODES["l4_not_found"]
_TUPLE_MISSING = reasons.CODES["tuple_missing"]
_GRE_NOT_PPP = reasons.CODES["gre_not_ppp"]
_V4_MAPPED = 0x0000FFFF00000000
_U16 = 0xFFFF
_TCP = 6
_UDP = 17
_ICMP = 1
_ICMPV6 = 58
_SCTP = 132
_UDPLITE = 136
_GRE = 47
_GRE_PPP = 0x880B
_MAX_PADDED = 65535 + 40
_MAX_PAYLOAD = 1 << 30
# hop-by-hop options: what the kernel knows, and how many, and how much padding in a row it takes
_PAD1 = 0
_PADN = 1
_ROUTER_ALERT = 5
_CALIPSO = 7
_IOAM = 0x31
_JUMBO = 0xC2
_MAX_OPTIONS = 8
_MAX_PADDING = 7


class Network:
    """Reads IP headers. `parse` wants `pkt.l3` set to where the IP header begins; 0 or a reason is returned.

    When the capture cut a packet so short that headers are missing, `parse` answers on a padded copy: `whole` then is
    that packet and must be used instead of the one given.
    """

    __slots__ = ("padded", "scratch", "whole")

    def __init__(self) -> None:
        self.scratch = bytearray(_MAX_PADDED)
        self.padded = Packet()
        self.padded.buf = self.scratch
        self.whole = self.padded

    def parse(self, pkt: Packet) -> int:
        """Decode network and transport headers; `self.whole` is the packet to track."""
        self.whole = pkt
        left = pkt.start + pkt.caplen - pkt.l3
        if left < 1:
            return _IP_HEADER
        version = pkt.buf[pkt.l3] >> 4
        if version == 4:
            fault = self.ipv4(pkt, left)
        elif version == 6:
            fault = self.ipv6(pkt, left)
            if fault == 0:
                fault = self.dropped_on_receipt(pkt, left)
        else:
            return _IP_VERSION
        if fault != 0:
            return fault
        # the kernel reassembles nothing whose header does not hold the length (nf_ct_frag6_gather)
        lengthless = pkt.frag != 0 and version == 6 and octets.be16(pkt.buf, pkt.l3 + 4) == 0
        if pkt.cut and self.needs_padding(pkt):
            if pkt.l3_len > (_U16 if version == 4 else _MAX_PADDED):
                # a jumbogram, or BIG TCP, of which not even the headers were captured
                pkt.frag = 0
                pkt.l4_fault = _L4_NOT_FOUND
                return self.transport(pkt)
            pkt = self.pad(pkt, left)
            self.whole = pkt
            if version == 4:
                self.ipv4(pkt, pkt.l3_len)
            else:
                self.ipv6(pkt, pkt.l3_len)
            # whole by its length, but its checksums cannot be verified
            pkt.cut = 1
        if lengthless:
            pkt.frag = 0
        if pkt.frag == 0:
            self.transport(pkt)
        return _OK

    def reassembled(self, pkt: Packet) -> int:
        """The same for a datagram put together from fragments: what it holds was not there yet on receipt, and further
        fragment headers are only skipped. `pkt.family` is set: reassembly may have overwritten the version.
        """
        left = pkt.start + pkt.caplen - pkt.l3
        if pkt.family == 4:
            self.ipv4(pkt, left)
        else:
            self.ipv6(pkt, left)
        pkt.frag = 0
        return self.transport(pkt)

    def ipv4(self, pkt: Packet, left: int) -> int:
        """RFC 791 header; `left` captured bytes from `pkt.l3` on."""
        o = pkt.l3
        if left < 20:
            return _IP_HEADER
        ihl = (pkt.buf[o] & 15) << 2
        if ihl < 20 or left < ihl:
            return _IP_HEADER
        total = octets.be16(pkt.buf, o + 2)
        pkt.proto = pkt.buf[o + 9]
        if total == 0 and pkt.proto == _TCP:
            # left to the network card, or too long for the field (BIG TCP; iph_totlen): take what was on the wire
            total = min(pkt.wirelen - (o - pkt.start), _MAX_PAYLOAD)
        if total < ihl:
            return _IP_LENGTH
        pkt.family = 4
        pkt.ported = False
        pkt.hop_limit = pkt.buf[o + 8]
        pkt.src_hi = 0
        pkt.dst_hi = 0
        pkt.src_lo = _V4_MAPPED | octets.be32(pkt.buf, o + 12)
        pkt.dst_lo = _V4_MAPPED | octets.be32(pkt.buf, o + 16)
        pkt.l3_len = total
        pkt.cut = 1 if left < total else 0
        pkt.l4 = o + ihl
        pkt.l4_len = total - ihl
        pkt.l4_cap = (left if left < total else total) - ihl
        pkt.l4_fault = 0
        fragment = octets.be16(pkt.buf, o + 6)
        if fragment & 0x3FFF:
            pkt.frag = 1
            pkt.frag_off = (fragment & 0x1FFF) << 3
            pkt.frag_more = fragment >> 13 & 1
            pkt.frag_id = octets.be16(pkt.buf, o + 4)
        else:
            pkt.frag = 0
        return _OK

    def ipv6(self, pkt: Packet, left: int) -> int:
        """RFC 8200 header and the chain of extension headers; `left` captured bytes from `pkt.l3` on."""
        o = pkt.l3
        if left < 40:
            return _IP_HEADER
        payload = octets.be16(pkt.buf, o + 4)
        nxt = pkt.buf[o + 6]
        if payload == 0 and (nxt == _TCP or nxt == _UDP):
            payload = pkt.wirelen - (o - pkt.start) - 40
            if payload < 0 or payload > _U16:
                payload = 0
        elif payload == 0 and nxt == 0:
            payload = self.all_there_is(pkt, left)
        pkt.family = 6
        pkt.hop_limit = pkt.buf[o + 7]
        pkt.src_hi = octets.be64(pkt.buf, o + 8)
        pkt.src_lo = octets.be64(pkt.buf, o + 16)
        pkt.dst_hi = octets.be64(pkt.buf, o + 24)
        pkt.dst_lo = octets.be64(pkt.buf, o + 32)
        total = 40 + payload
        pkt.l3_len = total
        pkt.cut = 1 if left < total else 0
        pkt.frag = 0
        pkt.ported = False
        end = o + (left if left < total else total)
        return self.chain(pkt, nxt, o + 40, end)

    def all_there_is(self, pkt: Packet, left: int) -> int:
        """Payload when hop-by-hop options have the length: a jumbogram's (RFC 2675), without one all of the frame."""
        o = pkt.l3
        size = pkt.wirelen - (o - pkt.start) - 40
        if left >= 48 and pkt.buf[o + 42] == _JUMBO and pkt.buf[o + 43] == 4:
            jumbo = octets.be32(pkt.buf, o + 44)
            size = jumbo if jumbo < size else size
        # no frame is that long, whatever a capture claims
        return 0 if size < 0 else min(size, _MAX_PAYLOAD)

    def dropped_on_receipt(self, pkt: Packet, left: int) -> int:
        """Why an IPv6 packet does not come as far as conntrack (ip6_rcv), 0 if it does."""
        # multicast sources, and groups of scope 0 and 1 (RFC 4291 section 2.7)
        if pkt.src_hi >> 56 == 0xFF or (pkt.dst_hi >> 56 == 0xFF and (pkt.dst_hi >> 48 & 0xF) < 2):
            return _IPV6_ADDRESS
        o = pkt.l3
        if pkt.buf[o + 6] == 0:
            end = o + (left if left < pkt.l3_len else pkt.l3_len)
            if self.options_refused(pkt, o + 40, end, octets.be16(pkt.buf, o + 4)):
                return _IPV6_OPTIONS
        return _OK

    def options_refused(self, pkt: Packet, o: int, end: int, payload: int) -> bool:
        """Whether the kernel drops the packet for its hop-by-hop header at `o` (ipv6_parse_hopopts; RFC 8200, 4.2).

        `end` is where the captured bytes of the packet end; what was cut of the header is taken for good. CALIPSO is
        refused, as where NetLabel has no domain for it.
        """
        if end - o < 8 and pkt.cut == 0:
            return True
        stop = o + 8 if end - o < 2 else o + ((pkt.buf[o + 1] + 1) << 3)
        if stop > end and pkt.cut == 0:
            return True
        at = o + 2
        padding = 0
        count = 0
        while at < stop and at < end:
            kind = pkt.buf[at]
            if kind == _PAD1:
                size = 1
            elif stop - at < 2:
                return True
            elif end - at < 2:
                return False
            else:
                size = pkt.buf[at + 1] + 2
                if size > stop - at:
                    return True
            if kind <= _PADN:
                padding += size
                if padding > _MAX_PADDING:
                    return True
                for i in range(at + 2, min(at + size, end)):
                    if pkt.buf[i] != 0:
                        return True
            else:
                padding = 0
                count += 1
                if count > _MAX_OPTIONS:
                    return True
                if kind == _ROUTER_ALERT:
                    if size != 4:
                        return True
                elif kind == _IOAM:
                    if (at - o) & 3:
                        return True
                elif kind == _JUMBO:
                    if size != 6 or (at - o) & 3 != 2 or payload != 0:
                        return True
                    if end - at < 6:
                        return False
                    if octets.be16(pkt.buf, at + 2) == 0:
                        return True
                    if octets.be32(pkt.buf, at + 2) > pkt.wirelen - (o - pkt.start):
                        return True
                elif kind == _CALIPSO or kind > 0x3F:
                    # an unknown one of these kinds is not to be passed over
                    return True
            at += size
        return False

    def chain(self, pkt: Packet, nxt: int, o: int, end: int) -> int:
        """Walk extension headers from `o` (type `nxt`) to the transport header (ipv6_skip_exthdr).

        `end` is where the captured bytes of the packet end. The first fragment header that is not atomic marks the
        packet as a fragment; `frag_pos` is where it stands, so that reassembly can take it out.
        """
        pkt.l4_fault = 0
        while True:
            if nxt == 44:
                if pkt.frag == 0 and o <= end:
                    # whether it is whole is reassembly's question
                    pkt.frag = 1
                    pkt.frag_pos = o
                    pkt.frag_off = octets.be16(pkt.buf, o + 2) & 0xFFF8 if end - o >= 4 else 0
                    pkt.frag_more = pkt.buf[o + 3] & 1 if end - o >= 4 else 0
                    pkt.frag_id = octets.be32(pkt.buf, o + 4) if end - o >= 8 else 0
                if end - o < 4:
                    pkt.l4_fault = _L4_NOT_FOUND
                    break
                word = octets.be16(pkt.buf, o + 2)
                if word & 0xFFF8:
                    pkt.l4_fault = _L4_NOT_FOUND
                    break
                nxt = pkt.buf[o]
                o += 8
            elif nxt == 0 or nxt == 43 or nxt == 60 or nxt == 51:
                if end - o < 2:
                    pkt.l4_fault = _L4_NOT_FOUND
                    break
                if nxt == 51:
                    size = (pkt.buf[o + 1] + 2) << 2
                else:
                    size = (pkt.buf[o + 1] + 1) << 3
                nxt = pkt.buf[o]
                o += size
            else:
                if nxt == 59:
                    pkt.l4_fault = _L4_NOT_FOUND
                break
        if o > end:
            # a header longer than the packet still names a protocol, which may do without a byte of its own
            if pkt.cut:
                pkt.l4_fault = _L4_NOT_FOUND
            o = end
        pkt.proto = nxt
        pkt.l4 = o
        pkt.l4_len = pkt.l3 + pkt.l3_len - o
        pkt.l4_cap = end - o
        return _OK

    def needs_padding(self, pkt: Packet) -> bool:
        """Whether a packet cut by the snap length lacks bytes that its tracker looks at."""
        if pkt.frag or pkt.l4_fault:
            return True
        proto = pkt.proto
        if proto == _TCP:
            return pkt.l4_cap < 20 or pkt.l4_cap < (pkt.buf[pkt.l4 + 12] >> 4) << 2
        if proto == _UDP or proto == _UDPLITE or proto == _GRE:
            return pkt.l4_cap < 8
        return proto == _SCTP or proto == _ICMP or proto == _ICMPV6

    def pad(self, pkt: Packet, left: int) -> Packet:
        """A copy of the packet, filled with zeros up to its IP length."""
        whole = self.padded
        whole.copy_record(pkt)
        total = pkt.l3_len
        source = pkt.buf
        target = whole.buf = self.scratch
        begin = pkt.l3
        for i in range(left):
            target[i] = source[begin + i]
        for i in range(left, total):
            target[i] = 0
        whole.start = 0
        whole.caplen = total
        whole.wirelen = total
        whole.l3 = 0
        # offload lengths were settled above; the copy carries them
        if pkt.family == 4:
            target[2] = total >> 8
            target[3] = total & 255
        else:
            target[4] = (total - 40) >> 8
            target[5] = (total - 40) & 255
        whole.l3_len = total
        return whole

    def quoted(self, inner: Packet, outer: Packet, o: int) -> int:
        """The packet that an ICMP error quotes at `o`, as far as its tuple: `inner.l4_fault` or `tuple_fault` if not.

        Neither version nor length fields of the quoted header are looked at, as in the kernel.
        """
        end = outer.l4 + outer.l4_len
        inner.buf = outer.buf
        inner.family = outer.family
        inner.zone = outer.zone
        inner.frag = 0
        inner.l3 = o
        inner.l3_len = end - o
        inner.l4_fault = _L4_NOT_FOUND
        if outer.family == 4:
            if end - o < 20 or octets.be16(inner.buf, o + 6) & 0x1FFF:
                return _OK
            inner.proto = inner.buf[o + 9]
            inner.src_hi = 0
            inner.dst_hi = 0
            inner.src_lo = _V4_MAPPED | octets.be32(inner.buf, o + 12)
            inner.dst_lo = _V4_MAPPED | octets.be32(inner.buf, o + 16)
            inner.l4 = o + ((inner.buf[o] & 15) << 2)
            if inner.l4 > end:
                return _OK
            inner.l4_cap = end - inner.l4
            inner.l4_fault = 0
        else:
            if end - o < 40:
                return _OK
            inner.src_hi = octets.be64(inner.buf, o + 8)
            inner.src_lo = octets.be64(inner.buf, o + 16)
            inner.dst_hi = octets.be64(inner.buf, o + 24)
            inner.dst_lo = octets.be64(inner.buf, o + 32)
            self.chain(inner, inner.buf[o + 6], o + 40, end)
        return self.transport(inner)

    def transport(self, pkt: Packet) -> int:
        """The tuple's transport parts and, for TCP, the fields that tracking reads (nf_ct_get_tuple)."""
        pkt.tuple_fault = 0
        pkt.hash = 0
        pkt.sport = 0
        pkt.dport = 0
        pkt.flags = 0
        if pkt.l4_fault:
            return _OK
        o = pkt.l4
        cap = pkt.l4_cap
        proto = pkt.proto
        if proto == _TCP:
            if cap >= 20:
                pkt.sport = octets.be16(pkt.buf, o)
                pkt.dport = octets.be16(pkt.buf, o + 2)
                pkt.seq = octets.be32(pkt.buf, o + 4)
                pkt.ack = octets.be32(pkt.buf, o + 8)
                pkt.doff = (pkt.buf[o + 12] >> 4) << 2
                pkt.flags = pkt.buf[o + 13]
                pkt.window = octets.be16(pkt.buf, o + 14)
                pkt.ported = True
                return _OK
            pkt.doff = 0
        if proto == _TCP or proto == _UDP or proto == _SCTP or proto == _UDPLITE:
            if cap < 4:
                pkt.tuple_fault = _TUPLE_MISSING
            else:
                pkt.sport = octets.be16(pkt.buf, o)
                pkt.dport = octets.be16(pkt.buf, o + 2)
                pkt.ported = True
        elif proto == _ICMP or proto == _ICMPV6:
            if cap < 8:
                pkt.tuple_fault = _TUPLE_MISSING
            else:
                pkt.sport = octets.be16(pkt.buf, o + 4)
                pkt.dport = octets.be16(pkt.buf, o)
        elif proto == _GRE and cap >= 4 and pkt.buf[o + 1] & 7 == 1 and cap >= 8:
            if octets.be16(pkt.buf, o + 2) == _GRE_PPP:
                pkt.dport = octets.be16(pkt.buf, o + 6)
            else:
                pkt.tuple_fault = _GRE_NOT_PPP
        return _OK
