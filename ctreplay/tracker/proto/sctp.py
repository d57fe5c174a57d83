"""SCTP tracking by chunk types and verification tags (nf_conntrack_proto_sctp)."""

from __future__ import annotations

from ctreplay import octets, reasons
from ctreplay.decode.checksum import Checksum
from ctreplay.packet import Packet
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.proto import sctp_table
from ctreplay.tracker.settings import Settings

_ACCEPT = 0
_INVALID = 1
_TABLE_INVALID = sctp_table.INVALID
_ASSURED = 0x4
_EV_ASSURED = 1 << 4
_EV_PROTOINFO = 1 << 5

_CLOSED = 1
_ESTABLISHED = 4

_DATA = 0
_INIT = 1
_INIT_ACK = 2
_HEARTBEAT = 4
_HEARTBEAT_ACK = 5
_ABORT = 6
_SHUTDOWN_ACK = 8
_COOKIE_ECHO = 10
_COOKIE_ACK = 11
_SHUTDOWN_COMPLETE = 14

# chunk sets as bit masks of types 0..15
_ALONE = 1 << _INIT | 1 << _INIT_ACK | 1 << _SHUTDOWN_COMPLETE
_FIRST = 1 << _COOKIE_ECHO | 1 << _COOKIE_ACK
_NOT_OPENING = 1 << _ABORT | 1 << _SHUTDOWN_COMPLETE | 1 << _COOKIE_ACK
_TAG_FREE = (
    1 << _INIT | 1 << _SHUTDOWN_COMPLETE | 1 << _COOKIE_ECHO | 1 << _ABORT | 1 << _SHUTDOWN_ACK
    | 1 << _HEARTBEAT | 1 << _HEARTBEAT_ACK
)  # fmt: skip

# marks in Entry.last_flags
_INIT_SEEN0 = 1
_INIT_SEEN1 = 2
_HB_FAIL = 4

_R_SHORT = reasons.CODES["sctp_short"]
_R_CHECKSUM = reasons.CODES["sctp_checksum"]
_R_CHUNKS = reasons.CODES["sctp_chunks"]
_R_NOT_OPENING = reasons.CODES["sctp_not_opening"]
_R_VTAG = reasons.CODES["sctp_vtag"]
_R_TRANSITION = reasons.CODES["sctp_bad_transition"]
_R_NOT_REFRESHED = reasons.CODES["sctp_not_refreshed"]


