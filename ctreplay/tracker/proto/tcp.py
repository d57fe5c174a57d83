"""TCP tracking: header checks, state machine, window check, timeouts (nf_conntrack_proto_tcp).

The transition table is `tcp_table`; what does not fit in it stands here, each exception in a method of its own:
`opening`, `ignored`, `check_rst`, `in_window`, `settle`. `last_*` of the entry remembers the last accepted or ignored
packet and serves two ends: telling duplicates, and understanding the answer to a SYN that was ignored.
"""

from __future__ import annotations

from ctreplay import octets, reasons
from ctreplay.decode.checksum import Checksum
from ctreplay.packet import Packet
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.proto import tcp_table
from ctreplay.tracker.settings import Settings

_U32 = 0xFFFFFFFF
_HALF = 0x80000000
_QUARTER = 0x40000000
_MIN_ACK_WINDOW = 66000
_MAX_SCALE = 14
# two NOP, then the option's kind and length (RFC 7323 appendix A)
_ONLY_TIMESTAMPS = 0x0101080A
_SECOND_120 = 120_000_000_000

_ACCEPT = 0
_INVALID = 1
_REPEAT = 2
_WINDOW_IGNORE = 3

_FIN = 0x01
_SYN = 0x02
_RST = 0x04
_ACK = 0x10

_CLASS_SYN = 1
_CLASS_SYNACK = 2
_CLASS_FIN = 3
_CLASS_ACK = 4
_CLASS_RST = 5

_NONE = 0
_SYN_SENT = 1
_SYN_RECV = 2
_ESTABLISHED = 3
_FIN_WAIT = 4
_LAST_ACK = 6
_TIME_WAIT = 7
_CLOSE = 8
_SYN_SENT2 = 9
_TABLE_INVALID = tcp_table.INVALID
_TABLE_IGNORE = tcp_table.IGNORE

_WSCALE = 0x01
_SACK_PERM = 0x02
_CLOSE_INIT = 0x04
_LIBERAL = 0x08
_UNACKED = 0x10
_MAXACK = 0x20
_CHALLENGE = 0x40
_SIMULTANEOUS = 0x80

# what a verdict says of the window: all four bounds, or the lowest sequence number alone
_BOUNDS = 1
_BOUND_LOW = 2

_SEEN_REPLY = 0x2
_ASSURED = 0x4
_EV_ASSURED = 1 << 4
_EV_PROTOINFO = 1 << 5

_R_SHORT = reasons.CODES["tcp_short"]
_R_OFFSET = reasons.CODES["tcp_bad_offset"]
_R_CHECKSUM = reasons.CODES["tcp_checksum"]
_R_FLAGS = reasons.CODES["tcp_flags"]
_R_NOT_OPENING = reasons.CODES["tcp_not_opening"]
_R_LOOSE_OFF = reasons.CODES["tcp_loose_off"]
_R_TRANSITION = reasons.CODES["tcp_bad_transition"]
_R_RST = reasons.CODES["tcp_rst_below_max_ack"]
_R_SEQ_HIGH = reasons.CODES["tcp_seq_over_upper_bound"]
_R_ACK_HIGH = reasons.CODES["tcp_ack_over_upper_bound"]
_R_SEQ_EDGE = reasons.CODES["tcp_seq_beyond_window_edge"]
_R_SEQ_LOW = reasons.CODES["tcp_seq_under_lower_bound"]
_R_ACK_LOW = reasons.CODES["tcp_ack_under_lower_bound"]
_R_IGNORED = reasons.CODES["tcp_ignored_in_state"]
_R_SYN_AGAIN = reasons.CODES["tcp_syn_retransmitted"]
_R_CHALLENGE = reasons.CODES["tcp_challenge_ack"]
_R_MIDSTREAM = reasons.CODES["tcp_midstream"]
_R_RESYNC = reasons.CODES["tcp_resync"]
_R_RST_INEXACT = reasons.CODES["tcp_rst_not_exact"]
_R_LIBERAL = reasons.CODES["tcp_liberal"]


