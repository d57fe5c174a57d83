"""Small closed lists that the tracker numbers and the dataset names."""

from __future__ import annotations

from ctreplay.tracker.proto import sctp_table, tcp_table

CTSTATES = ("", "NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
EVENTS = ("NEW", "UPDATE", "DESTROY")
DIRECTIONS = ("original", "reply")
# TCP states are 0..9, SCTP states 10..18; a protocol without states has none
STATES = tcp_table.STATES + sctp_table.STATES
# why an entry ended or a transition is special; the first is "nothing special"
WHY = (
    "", "timeout", "reset", "reopened", "early_drop", "gc", "deleted", "capture_end", "midstream", "resync",
    "simultaneous_open", "expected", "master_gone",
)  # fmt: skip
# pending event marks by bit number (spec section 9.1), as named in `changes`
MARKS = ("new", "related", "destroy", "seen_reply", "assured", "state", "helper", "mark")
STATUS_BITS = {
    "EXPECTED": 0x1,
    "SEEN_REPLY": 0x2,
    "ASSURED": 0x4,
    "CONFIRMED": 0x8,
    "DYING": 0x200,
    "HELPER": 0x2000,
}
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6", 132: "sctp", 136: "udplite"}
