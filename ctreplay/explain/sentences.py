"""A sentence or two for every reason a packet can carry, with the packet's own numbers."""

from __future__ import annotations

from ctreplay import reasons
from ctreplay.explain.observe import Happened, Step
from ctreplay.explain.wording import packet_class
from ctreplay.tracker.proto import tcp_table

_FLAGS = ((0x02, "SYN"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH"), (0x10, "ACK"), (0x20, "URG"))
_FLAGS_LATE = ((0x40, "ECE"), (0x80, "CWR"))


def flag_names(flags: int) -> str:
    """`SYN ACK`, or `no flags`."""
    return " ".join(name for bit, name in _FLAGS + _FLAGS_LATE if flags & bit) or "no flags"


def _bytes(count: int) -> str:
    return f"{count:,} byte" if count == 1 else f"{count:,} bytes"


def sentences(step: Step, sysctls: dict[str, int]) -> list[str]:
    """Why the packet got its verdict."""
    maker = _SPECIAL.get(step.reason)
    if maker is not None:
        return maker(step, sysctls)
    if not step.reason:
        return accepted(step)
    number = reasons.CODES[step.reason]
    meaning = reasons.MEANINGS[number]
    if step.kind == "undecodable":
        if meaning == "a protocol that is not IP":
            meaning = f"it carries {step.reason}, which is not IP"
        return [
            f"The frame of {_bytes(step.caplen)} never reached the tracker: {meaning}.",
            "Connection tracking sees IPv4 and IPv6 only; nothing was changed by it.",
        ]
    text = [meaning[0].upper() + meaning[1:] + "."]
    if step.kind == "invalid":
        text.append("It has no entry (ct state invalid); tracking does not drop it, a rule may.")
    elif step.kind == "ignored":
        text.append("It was accepted with its entry, but changed no state, refreshed no timeout and was not counted.")
    elif step.kind == "dropped":
        text.append("It went no further: neither tracked nor forwarded.")
    elif step.kind == "fragment":
        text.append("Tracking sees only whole datagrams: the fragment that completes one carries the verdict.")
    return text


def lasting(ns: int) -> str:
    """A length of time: `2.5 ms`, `12.3 s`, `5 m 12 s`, `3 h 05 m`, `2 d 4 h`."""
    # up to what is rounded to the next unit
    if ns < 999_500:
        return f"{ns / 1000:.0f} µs"
    if ns < 999_500_000:
        return f"{ns / 1_000_000:.3g} ms"
    seconds = ns / 1_000_000_000
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} m"
    return f"{hours // 24} d {hours % 24} h"


def gone_before(end: Happened, now: int) -> str:
    """How long ago, at `now` (ns), the last entry with the packet's tuple ended, and how."""
    how = {
        "timeout": "expired",
        "reset": "was destroyed by a RST",
        "early_drop": "was evicted from the full table",
        "gc": "was evicted from the full table",
    }.get(end.why, "went")
    state = f" in {end.old_state}" if end.old_state else ""
    return f"Entry {end.conn_id}, the last one with this tuple, {how}{state} {lasting(now - end.ts)} before."


def accepted(step: Step) -> list[str]:
    """Nothing special."""
    if not step.ctstate:
        return ["Nothing was decided about this packet."]
    text = f"Accepted as {step.ctstate}"
    if any(one.why == "reset" for one in step.happened):
        text += f": the reset of an unanswered connection, which destroyed entry {step.conn_id} in {step.old_state}"
        return [text + "."]
    if any(one.event == "NEW" for one in step.happened):
        text += f": it opened entry {step.conn_id}"
    elif step.state and step.old_state and step.state != step.old_state:
        text += f": it moved the entry from {step.old_state} to {step.state}"
    elif step.state:
        text += f" in state {step.state}"
    found = [text + "."]
    if step.refreshed and step.deadline is not None:
        found.append(f"It set the entry's timeout to {(step.deadline - step.now) / 1e9:.15g} s.")
    return found


def _tcp_short(step: Step, _: dict[str, int]) -> list[str]:
    return [f"The segment has {_bytes(step.segment)} behind the IP header where TCP needs 20, so it is INVALID."]


def _tcp_bad_offset(step: Step, _: dict[str, int]) -> list[str]:
    return [
        "Its data offset says that the TCP header is shorter than 20 bytes or longer than the segment",
        f"({_bytes(step.length)} with the IP header), so the header cannot be believed: INVALID.",
    ]


def _tcp_flags(step: Step, _: dict[str, int]) -> list[str]:
    return [
        f"It carries {flag_names(step.flags or 0)}. Legal are only SYN (with URG), SYN ACK, RST, RST ACK, FIN ACK "
        "(with URG) and ACK (with URG), whatever PSH, ECE and CWR say; scanners and broken stacks send the others.",
        "INVALID before any entry was looked at.",
    ]


def _tcp_not_opening(step: Step, sysctls: dict[str, int]) -> list[str]:
    name = {"SYNACK": "SYN ACK", "FIN": "FIN", "RST": "RST"}.get(packet_class(step.flags or 0), "packet")
    found = [f"A {name} cannot open a connection, and no entry had this tuple when it came."]
    if name == "SYN ACK":
        found.append("Its SYN took another path, came before the capture, or its entry had expired.")
    else:
        found.append("The entry had expired or been reset before, or the connection was never seen here.")
    if sysctls["nf_conntrack_max"]:
        found.append("Or the table was full: it refused to open the entry, or evicted it.")
    return found


def _tcp_loose_off(step: Step, _: dict[str, int]) -> list[str]:
    return [
        "It is in the middle of a connection that has no entry, and nf_conntrack_tcp_loose=0 forbids picking one up.",
        "Only a SYN can open an entry then.",
    ]


def _tcp_bad_transition(step: Step, _: dict[str, int]) -> list[str]:
    name = packet_class(step.flags or 0)
    side = "original" if step.direction == 0 else "reply"
    state = step.old_state or step.state or "NONE"
    legal = [
        s
        for s in tcp_table.STATES[1:]
        if tcp_table.transition(side, name, s) not in (tcp_table.INVALID, tcp_table.IGNORE)
    ]
    found = [f"{_kind(name)} in {side} direction means nothing in state {state}: the transition table says invalid."]
    if legal:
        found.append(f"It would have been accepted in {', '.join(legal)}.")
    if state == "SYN_SENT" and step.direction == 0:
        found.append("The SYN ACK of the other side was not seen here: asymmetric routing, or a capture of one side.")
    return found


def _kind(name: str) -> str:
    return {"SYNACK": "A SYN ACK", "SYN": "A SYN", "FIN": "A FIN", "ACK": "An ACK", "RST": "A RST"}.get(name, "This")


def _rst(step: Step, _: dict[str, int]) -> list[str]:
    bound = step.bounds[0] if step.bounds else step.seq + step.margin
    return [
        f"Its sequence number {step.seq} lies {_bytes(step.margin)} below {bound}, which the other side has already "
        "acknowledged: a RST from the past, or one forged blindly.",
        "nf_conntrack_tcp_ignore_invalid_rst=1 would have let it pass.",
    ]


def _seq_high(step: Step, _: dict[str, int]) -> list[str]:
    high = step.bounds[1] if step.bounds else 0
    return [
        f"It begins at {step.seq}, {_bytes(step.margin)} beyond {high}, the right edge of the window that the other "
        "side had opened as far as was seen here.",
        "Either packets that moved the edge were not seen (loss in the capture, another path), the window scale is "
        "not known (no SYN seen), or the segment is not of this connection.",
    ]


def _seq_edge(step: Step, _: dict[str, int]) -> list[str]:
    high = step.bounds[1] if step.bounds else 0
    return [
        f"It begins {_bytes(step.margin)} beyond the window's right edge {high}, but by less than the receiver's "
        "largest window, and everything else fits: accepted, without state change, refresh or accounting.",
    ]


def _ack_high(step: Step, _: dict[str, int]) -> list[str]:
    high = step.bounds[3] if step.bounds else 0
    what = "SACK block ending at" if step.sack is not None else "ACK of"
    number = step.sack if step.sack is not None else step.ack
    return [
        f"Its {what} {number} confirms {_bytes(step.margin)} beyond {high}, the last byte that was seen from the other "
        "side: it acknowledges data that never came by here.",
        "Usual cause: the data took another path or was lost by the capture; also a sequence-rewriting middlebox.",
    ]


def _seq_low(step: Step, _: dict[str, int]) -> list[str]:
    low = step.bounds[0] if step.bounds else 0
    return [
        f"It ends at {step.seq_end}, {_bytes(step.margin)} below {low}, the oldest data still of interest: a late "
        "duplicate. Accepted, but without state change, refresh or accounting.",
    ]


def _ack_low(step: Step, _: dict[str, int]) -> list[str]:
    low = step.bounds[2] if step.bounds else 0
    return [
        f"Its ACK of {step.ack} lies {_bytes(step.margin)} below {low}, the oldest still believable: an overly "
        "delayed packet. Accepted, but without state change, refresh or accounting.",
    ]


def _ignored(step: Step, _: dict[str, int]) -> list[str]:
    name = packet_class(step.flags or 0)
    state = step.old_state or step.state or "?"
    found = [
        f"{_kind(name)} in state {state} is remembered but not acted on: only the other side knows whether it is real.",
    ]
    if name == "SYN":
        found.append("Should its SYN ACK follow, tracking starts afresh from it; a challenge ACK leaves all as it is.")
    found.append("No state change, no refresh, no accounting.")
    return found


def _syn_again(step: Step, _: dict[str, int]) -> list[str]:
    found = ["The SYN was repeated before any reply was seen: the timeout of the first one keeps running."]
    if step.deadline is not None:
        found.append(f"{max(step.deadline - step.now, 0) / 1e9:.1f} s of it were left.")
    return found


def _midstream(step: Step, _: dict[str, int]) -> list[str]:
    return [
        f"It opened entry {step.conn_id} without a SYN: a connection picked up in its middle "
        "(nf_conntrack_tcp_loose=1).",
        "Its window is not known, so the window checks of this entry only watch and never refuse.",
    ]


def _reopened(step: Step, _: dict[str, int]) -> list[str]:
    old = next((h.conn_id for h in step.happened if h.event == "DESTROY"), None)
    named = f"entry {old}" if old else "the old entry"
    return [f"A SYN on the tuple of a closed connection: {named} was destroyed and entry {step.conn_id} opened."]


def _udp_length(step: Step, _: dict[str, int]) -> list[str]:
    return [
        f"The length field of the UDP header is below 8 or beyond the {_bytes(step.segment)} that are there. "
        "INVALID: it has no entry.",
    ]


def _says(step: Step) -> list[str]:
    return [f"The ICMP error says: {step.icmp_message}."] if step.icmp_message else []


def _error_no_entry(step: Step, _: dict[str, int]) -> list[str]:
    return [
        *_says(step),
        "It reports about a packet whose connection has no entry (any more): expired, refused, or on another path.",
        "INVALID, so a rule that accepts only RELATED will not let this error through.",
    ]


def _icmp_error(step: Step, _: dict[str, int]) -> list[str]:
    return [
        *_says(step),
        f"It quotes a packet of entry {step.conn_id}: RELATED to it. Such an error refreshes no timeout, counts "
        "nowhere and is no reply.",
    ]


def _table_full(step: Step, sysctls: dict[str, int]) -> list[str]:
    most = sysctls["nf_conntrack_max"]
    return [
        f"The table held nf_conntrack_max={most:,} entries and none in reach could be evicted: the packet was dropped "
        '("nf_conntrack: table full, dropping packet").',
    ]


def _checksum(step: Step, _: dict[str, int]) -> list[str]:
    return [
        "Its checksum is wrong. In a capture taken on the sender that is often only checksum offload; "
        "--sysctl nf_conntrack_checksum=0 switches the verification off.",
    ]


def _expected(step: Step, _: dict[str, int]) -> list[str]:
    return [f"It opened entry {step.conn_id}, which a helper expected: RELATED until the first reply."]


_SPECIAL = {
    "tcp_short": _tcp_short,
    "tcp_bad_offset": _tcp_bad_offset,
    "tcp_flags": _tcp_flags,
    "tcp_not_opening": _tcp_not_opening,
    "tcp_loose_off": _tcp_loose_off,
    "tcp_bad_transition": _tcp_bad_transition,
    "tcp_rst_below_max_ack": _rst,
    "tcp_seq_over_upper_bound": _seq_high,
    "tcp_seq_beyond_window_edge": _seq_edge,
    "tcp_ack_over_upper_bound": _ack_high,
    "tcp_seq_under_lower_bound": _seq_low,
    "tcp_ack_under_lower_bound": _ack_low,
    "tcp_ignored_in_state": _ignored,
    "tcp_syn_retransmitted": _syn_again,
    "tcp_midstream": _midstream,
    "tcp_reopened": _reopened,
    "tcp_checksum": _checksum,
    "udp_checksum": _checksum,
    "udplite_checksum": _checksum,
    "sctp_checksum": _checksum,
    "icmp_checksum": _checksum,
    "udp_length": _udp_length,
    "icmp_error_no_entry": _error_no_entry,
    "icmp_error": _icmp_error,
    "table_full": _table_full,
    "expected": _expected,
}