class Side:
    """What is known of one direction: `end` (td_end), `maxend`, `maxwin`, `maxack`, window `scale`, `flags`."""

    __slots__ = ("end", "flags", "maxack", "maxend", "maxwin", "scale")

    def __init__(self) -> None:
        self.end = self.maxend = self.maxwin = self.maxack = 0
        self.scale = self.flags = 0

    def clear(self) -> None:
        """Back to a side from which nothing was seen."""
        self.end = self.maxend = self.maxwin = self.maxack = 0
        self.scale = self.flags = 0


class Tcp:
    """One object judges all packets; the two sides of the entry at hand are loaded, worked on, and stored back."""

    __slots__ = ("checksum", "classes", "s", "side0", "side1", "table", "unreplied_rst")

    def __init__(self, settings: Settings, checksum: Checksum) -> None:
        self.s = settings
        self.checksum = checksum
        self.table = tcp_table.flat()
        self.classes = tcp_table.flag_classes()
        self.side0 = Side()
        self.side1 = Side()
        self.unreplied_rst = False

    def packet(self, e: Entry, p: Packet, now: int) -> int:
        """Judge one packet of entry `e` at `now` ns: accept, invalid, or repeat (the entry must go, look up again).

        On accept `p.refreshed` and `p.account` say what is to happen and `p.timeout_ns` with which timeout. With
        `unreplied_rst` set the entry is to be destroyed after the packet was counted.
        """
        self.unreplied_rst = False
        if p.l4_len < 20:
            return self.invalid(p, _R_SHORT)
        if p.doff < 20 or p.doff > p.l4_len:
            return self.invalid(p, _R_OFFSET)
        if self.s.checksum and p.cut == 0 and not self.checksum.transport(p, 6, p.l4_len):
            return self.invalid(p, _R_CHECKSUM)
        cls = self.classes[p.flags]
        if cls == _NONE:
            return self.invalid(p, _R_FLAGS)
        syn = p.flags & _SYN
        p.seg_end = (p.seq + (p.l4_len - p.doff) + (1 if syn else 0) + (p.flags & _FIN)) & _U32
        if e.in_table == 0:
            verdict = self.opening(e, p, cls)
            if verdict != _ACCEPT:
                return verdict
        elif cls == _CLASS_ACK and self.predicted(e, p):
            return _ACCEPT
        self.load(e)
        verdict = self.judge(e, p, cls, now)
        self.store(e)
        return verdict

    def invalid(self, p: Packet, reason: int) -> int:
        """Note why and answer INVALID."""
        p.reason = reason
        return _INVALID

    def load(self, e: Entry) -> int:
        """The entry's sides into the scratch sides."""
        a = self.side0
        b = self.side1
        a.end = e.end0
        a.maxend = e.maxend0
        a.maxwin = e.maxwin0
        a.maxack = e.maxack0
        a.scale = e.scale0
        a.flags = e.tflags0
        b.end = e.end1
        b.maxend = e.maxend1
        b.maxwin = e.maxwin1
        b.maxack = e.maxack1
        b.scale = e.scale1
        b.flags = e.tflags1
        return 0

    def store(self, e: Entry) -> int:
        """And back: nothing that a refused packet changed is undone."""
        a = self.side0
        b = self.side1
        e.end0 = a.end
        e.maxend0 = a.maxend
        e.maxwin0 = a.maxwin
        e.maxack0 = a.maxack
        e.scale0 = a.scale
        e.tflags0 = a.flags
        e.end1 = b.end
        e.maxend1 = b.maxend
        e.maxwin1 = b.maxwin
        e.maxack1 = b.maxack
        e.scale1 = b.scale
        e.tflags1 = b.flags
        return 0

    def opening(self, e: Entry, p: Packet, cls: int) -> int:
        """First packet of an entry: a SYN opens it, an ACK picks it up mid-stream when `loose` allows."""
        a = self.side0
        a.clear()
        b = self.side1
        b.clear()
        if cls == _CLASS_SYN:
            a.end = p.seg_end
            a.maxwin = p.window if p.window else 1
            a.maxend = a.end
            self.syn_options(p, a)
        elif cls == _CLASS_ACK:
            if not self.s.loose:
                return self.invalid(p, _R_LOOSE_OFF)
            a.end = p.seg_end
            a.maxwin = p.window if p.window else 1
            a.maxend = (a.end + a.maxwin) & _U32
            a.flags = _SACK_PERM | _LIBERAL
            b.flags = _SACK_PERM | _LIBERAL
            e.midstream = 1
            p.note = _R_MIDSTREAM
        else:
            return self.invalid(p, _R_NOT_OPENING)
        self.store(e)
        return _ACCEPT

    def predicted(self, e: Entry, p: Packet) -> bool:
        """Header prediction (Jacobson 1990): whether this is the next segment in order of an assured connection, its
        acknowledgement within what was sent. Then it is accepted here, with what `judge` would have changed.

        Most segments are like that, and take a third of the instructions. Anything else is left untouched.
        """
        if e.state != _ESTABLISHED or not e.status & _SEEN_REPLY or not e.status & _ASSURED:
            return False
        if p.direction == 0:
            end = e.end0
            maxend = e.maxend0
            maxwin = e.maxwin0
            maxack = e.maxack0
            scale = e.scale0
            flags = e.tflags0
            peer_end = e.end1
            peer_maxend = e.maxend1
            peer_maxwin = e.maxwin1
            peer_flags = e.tflags1
        else:
            end = e.end1
            maxend = e.maxend1
            maxwin = e.maxwin1
            maxack = e.maxack1
            scale = e.scale1
            flags = e.tflags1
            peer_end = e.end0
            peer_maxend = e.maxend0
            peer_maxwin = e.maxwin0
            peer_flags = e.tflags0
        length = (p.seg_end - p.seq) & _U32
        room = (maxend - p.seq) & _U32
        behind = (peer_end - p.ack) & _U32
        forward = (p.ack - maxack) & _U32
        if (
            p.seq != end
            or length > room
            or room >= _QUARTER
            or (behind > _MIN_ACK_WINDOW and behind > maxwin)
            or forward >= _QUARTER
            or maxwin == 0
            or maxwin >= _QUARTER
            or peer_maxwin >= _QUARTER
            or not flags & _MAXACK
        ):
            return False
        if p.doff > 20 and peer_flags & _SACK_PERM and self.sack_edge(p, p.ack) != p.ack:
            return False
        window = p.window << scale
        if maxwin < window:
            maxwin = window
        if length:
            flags |= _UNACKED
        edge = (p.ack + window) & _U32
        if after(edge, (peer_maxend - 1) & _U32):
            peer_maxend = edge if window else (edge + 1) & _U32
        if behind == 0:
            peer_flags &= ~_UNACKED & 0xFF
        if p.direction == 0:
            e.end0 = p.seg_end
            e.maxwin0 = maxwin
            e.maxack0 = p.ack
            e.tflags0 = flags
            e.maxend1 = peer_maxend
            e.tflags1 = peer_flags
        else:
            e.end1 = p.seg_end
            e.maxwin1 = maxwin
            e.maxack1 = p.ack
            e.tflags1 = flags
            e.maxend0 = peer_maxend
            e.tflags0 = peer_flags
        self.remember(e, p, p.seq, p.ack, p.seg_end)
        e.last_index = _CLASS_ACK
        p.timeout_ns = self.patience(e, _CLASS_ACK, _ESTABLISHED, flags | peer_flags)
        p.refreshed = True
        p.account = True
        return True

    def judge(self, e: Entry, p: Packet, cls: int, now: int) -> int:
        """State machine, RST and window checks on the loaded sides."""
        direction = p.direction
        old = e.state
        new = self.table[(direction * 6 + cls) * 10 + old]
        if direction == 0:
            snd = self.side0
            rcv = self.side1
        else:
            snd = self.side1
            rcv = self.side0
        skip_window = False
        if new == _TABLE_INVALID:
            return self.invalid(p, _R_TRANSITION)
        if new == _SYN_SENT and old >= _TIME_WAIT:
            if (snd.flags | rcv.flags) & _CLOSE_INIT or (e.last_dir == direction and e.last_index == _CLASS_RST):
                return _REPEAT
            new = _TABLE_IGNORE
        if new == _TABLE_IGNORE:
            if cls == _CLASS_SYNACK and e.last_index == _CLASS_SYN and e.last_dir != direction and p.ack == e.last_end:
                self.resync(e, snd, rcv)
                p.note = _R_RESYNC
                old = _SYN_SENT
                new = _SYN_RECV
            else:
                return self.ignored(e, p, cls, old)
        elif new == _TIME_WAIT:
            if (
                old == _LAST_ACK
                and cls == _CLASS_ACK
                and e.last_dir != direction
                and e.last_index == _CLASS_SYN
                and e.last_flags & _CHALLENGE
            ):
                e.last_flags &= ~_CHALLENGE & 0xFF
                p.reason = _R_CHALLENGE
                return _ACCEPT
        elif new == _SYN_SENT2:
            e.last_flags |= _SIMULTANEOUS
        elif new == _SYN_RECV:
            if direction == 1 and cls == _CLASS_ACK and e.last_flags & _SIMULTANEOUS:
                new = _ESTABLISHED
        elif new == _CLOSE and cls == _CLASS_RST:
            answer = self.check_rst(e, p, rcv, old)
            if answer < 0:
                return _INVALID
            skip_window = (answer & 1) != 0
            if answer & 2:
                new = old
                p.note = _R_RST_INEXACT
        if not skip_window:
            verdict = self.in_window(e, p, cls, snd, rcv)
            if verdict == _WINDOW_IGNORE:
                return _ACCEPT
            if verdict == _INVALID:
                return self.refuse_closing(e, p, cls, now)
        return self.settle(e, p, cls, old, new, snd)

    def resync(self, e: Entry, snd: Side, rcv: Side) -> int:
        """The SYN ignored earlier was real: its sender's side (`rcv`) takes over what was remembered of it."""
        rcv.end = e.last_end
        rcv.maxend = e.last_end
        rcv.maxwin = e.last_win if e.last_win else 1
        rcv.scale = e.last_wscale
        e.last_flags &= ~_CHALLENGE & 0xFF
        rcv.flags = e.last_flags
        liberal = snd.flags & _LIBERAL
        snd.clear()
        snd.flags = liberal
        return 0

    def ignored(self, e: Entry, p: Packet, cls: int, old: int) -> int:
        """Accepted but not acted on: only remembered, so that the answer can tell what it was."""
        e.last_index = cls
        e.last_dir = p.direction
        e.last_seq = p.seq
        e.last_end = p.seg_end
        e.last_win = p.window
        if cls == _CLASS_SYN and p.direction == 0:
            e.last_wscale = 0
            e.last_flags = 0
            seen = Side()
            self.syn_options(p, seen)
            if seen.flags & _WSCALE:
                e.last_wscale = seen.scale
                e.last_flags |= _WSCALE
            if seen.flags & _SACK_PERM:
                e.last_flags |= _SACK_PERM
            if old == _LAST_ACK:
                e.last_flags |= _CHALLENGE
        if old == _SYN_SENT and cls == _CLASS_ACK and p.direction == 1:
            e.last_ack = p.ack
        p.reason = _R_IGNORED
        return _ACCEPT

    def check_rst(self, e: Entry, p: Packet, peer: Side, old: int) -> int:
        """RST validation: -1 invalid, else bit 0 skip the window check, bit 1 keep the state."""
        if _FIN_WAIT <= old <= _CLOSE:
            return 1
        keep = 0
        established = old == _ESTABLISHED and e.status & _ASSURED
        if peer.flags & _MAXACK and e.last_index != _CLASS_SYN:
            if p.seq == 0 and not established:
                return 0
            if before(p.seq, peer.maxack) and not self.s.ignore_invalid_rst:
                p.reason = _R_RST
                p.bounds = _BOUND_LOW
                p.bound_seq_low = peer.maxack
                p.margin = (peer.maxack - p.seq) & _U32
                return -1
            if not established or p.seq == peer.maxack:
                return 0
            if e.last_index == _CLASS_ACK and e.last_dir == p.direction and p.seq == e.last_end:
                return 0
            keep = 2
        if p.ack == e.last_end and (
            (e.status & _SEEN_REPLY and e.last_index == _CLASS_SYN and e.last_dir != p.direction)
            or (not e.status & _ASSURED and e.last_index == _CLASS_ACK)
        ):
            return keep | 1
        if old == _SYN_SENT and e.last_index == _CLASS_ACK and e.last_dir == 1 and p.seq == e.last_ack:
            return keep | 1
        return keep

    def in_window(self, e: Entry, p: Packet, cls: int, snd: Side, rcv: Side) -> int:
        """The window check: accept, invalid, or ignore; updates both sides."""
        flags = p.flags
        seq = p.seq
        end = p.seg_end
        win = p.window
        ack = p.ack
        sack = ack
        if rcv.flags & _SACK_PERM and p.doff > 20:
            sack = self.sack_edge(p, ack)
        if snd.maxwin == 0:
            if flags & _SYN:
                self.init_side(p, snd, rcv, end, win)
                if not flags & _ACK:
                    return _ACCEPT
            else:
                snd.end = end
                window = win << snd.scale
                snd.maxwin = window if window else 1
                snd.maxend = (end + snd.maxwin) & _U32
                if rcv.maxwin == 0:
                    rcv.end = sack
                    rcv.maxend = sack
                elif sack == (rcv.end + 1) & _U32:
                    # the first answer to a keep-alive
                    rcv.end = sack
        elif flags & _SYN and after(end, snd.end) and (e.state == _SYN_SENT or e.state == _SYN_RECV):
            self.init_side(p, snd, rcv, end, win)
            if p.direction == 1 and not flags & _ACK:
                return _ACCEPT
        if not flags & _ACK or (flags & _RST and ack == 0):
            ack = rcv.end
            sack = ack
        if flags & _RST and seq == 0 and e.state == _SYN_SENT:
            seq = snd.end
            end = seq

        ack_window = snd.maxwin if snd.maxwin > _MIN_ACK_WINDOW else _MIN_ACK_WINDOW
        lowest_end = (snd.end - rcv.maxwin - 1) & _U32
        lowest_ack = (rcv.end - ack_window - 1) & _U32
        if not before(seq, (snd.maxend + 1) & _U32):
            overshoot = (end - snd.maxend + 1) & _U32
            in_win = rcv.maxwin != 0 and after(end, lowest_end)
            if in_win and after(sack, lowest_ack) and overshoot <= rcv.maxwin and before(sack, (rcv.end + 1) & _U32):
                self.note_bounds(p, snd, rcv, lowest_end, lowest_ack)
                snd.end = end
                snd.flags |= _UNACKED
                return self.refuse(p, snd, _R_SEQ_EDGE, (seq - snd.maxend) & _U32, _WINDOW_IGNORE)
            self.note_bounds(p, snd, rcv, lowest_end, lowest_ack)
            return self.refuse(p, snd, _R_SEQ_HIGH, (seq - snd.maxend) & _U32, _INVALID)
        if not before(sack, (rcv.end + 1) & _U32):
            self.note_bounds(p, snd, rcv, lowest_end, lowest_ack)
            return self.refuse(p, snd, _R_ACK_HIGH, (sack - rcv.end) & _U32, _INVALID)
        if rcv.maxwin != 0 and not after(end, lowest_end):
            self.note_bounds(p, snd, rcv, lowest_end, lowest_ack)
            return self.refuse(p, snd, _R_SEQ_LOW, (lowest_end + 1 - end) & _U32, _WINDOW_IGNORE)
        if not after(sack, lowest_ack):
            self.note_bounds(p, snd, rcv, lowest_end, lowest_ack)
            return self.refuse(p, snd, _R_ACK_LOW, (lowest_ack + 1 - sack) & _U32, _WINDOW_IGNORE)

        if not flags & _SYN:
            win <<= snd.scale
        swin = (win + (sack - ack)) & _U32
        if snd.maxwin < swin:
            snd.maxwin = swin
        if after(end, snd.end):
            snd.end = end
            snd.flags |= _UNACKED
        if flags & _ACK:
            if not snd.flags & _MAXACK:
                snd.maxack = ack
                snd.flags |= _MAXACK
            elif after(ack, snd.maxack):
                snd.maxack = ack
        if rcv.maxwin != 0 and after(end, snd.maxend):
            rcv.maxwin = (rcv.maxwin + (end - snd.maxend)) & _U32
        if after((sack + win) & _U32, (rcv.maxend - 1) & _U32):
            rcv.maxend = (sack + win) & _U32
            if win == 0:
                rcv.maxend = (rcv.maxend + 1) & _U32
        if ack == rcv.end:
            rcv.flags &= ~_UNACKED & 0xFF
        if cls == _CLASS_ACK:
            self.remember(e, p, seq, ack, end)
        return _ACCEPT

    def remember(self, e: Entry, p: Packet, seq: int, ack: int, end: int) -> int:
        """Count how often the very same segment came in a row."""
        if (
            e.last_dir == p.direction
            and e.last_seq == seq
            and e.last_ack == ack
            and e.last_end == end
            and e.last_win == p.window
        ):
            e.retrans = (e.retrans + 1) & 0xFF
        else:
            e.last_dir = p.direction
            e.last_seq = seq
            e.last_ack = ack
            e.last_end = end
            e.last_win = p.window
            e.retrans = 0
        return 0

    def note_bounds(self, p: Packet, snd: Side, rcv: Side, lowest_end: int, lowest_ack: int) -> int:
        """Record the four bounds: seq must be <= high, end >= low, ack (or SACK edge) between low and high."""
        p.bounds = _BOUNDS
        p.bound_seq_high = snd.maxend
        p.bound_seq_low = (lowest_end + 1) & _U32
        p.bound_ack_high = rcv.end
        p.bound_ack_low = (lowest_ack + 1) & _U32
        return 0

    def refuse(self, p: Packet, snd: Side, reason: int, margin: int, verdict: int) -> int:
        """Refusal, unless the sender's side or the sysctl is liberal: then accepted, but nothing is updated."""
        p.margin = margin
        if snd.flags & _LIBERAL or self.s.be_liberal:
            if p.note == 0:
                p.note = _R_LIBERAL
            p.bounds = 0
            return _ACCEPT
        p.reason = reason
        return verdict

    def init_side(self, p: Packet, snd: Side, rcv: Side, end: int, win: int) -> int:
        """(Re)start a side from its SYN or SYN/ACK (tcp_init_sender)."""
        snd.end = end
        snd.maxend = end
        snd.maxwin = win if win else 1
        self.syn_options(p, snd)
        if p.direction == 1 and not (snd.flags & _WSCALE and rcv.flags & _WSCALE):
            snd.scale = 0
            rcv.scale = 0
        return 0

    def syn_options(self, p: Packet, side: Side) -> int:
        """Window scale and SACK-permitted of a SYN; a header without options changes nothing."""
        o = p.l4 + 20
        left = p.doff - 20
        if left <= 0:
            return 0
        b = p.buf
        side.scale = 0
        side.flags &= _LIBERAL
        while left > 0:
            kind = b[o]
            if kind == 0:
                return 0
            if kind == 1:
                o += 1
                left -= 1
                continue
            if left < 2:
                return 0
            size = b[o + 1]
            if size < 2 or size > left:
                return 0
            if kind == 4 and size == 2:
                side.flags |= _SACK_PERM
            elif kind == 3 and size == 3:
                side.scale = b[o + 2] if b[o + 2] < _MAX_SCALE else _MAX_SCALE
                side.flags |= _WSCALE
            o += size
            left -= size
        return 0

    def sack_edge(self, p: Packet, ack: int) -> int:
        """The highest right edge of the SACK blocks, or `ack` when none lies beyond it."""
        o = p.l4 + 20
        left = p.doff - 20
        if left == 12 and octets.be32(p.buf, o) == _ONLY_TIMESTAMPS:
            return ack
        return self.sack_option(p.buf, o, left, ack)

    def sack_option(self, b: bytes | bytearray | memoryview, o: int, left: int, edge: int) -> int:
        """The same for `left` option bytes of any kind at `o` of `b`; `edge` when no block lies beyond it."""
        while left > 0:
            kind = b[o]
            if kind == 0:
                return edge
            if kind == 1:
                o += 1
                left -= 1
                continue
            if left < 2:
                return edge
            size = b[o + 1]
            if size < 2 or size > left:
                return edge
            if kind == 5 and size >= 10 and (size - 2) & 7 == 0:
                for i in range(o + 2, o + size, 8):
                    right = octets.be32(b, i + 4)
                    if after(right, edge):
                        edge = right
                return edge
            o += size
            left -= size
        return edge

    def refuse_closing(self, e: Entry, p: Packet, cls: int, now: int) -> int:
        """INVALID by the window check: a FIN or RST is remembered, an answered one shortens a long timeout."""
        if e.status & _ASSURED and (cls == _CLASS_FIN or cls == _CLASS_RST):
            if e.last_dir != p.direction and (e.last_index == _CLASS_FIN or e.last_index == _CLASS_RST):
                left = e.deadline - now
                if left >= _SECOND_120 and left > self.s.unacked_timeout:
                    p.timeout_ns = self.s.unacked_timeout
            else:
                e.last_index = cls
                e.last_dir = p.direction
        return _INVALID

    def settle(self, e: Entry, p: Packet, cls: int, old: int, new: int, snd: Side) -> int:
        """Accepted: new state, timeout, ASSURED, accounting."""
        e.last_index = cls
        e.last_dir = p.direction
        e.state = new
        if old != new and new == _FIN_WAIT:
            snd.flags |= _CLOSE_INIT
        timeout = self.patience(e, cls, new, self.side0.flags | self.side1.flags)
        if new != old:
            e.events |= _EV_PROTOINFO
        if not e.status & _SEEN_REPLY:
            if cls == _CLASS_RST:
                p.account = True
                self.unreplied_rst = True
                return _ACCEPT
            if cls == _CLASS_SYN and old == _SYN_SENT:
                p.reason = _R_SYN_AGAIN
                return _ACCEPT
            if new == _ESTABLISHED and timeout > self.s.unacked_timeout:
                timeout = self.s.unacked_timeout
        elif not e.status & _ASSURED and (old == _SYN_RECV or old == _ESTABLISHED) and new == _ESTABLISHED:
            e.status |= _ASSURED
            e.events |= _EV_ASSURED
        p.timeout_ns = timeout
        p.refreshed = True
        p.account = True
        return _ACCEPT

    def patience(self, e: Entry, cls: int, state: int, flags: int) -> int:
        """Timeout in ns after a packet of class `cls` that led to `state`; `flags` of both sides together."""
        s = self.s
        timeout = s.tcp[state]
        if e.retrans >= s.max_retrans and timeout > s.retrans_timeout:
            timeout = s.retrans_timeout
        elif cls == _CLASS_RST:
            timeout = s.tcp[_CLOSE]
        elif flags & _UNACKED and timeout > s.unacked_timeout:
            timeout = s.unacked_timeout
        elif e.last_win == 0 and timeout > s.retrans_timeout:
            timeout = s.retrans_timeout
        return timeout


def before(a: int, b: int) -> bool:
    """Sequence number `a` lies before `b` (modulo 2^32)."""
    return ((a - b) & _U32) >= _HALF


def after(a: int, b: int) -> bool:
    """Sequence number `a` lies after `b` (modulo 2^32)."""
    return ((b - a) & _U32) >= _HALF
