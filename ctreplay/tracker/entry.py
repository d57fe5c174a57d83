"""A conntrack entry: one connection in the table, with its tuples, status, protocol state and deadline."""

from __future__ import annotations

from ctreplay.tracker.extension import Extension


class Entry:
    """One tracked connection (struct nf_conn).

    `conn_id` is the number of the packet that created it. The tuple is the original one; without NAT the reply tuple
    swaps the addresses, and its transport parts are `rsport`, `rdport`. Times are nanoseconds since the epoch.
    `deadline` is when the entry expires; `queued` is the lower bound under which the timer wheel holds it.
    `state` is the number of the protocol's state (TCP: 0..9 of `tcp_table`, SCTP: 0..8 of `sctp_table`), `told` the one
    that the last event told.
    TCP sides carry suffix 0 (original) and 1 (reply): `end`, `maxend`, `maxwin`, `maxack`, `scale`, `tflags`.
    For SCTP `end0`, `end1` hold the verification tags and `last_flags` the init marks.
    """

    __slots__ = (
        "conn_id",
        "deadline",
        "dport",
        "dst_hi",
        "dst_lo",
        "dying",
        "end0",
        "end1",
        "events",
        "ext",
        "family",
        "first_ts",
        "hash",
        "in_table",
        "last_ack",
        "last_dir",
        "last_end",
        "last_flags",
        "last_index",
        "last_packet",
        "last_seq",
        "last_ts",
        "last_win",
        "last_wscale",
        "mark",
        "maxack0",
        "maxack1",
        "maxend0",
        "maxend1",
        "maxwin0",
        "maxwin1",
        "midstream",
        "next",
        "orig_bytes",
        "orig_packets",
        "proto",
        "queued",
        "rdport",
        "reply_bytes",
        "reply_packets",
        "retrans",
        "rsport",
        "scale0",
        "scale1",
        "slot",
        "sport",
        "src_hi",
        "src_lo",
        "state",
        "status",
        "tflags0",
        "tflags1",
        "timer_next",
        "timer_prev",
        "told",
        "zone",
    )  # fmt: skip

    def __init__(self) -> None:
        self.next: Entry | None = None
        self.timer_next: Entry | None = None
        self.timer_prev: Entry | None = None
        self.ext: Extension | None = None
        self.conn_id = 0
        self.deadline = 0
        self.queued = 0
        self.slot = -1
        self.hash = 0
        self.family = 0
        self.proto = 0
        self.zone = 0
        self.src_hi = self.src_lo = self.dst_hi = self.dst_lo = 0
        self.sport = self.dport = self.rsport = self.rdport = 0
        self.first_ts = self.last_ts = self.last_packet = 0
        self.orig_packets = self.orig_bytes = self.reply_packets = self.reply_bytes = 0
        self.status = 0
        self.events = 0
        self.mark = 0
        self.state = 0
        self.in_table = 0
        self.dying = 0
        self.midstream = 0
        self.end0 = self.maxend0 = self.maxwin0 = self.maxack0 = 0
        self.end1 = self.maxend1 = self.maxwin1 = self.maxack1 = 0
        self.scale0 = self.scale1 = self.tflags0 = self.tflags1 = 0
        self.last_seq = self.last_ack = self.last_end = self.last_win = 0
        self.last_index = self.last_dir = self.last_wscale = self.last_flags = self.retrans = self.told = 0
