"""The dataset's tables and columns: the single source for Parquet, documentation and tests.

Schema version 1 is additive only: columns and tables may be added, never changed or removed.
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = 1
KERNEL_MODEL = "6.18"


class Column(NamedTuple):
    """`type` is a kind of `parquet.file`; `unit` is empty where the name says it all."""

    name: str
    type: str
    doc: str
    unit: str = ""

    @property
    def notes(self) -> dict[str, str]:
        """What files say of it."""
        return {"doc": self.doc, "unit": self.unit} if self.unit else {"doc": self.doc}


def _columns(text: str) -> tuple[Column, ...]:
    found = []
    for line in text.strip().splitlines():
        name, kind, doc = (part.strip() for part in line.split("|", 2))
        unit = ""
        if " [" in kind:
            kind, unit = kind[:-1].split(" [")
        found.append(Column(name, kind, doc, unit))
    return tuple(found)


TABLES: dict[str, tuple[Column, ...]] = {
    "connections": _columns("""
        conn_id | int64 | the entry: number of the packet that created it
        community_id | text | Community ID version 1 of the original tuple, seed 0
        family | dict | ipv4 or ipv6
        proto | dict | tcp, udp, udplite, icmp, icmpv6, sctp, gre, else the protocol number as text
        protonum | uint8 | IP protocol number
        zone | uint16 | conntrack zone
        orig_src | dict | source address of the original tuple
        orig_dst | dict | destination address of the original tuple
        orig_sport | uint16 | source port (null without ports)
        orig_dport | uint16 | destination port (null without ports)
        reply_src | dict | source address of the reply tuple
        reply_dst | dict | destination address of the reply tuple
        reply_sport | uint16 | source port of the reply tuple (null without ports)
        reply_dport | uint16 | destination port of the reply tuple (null without ports)
        orig_src_key | key | orig_src as 16 bytes, IPv4 mapped: for ranges and sorting
        orig_dst_key | key | orig_dst as 16 bytes
        icmp_type | uint8 | ICMP type of the original tuple (null unless ICMP)
        icmp_code | uint8 | ICMP code (null unless ICMP)
        icmp_id | uint16 | ICMP identifier (null unless ICMP)
        orig_packets | int64 [packets] | packets counted in the original direction, as nf_conntrack_acct counts
        orig_bytes | int64 [bytes] | IP bytes counted in the original direction
        reply_packets | int64 [packets] | packets counted in the reply direction
        reply_bytes | int64 [bytes] | IP bytes counted in the reply direction
        first_ts | ts | when the entry was created (its start)
        last_ts | ts | last accepted packet of the entry
        end_ts | ts | when it ended; for a timeout its deadline; for capture_end the last packet of the capture
        first_packet | int64 | first packet of the entry
        last_packet | int64 | last accepted packet of the entry
        state | dict | last protocol state (null where the protocol has none)
        status | uint32 | IPS_* status bits
        seen_reply | bool | a reply was seen (not [UNREPLIED])
        assured | bool | ASSURED: not evicted by early drop
        expected | bool | opened by an expectation
        end_reason | dict | timeout, reset, reopened, early_drop, gc, deleted, master_gone or capture_end
        timeout_left_s | int64 [s] | timeout left at the end of the capture (null unless capture_end)
        mark | uint32 | conntrack mark
        helper | dict | helper assigned to the entry
        master_conn_id | int64 | entry whose helper expected this one
        midstream | bool | TCP picked up without its SYN
    """),
    "transitions": _columns("""
        transition_id | int64 | number in the order of events, from 1
        ts | ts | when it happened; for a timeout the deadline itself
        packet | int64 | packet that caused it (null: a timer)
        conn_id | int64 | the entry
        event | dict | NEW, UPDATE or DESTROY, as conntrack -E names it
        direction | dict | direction of the packet (null for a timer)
        old_state | dict | protocol state before (null when the event carries none)
        new_state | dict | protocol state that the event carries (null when it carries none)
        old_status | uint32 | IPS_* status bits before
        new_status | uint32 | IPS_* status bits after
        changes | list | what changed: new, related, destroy, seen_reply, assured, state, helper, mark
        timeout_s | int64 [s] | timeout left that the event carries (null: none)
        reason | dict | why it ended, or what was special
    """),
    "packets": _columns("""
        packet | int64 | number in replay order, from 1, over all captures
        ts | ts | timestamp of the capture
        capture | uint16 | row of captures.parquet
        frame | int64 | number in its own file, from 1
        offset | int64 [bytes] | position of the frame's bytes in its (decompressed) file
        caplen | int64 [bytes] | bytes captured
        wirelen | int64 [bytes] | bytes on the wire
        conn_id | int64 | its entry; for an ICMP error the entry it refers to (null if none)
        tuple_conn_id | int64 | for a packet without an entry: the live entry with its tuple
        direction | dict | original or reply
        ctstate | dict | NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED; null for absorbed fragments and non-IP
        reason | dict | why INVALID, ignored, untracked, dropped or undecodable; or what was special
        state | dict | protocol state of the entry after the packet
        timeout_s | int64 [s] | timeout of the entry after the packet
        refreshed | bool | whether this packet set the timeout
        tcp_flags | uint8 | TCP flags byte (null unless TCP)
        seq | uint32 | TCP sequence number
        ack | uint32 | TCP acknowledgment number
        seq_end | uint32 | sequence number behind a segment that the window check refused, SYN and FIN counted
        seq_low | uint32 | lowest end of a segment that the window check accepts (RST: the highest ack of its peer)
        seq_high | uint32 | highest sequence number that the window check accepts (null where seq_low refused an RST)
        ack_low | uint32 | lowest acknowledgment that the window check accepts
        ack_high | uint32 | highest acknowledgment that the window check accepts
        margin | int64 [bytes] | by how many bytes the violated bound was missed
        proto | dict | protocol, as in connections
        src | dict | source address
        dst | dict | destination address
        sport | uint16 | source port (null without ports)
        dport | uint16 | destination port (null without ports)
        length | int64 [bytes] | IP length (of the whole datagram where fragments were reassembled)
        payload | uint32 [bytes] | TCP payload by the lengths in the headers (null unless TCP)
        tcp_window | uint16 | TCP window field, not scaled (null unless TCP)
    """),
    "expectations": _columns("""
        expectation_id | int64 | number in order of creation, from 1
        master_conn_id | int64 | entry whose helper announced it
        helper | dict | helper that created it
        class | uint8 | class within the helper
        flags | dict | PERMANENT, INACTIVE, comma separated
        proto | dict | protocol of the expected connection
        src | dict | expected source address
        src_mask | dict | mask over the source address
        sport | uint16 | expected source port
        sport_mask | uint16 | mask over the source port
        dst | dict | expected destination address
        dport | uint16 | expected destination port
        created_ts | ts | when it was announced
        created_packet | int64 | packet that announced it
        timeout_s | int64 [s] | timeout at creation
        end_ts | ts | when it was matched, expired or removed (null: still there)
        end_packet | int64 | packet that matched or removed it (null: a timer)
        end_reason | dict | matched, timeout, replaced, evicted, master_gone, removed
        child_conn_id | int64 | entry that it opened (the last one of a PERMANENT expectation)
        text | dict | the announcement, as text, made printable
        family | dict | ipv4 or ipv6
        zone | uint16 | conntrack zone
        child_helper | dict | helper that the expected connection is given (null: none)
        observed | bool | no helper was assigned: only watched, the connection was NEW and not RELATED
    """),
    "expectation_events": _columns("""
        event_id | int64 | number in the order of events, from 1
        ts | ts | when it happened; for a timeout the deadline itself
        packet | int64 | packet that caused it (null: a timer)
        expectation_id | int64 | the expectation
        event | dict | NEW, DESTROY; not sent by the kernel: REFRESH of the timer, MATCH of one that stays (PERMANENT)
        timeout_s | int64 [s] | timeout left
        flags | dict | PERMANENT, INACTIVE, comma separated, after the event
        reason | dict | why it was destroyed, as end_reason of expectations
        after_transition_id | int64 | last transition before this event: how the two streams interleave
        child_conn_id | int64 | entry that a match opened
    """),
    "occupancy": _columns("""
        ts | ts | second of capture time; only seconds in which something happened have a row
        packets | int64 [packets] | packets tracked in this second
        entries | int64 | live entries at its end
        peak | int64 | most live entries within it
        inserts | int64 | entries confirmed
        destroys | int64 | entries destroyed
        early_drops | int64 | entries evicted to make room
        full_drops | int64 [packets] | packets refused because the table was full
        assured | int64 | live entries with ASSURED
        unreplied | int64 | live entries without a reply
        tcp | int64 | live TCP entries
        udp | int64 | live UDP entries
        icmp | int64 | live ICMP entries
        icmpv6 | int64 | live ICMPv6 entries
        sctp | int64 | live SCTP entries
        gre | int64 | live GRE entries
        udplite | int64 | live UDP-Lite entries
        other | int64 | live entries of other protocols
        tcp_none | int64 | live TCP entries in NONE
        tcp_syn_sent | int64 | live TCP entries in SYN_SENT
        tcp_syn_recv | int64 | live TCP entries in SYN_RECV
        tcp_established | int64 | live TCP entries in ESTABLISHED
        tcp_fin_wait | int64 | live TCP entries in FIN_WAIT
        tcp_close_wait | int64 | live TCP entries in CLOSE_WAIT
        tcp_last_ack | int64 | live TCP entries in LAST_ACK
        tcp_time_wait | int64 | live TCP entries in TIME_WAIT
        tcp_close | int64 | live TCP entries in CLOSE
        tcp_syn_sent2 | int64 | live TCP entries in SYN_SENT2
        sctp_none | int64 | live SCTP entries in NONE
        sctp_closed | int64 | live SCTP entries in CLOSED
        sctp_cookie_wait | int64 | live SCTP entries in COOKIE_WAIT
        sctp_cookie_echoed | int64 | live SCTP entries in COOKIE_ECHOED
        sctp_established | int64 | live SCTP entries in ESTABLISHED
        sctp_shutdown_sent | int64 | live SCTP entries in SHUTDOWN_SENT
        sctp_shutdown_recd | int64 | live SCTP entries in SHUTDOWN_RECD
        sctp_shutdown_ack_sent | int64 | live SCTP entries in SHUTDOWN_ACK_SENT
        sctp_heartbeat_sent | int64 | live SCTP entries in HEARTBEAT_SENT
    """),
    "stats": _columns("""
        name | text | counter; those of conntrack -S carry its names
        value | int64 | its value over the whole replay
        severity | text | info, data_loss or error
        description | text | what it counts
    """),
    "captures": _columns("""
        capture | uint16 | number, as in packets
        path | text | file as given
        format | text | pcap or pcapng, with byte order and variant
        compression | text | gzip, zstd, xz or null
        interface | int64 | interface number within the file
        interface_name | text | if_name of the interface
        linktype | int64 | LINKTYPE_* number
        linktype_name | text | its name
        snaplen | int64 [bytes] | snap length of the interface, 0 unlimited
        resolution | text | timestamp resolution
        packets | int64 [packets] | frames read
        bytes | int64 [bytes] | captured bytes
        wire_bytes | int64 [bytes] | bytes on the wire
        first_ts | ts | first timestamp
        last_ts | ts | last timestamp
        reordered | int64 [packets] | frames older than the frame before them
        max_backstep_ns | int64 [ns] | largest step back
        truncated | int64 [packets] | frames cut by the snap length
        received | int64 [packets] | packets the capturing system says it received
        kernel_drops | int64 [packets] | packets the capturing system says it dropped
        checksums_checked | int64 [packets] | TCP and UDP packets whose checksum was sampled
        checksums_wrong | int64 [packets] | of these, wrong ones
        checksums_offloaded | int64 [packets] | of these, ones left for the network card to fill in
        duplicates | int64 [packets] | packets seen twice within 1 ms
        undecodable | int64 [packets] | frames that were no readable IP packet
        undecodable_by_reason | text | JSON object: reason to frames
        damaged | bool | the file was damaged
        damage | text | JSON list: where and what
    """),
}
