"""The packet that decode fills and the tracker judges: one object, reused for every frame."""

from __future__ import annotations

from ctreplay.capture.record import Record
from ctreplay.tracker.entry import Entry


class Packet(Record):
    """A record plus what its headers say plus what the tracker decided.

    `fault` is a reason when the frame is no readable IP packet, `padded` marks one that is tracked as a padded copy.
    Network: `family` 4 or 6, addresses as two 64-bit halves of the 16-byte key (IPv4 mapped), `proto`, `l3` and `l4`
    positions in `buf`, `l3_len` and `l4_len` by the IP length fields, `l4_cap` transport bytes present in `buf`.
    `l4_fault` is a reason when no transport header was found. `frag` is 1 for a fragment.
    Transport: `sport` and `dport` are the tuple's two 16-bit parts (ports, as `ported` says; ICMP: identifier,
    type << 8 | code; GRE version 1: keys), `tuple_fault` a reason when there are none, `hash` that of the table (0: not
    known yet); TCP: `flags`, `seq`, `ack`, `window`, `doff` bytes.
    Verdict: `bounds` is 1 with all four bounds, 2 with `bound_seq_low` alone; see `ctreplay.tracker.tracker`.
    """

    __slots__ = (
        "account",
        "ack",
        "bound_ack_high",
        "bound_ack_low",
        "bound_seq_high",
        "bound_seq_low",
        "bounds",
        "ctstate",
        "cut",
        "direction",
        "doff",
        "dport",
        "dst_hi",
        "dst_lo",
        "entry",
        "family",
        "fault",
        "flags",
        "frag",
        "frag_id",
        "frag_more",
        "frag_off",
        "frag_pos",
        "hash",
        "hop_limit",
        "l3",
        "l3_len",
        "l4",
        "l4_cap",
        "l4_fault",
        "l4_len",
        "margin",
        "note",
        "padded",
        "ported",
        "proto",
        "reason",
        "refreshed",
        "seg_end",
        "seq",
        "sport",
        "src_hi",
        "src_lo",
        "timeout_ns",
        "tuple_fault",
        "window",
        "zone",
    )  # fmt: skip

    def __init__(self) -> None:
        Record.__init__(self)
        self.fault = 0
        self.padded = False
        self.ported = False
        self.family = 0
        self.proto = 0
        self.src_hi = self.src_lo = self.dst_hi = self.dst_lo = 0
        self.l3 = self.l3_len = self.l4 = self.l4_len = self.l4_cap = 0
        self.l4_fault = self.tuple_fault = 0
        self.hop_limit = 0
        self.cut = 0
        self.frag = self.frag_more = self.frag_off = self.frag_pos = 0
        self.frag_id = 0
        self.sport = self.dport = 0
        self.zone = 0
        self.hash = 0
        self.flags = self.seq = self.ack = self.window = self.doff = 0
        self.entry: Entry | None = None
        self.ctstate = 0
        self.direction = 0
        self.reason = 0
        self.note = 0
        self.refreshed = 0
        self.account = 0
        self.bounds = 0
        self.bound_seq_low = self.bound_seq_high = self.bound_ack_low = self.bound_ack_high = 0
        self.seg_end = 0
        self.margin = 0
        self.timeout_ns = 0

    def copy_record(self, other: Record) -> None:
        """Take over which frame this is (not its bytes) from `other`."""
        self.ts = other.ts
        self.number = other.number
        self.frame = other.frame
        self.offset = other.offset
        self.caplen = other.caplen
        self.wirelen = other.wirelen
        self.linktype = other.linktype
        self.capture = other.capture
