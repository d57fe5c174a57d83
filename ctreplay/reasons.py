"""Every reason a packet can carry: why INVALID, ignored, untracked, dropped or undecodable.

One closed list. A reason is stored as its index while the replay runs and as its name in the dataset. `CLASSES` says
what a reason means for the packet: `invalid` (no entry, `ct state invalid`), `ignored` (accepted with its ctstate but
without state change, refresh or accounting), `untracked`, `dropped` (never reaches the tracker or is refused by the
full table), `fragment` (absorbed by reassembly), `undecodable` (not IP, or not readable as such), `note` (accepted;
the reason only says what was special).

Undecodable link payloads are named by their protocol (`ethertype 0x88cc`), registered when first met.
"""

from __future__ import annotations

# (name, class, meaning)
TABLE: tuple[tuple[str, str, str], ...] = (
    ("", "note", "nothing special"),
    # network layer
    ("l4_not_found", "invalid", "the transport header cannot be found behind the IP header or extension headers"),
    ("tuple_missing", "invalid", "too few transport bytes for a tuple (ports, ICMP header)"),
    ("tuple_not_invertible", "invalid", "no reply tuple exists for this ICMP type, so no entry can be opened"),
    ("gre_not_ppp", "invalid", "GRE version 1 whose protocol is not PPP"),
    # ICMP
    ("icmp_short", "invalid", "fewer than 8 bytes of ICMP"),
    ("icmp_checksum", "invalid", "wrong ICMP checksum"),
    ("icmp_type", "invalid", "ICMP type above 18"),
    ("icmp_error_quote", "invalid", "ICMP error whose quoted packet has no readable tuple"),
    ("icmp_error_no_entry", "invalid", "ICMP error about a packet that no entry knows"),
    ("icmp_error_destination", "invalid", "ICMP error whose destination is not the sender of the quoted packet"),
    ("icmp_not_request", "invalid", "ICMP reply or other type that may not open an entry"),
    ("icmp_family", "invalid", "ICMP in IPv6 or ICMPv6 in IPv4"),
    ("icmp_redirect", "invalid", "ICMPv6 redirect with wrong hop limit, source or redirected-header option"),
    ("icmpv6_untracked", "untracked", "ICMPv6 neighbour discovery or multicast listener message"),
    ("icmp_error", "note", "ICMP error about a tracked packet: RELATED to that packet's entry"),
    # TCP
    ("tcp_short", "invalid", "fewer than 20 bytes of TCP"),
    ("tcp_bad_offset", "invalid", "TCP data offset below 5 or beyond the segment"),
    ("tcp_checksum", "invalid", "wrong TCP checksum"),
    ("tcp_flags", "invalid", "illegal combination of FIN, SYN, RST, ACK, URG"),
    ("tcp_not_opening", "invalid", "SYN/ACK, FIN or RST without an entry"),
    ("tcp_loose_off", "invalid", "mid-stream pick-up refused because nf_conntrack_tcp_loose=0"),
    ("tcp_bad_transition", "invalid", "this packet class is not valid in the entry's state"),
    ("tcp_rst_below_max_ack", "invalid", "RST whose sequence number is below what the peer already acknowledged"),
    ("tcp_seq_over_upper_bound", "invalid", "segment begins beyond the right edge of the receiver's window"),
    ("tcp_ack_over_upper_bound", "invalid", "ACK of data that was never sent"),
    ("tcp_seq_beyond_window_edge", "ignored", "segment overshoots the window by less than the receiver's largest one"),
    ("tcp_seq_under_lower_bound", "ignored", "segment ends below the receiver's window: an old duplicate"),
    ("tcp_ack_under_lower_bound", "ignored", "ACK far below what was already acknowledged"),
    ("tcp_ignored_in_state", "ignored", "remembered but not acted on in this state; the peer's answer will tell"),
    ("tcp_syn_retransmitted", "ignored", "SYN repeated before any reply: the timeout keeps running"),
    ("tcp_challenge_ack", "ignored", "ACK answering a SYN in LAST_ACK: swallowed once"),
    ("tcp_midstream", "note", "entry opened by an ACK: picked up mid-stream"),
    ("tcp_reopened", "note", "SYN on a closed tuple: the old entry was destroyed"),
    ("tcp_resync", "note", "SYN/ACK answering a SYN ignored before: tracking starts afresh"),
    ("tcp_rst_not_exact", "note", "RST inside the window but not at the expected sequence number: state kept"),
    ("tcp_liberal", "note", "out of window, accepted because tracking is liberal here"),
    # UDP, UDP-Lite
    ("udp_short", "invalid", "fewer than 8 bytes of UDP"),
    ("udp_length", "invalid", "UDP length field below 8 or beyond the packet"),
    ("udp_checksum", "invalid", "wrong UDP checksum"),
    ("udplite_short", "invalid", "fewer than 8 bytes of UDP-Lite"),
    ("udplite_coverage", "invalid", "UDP-Lite checksum coverage of 1 to 7 bytes or beyond the packet"),
    ("udplite_checksum", "invalid", "UDP-Lite checksum zero or wrong"),
    # SCTP
    ("sctp_short", "invalid", "fewer than 12 bytes of SCTP"),
    ("sctp_checksum", "invalid", "wrong SCTP CRC32c"),
    ("sctp_chunks", "invalid", "SCTP chunk of length zero, none at all, or a forbidden bundle"),
    ("sctp_not_opening", "invalid", "SCTP chunks that may not open an association"),
    ("sctp_vtag", "invalid", "SCTP verification tag does not belong to the association"),
    ("sctp_bad_transition", "invalid", "this SCTP chunk is not valid in the entry's state"),
    ("sctp_not_refreshed", "ignored", "SCTP INIT or HEARTBEAT that neither refreshes nor counts"),
    # table, helpers
    ("table_full", "dropped", "nf_conntrack_max reached and nothing could be evicted"),
    ("insert_failed", "dropped", "the tuple was already taken at confirmation"),
    ("helper_dropped", "dropped", "a helper could not parse its control message or add its expectation"),
    ("expected", "note", "the packet opened a connection that a helper expected"),
    # fragments
    ("fragment", "fragment", "fragment held back until its datagram is complete"),
    ("fragment_duplicate", "fragment", "fragment already held: dropped"),
    ("fragment_overlap", "fragment", "overlapping or contradicting fragment: the datagram is lost"),
    ("fragment_refused", "fragment", "fragment refused: empty, header cut, beyond 65,535 bytes, or no memory left"),
    # what is not a readable IP packet
    ("frame_short", "undecodable", "frame too short for its link layer"),
    ("linktype", "undecodable", "link type not known"),
    ("ip_version", "undecodable", "neither IPv4 nor IPv6 where IP was announced"),
    ("ip_header", "undecodable", "IP header cut or malformed"),
    ("ip_length", "undecodable", "IP total length below the header length"),
    ("ip_checksum", "dropped", "wrong IPv4 header checksum: dropped before tracking"),
    ("ipv6_address", "dropped", "IPv6 from a multicast source or to a reserved or interface-local group"),
    ("ipv6_options", "dropped", "IPv6 hop-by-hop options that are refused on receipt"),
    ("arp", "undecodable", "ARP"),
    ("llc", "undecodable", "LLC frame that carries no IP"),
    ("mpls", "undecodable", "MPLS payload that is not IP"),
    ("ppp", "undecodable", "PPP payload that is not IP"),
    ("nesting", "undecodable", "more than 12 link headers inside each other"),
    ("ethertype", "undecodable", "one of very many unknown EtherTypes"),
    ("wlan_not_data", "undecodable", "802.11 management or control frame, or a data frame without payload"),
    ("wlan_protected", "undecodable", "encrypted 802.11 frame"),
    ("wlan_aggregate", "undecodable", "802.11 frame with several packets (A-MSDU), which are not taken apart"),
    ("wlan_fragment", "undecodable", "later fragment of an 802.11 frame, which is not put together"),
)

NAMES: list[str] = [row[0] for row in TABLE]
CLASSES: list[str] = [row[1] for row in TABLE]
MEANINGS: list[str] = [row[2] for row in TABLE]
# room for protocol names: a hostile capture may hold every EtherType there is
LIMIT = 1000
CODES: dict[str, int] = {name: code for code, name in enumerate(NAMES)}


def code(name: str) -> int:
    """The index of `name`; a new undecodable protocol name is registered on first use."""
    found = CODES.get(name)
    if found is None and len(NAMES) >= LIMIT:
        return CODES["ethertype"]
    if found is None:
        found = CODES[name] = len(NAMES)
        NAMES.append(name)
        CLASSES.append("undecodable")
        MEANINGS.append("a protocol that is not IP")
    return found