class Sctp:
    """Verification tags live in `Entry.end0` (tag of packets from the original side) and `Entry.end1`."""

    __slots__ = ("checksum", "chunk_set", "s", "table")

    def __init__(self, settings: Settings, checksum: Checksum) -> None:
        self.s = settings
        self.checksum = checksum
        self.table = sctp_table.flat()
        self.chunk_set = 0

    def invalid(self, p: Packet, reason: int) -> int:
        """Note why and answer INVALID."""
        p.reason = reason
        return _INVALID

    def vtag(self, e: Entry, direction: int) -> int:
        """Tag expected in packets of `direction`."""
        return e.end1 if direction else e.end0

    def set_vtag(self, e: Entry, direction: int, tag: int) -> int:
        """Remember the tag of packets in `direction`."""
        if direction:
            e.end1 = tag
        else:
            e.end0 = tag
        return 0

    def scan(self, p: Packet) -> int:
        """Chunk structure: `chunk_set` collects the types met; a reason is returned for forbidden bundles."""
        b = p.buf
        o = p.l4 + 12
        end = p.l4 + p.l4_len
        count = 0
        self.chunk_set = 0
        alone = False
        while end - o >= 4:
            kind = b[o]
            size = octets.be16(b, o + 2)
            if size == 0:
                return _R_CHUNKS
            if kind < 16:
                bit = 1 << kind
                if bit & _ALONE:
                    alone = True
                # a lone chunk may neither follow another nor be followed; cookies must come first
                if count and (alone or bit & _FIRST):
                    return _R_CHUNKS
                self.chunk_set |= bit
            elif count and alone:
                return _R_CHUNKS
            o += (size + 3) & ~3
            count += 1
        return _R_CHUNKS if count == 0 else 0

    def opening(self, e: Entry, p: Packet, tag: int) -> int:
        """First packet of an association: chunks that may open it, and the tags they announce."""
        if self.chunk_set & _NOT_OPENING:
            return _R_NOT_OPENING
        b = p.buf
        o = p.l4 + 12
        end = p.l4 + p.l4_len
        e.end0 = 0
        e.end1 = 0
        e.last_flags = 0
        while end - o >= 4:
            kind = b[o]
            size = octets.be16(b, o + 2)
            new = self.table[kind * 9] if kind < 16 else 0
            if new == 0 or new == _TABLE_INVALID:
                return _R_NOT_OPENING
            if kind == _INIT:
                if tag != 0 or end - o < 20:
                    return _R_VTAG
                e.end1 = octets.be32(b, o + 4)
            elif kind == _HEARTBEAT:
                e.end0 = tag
            elif kind == _SHUTDOWN_ACK:
                e.end1 = tag
            o += (size + 3) & ~3
        return 0

    def packet(self, e: Entry, p: Packet) -> int:
        """Judge one packet; state set by earlier chunks stays even when a later one is refused."""
        if p.l4_len < 12:
            return self.invalid(p, _R_SHORT)
        if self.s.checksum and p.cut == 0 and not self.checksum.sctp(p):
            return self.invalid(p, _R_CHECKSUM)
        fault = self.scan(p)
        if fault:
            return self.invalid(p, fault)
        b = p.buf
        tag = octets.be32(b, p.l4 + 4)
        direction = p.direction
        if e.in_table == 0:
            fault = self.opening(e, p, tag)
            if fault:
                return self.invalid(p, fault)
        if not self.chunk_set & _TAG_FREE and tag != self.vtag(e, direction):
            return self.invalid(p, _R_VTAG)
        return self.chunks(e, p, tag)

    def chunks(self, e: Entry, p: Packet, tag: int) -> int:
        """Walk the chunks through the state machine."""
        b = p.buf
        direction = p.direction
        other = 1 - direction
        o = p.l4 + 12
        end = p.l4 + p.l4_len
        has_data = self.chunk_set & 1 << _DATA
        no_refresh = False
        mismatch = False
        new = e.state
        while end - o >= 4:
            kind = b[o]
            chunk_flags = b[o + 1]
            size = octets.be16(b, o + 2)
            at = o
            o += (size + 3) & ~3
            old = e.state
            if kind == _INIT:
                if tag != 0:
                    return self.invalid(p, _R_VTAG)
            elif kind == _ABORT or kind == _SHUTDOWN_COMPLETE:
                if tag != self.vtag(e, other if chunk_flags & 1 else direction):
                    return self.invalid(p, _R_VTAG)
            elif kind == _COOKIE_ECHO:
                if tag != self.vtag(e, direction):
                    return self.invalid(p, _R_VTAG)
            elif kind == _COOKIE_ACK:
                e.last_flags &= ~(_INIT_SEEN0 | _INIT_SEEN1) & 0xFF
            elif kind == _HEARTBEAT:
                if self.vtag(e, direction) == 0:
                    self.set_vtag(e, direction, tag)
                elif tag != self.vtag(e, direction):
                    if has_data or mismatch:
                        return self.invalid(p, _R_VTAG)
                    e.last_flags |= _HB_FAIL
                    e.last_dir = direction
                    no_refresh = True
                    mismatch = True
                    continue
                else:
                    e.last_flags &= ~_HB_FAIL & 0xFF
            elif kind == _HEARTBEAT_ACK:
                if self.vtag(e, direction) == 0:
                    self.set_vtag(e, direction, tag)
                elif tag != self.vtag(e, direction):
                    if has_data or mismatch or not e.last_flags & _HB_FAIL or e.last_dir == direction:
                        return self.invalid(p, _R_VTAG)
                    e.last_flags &= ~_HB_FAIL & 0xFF
                    self.set_vtag(e, direction, tag)
                    self.set_vtag(e, other, 0)
                else:
                    e.last_flags &= ~_HB_FAIL & 0xFF
            new = self.table[(direction * 16 + kind) * 9 + old] if kind < 16 else old
            if new == _TABLE_INVALID:
                return self.invalid(p, _R_TRANSITION)
            if kind == _INIT:
                if end - at < 20:
                    return self.invalid(p, _R_CHUNKS)
                announced = octets.be32(b, at + 4)
                if old == 0 or self.vtag(e, other) != announced:
                    mark = _INIT_SEEN1 if direction else _INIT_SEEN0
                    both = _INIT_SEEN0 | _INIT_SEEN1
                    if e.last_flags & both == both:
                        e.last_flags &= ~both & 0xFF
                    e.last_flags |= mark
                self.set_vtag(e, other, announced)
                if old == _CLOSED and new == _CLOSED and e.in_table:
                    no_refresh = True
            elif kind == _INIT_ACK:
                if end - at < 20:
                    return self.invalid(p, _R_CHUNKS)
                announced = octets.be32(b, at + 4)
                known = self.vtag(e, other)
                both = _INIT_SEEN0 | _INIT_SEEN1
                other_mark = _INIT_SEEN0 if direction else _INIT_SEEN1
                if (not e.last_flags & other_mark and known != 0 and known != announced) or (
                    e.last_flags & both == both and known != announced
                ):
                    return self.invalid(p, _R_VTAG)
                self.set_vtag(e, other, announced)
            e.state = new
            if new != old:
                e.events |= _EV_PROTOINFO
                if new == _ESTABLISHED and not e.status & _ASSURED:
                    e.status |= _ASSURED
                    e.events |= _EV_ASSURED
        if no_refresh:
            p.reason = _R_NOT_REFRESHED
            return _ACCEPT
        p.timeout_ns = self.s.sctp[new]
        p.refreshed = True
        p.account = True
        return _ACCEPT
