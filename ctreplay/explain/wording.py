"""What the kernel would have written with nf_conntrack_log_invalid on (6.18; seen in its log).

The upper bounds of the window check are printed exclusively: one more than the highest value it accepts.
"""

from __future__ import annotations

from ctreplay.explain.observe import Step
from ctreplay.tracker.proto import tcp_table

_U32 = 0xFFFFFFFF
_PLAIN = {
    "tcp_bad_offset": "truncated packet",
    "tcp_checksum": "bad checksum",
    "tcp_flags": "invalid tcp flag combination",
    "tcp_not_opening": "invalid new",
    "tcp_rst_below_max_ack": "invalid rst",
    "tcp_challenge_ack": "challenge-ack ignored",
    "udp_short": "short packet",
    "udp_length": "truncated/malformed packet",
    "udp_checksum": "bad checksum",
    "udplite_short": "short packet",
    "udplite_coverage": "invalid checksum coverage",
    "icmp_short": "short packet",
    "icmp_type": "invalid icmp type",
    "sctp_short": "nf_ct_sctp: short packet",
    "sctp_checksum": "nf_ct_sctp: bad CRC",
}


def packet_class(flags: int) -> str:
    """Class of a legal set of TCP flags."""
    return tcp_table.CLASSES[tcp_table.flag_classes()[flags]]


def wording(step: Step) -> str | None:
    """The line without its prefix; None where the kernel logs nothing, or its words are not known here."""
    text = _PLAIN.get(step.reason)
    if step.reason == "icmp_checksum":
        text = "ICMPv6 checksum failed" if step.family == 6 else "bad hw icmp checksum"
    elif step.flags is not None and step.reason in ("tcp_bad_transition", "tcp_ignored_in_state"):
        index = tcp_table.CLASSES.index(packet_class(step.flags)) - 1
        verdict = "invalid" if step.reason == "tcp_bad_transition" else "ignored"
        # an entry that was never confirmed has no state before; only its first packet can be meant
        text = f"packet (index {index}) in dir {step.direction} {verdict}, state {step.old_state or 'NONE'}"
    elif step.bounds is not None:
        low, high, ack_low, ack_high = step.bounds
        text = {
            "tcp_seq_over_upper_bound": f"SEQ is over upper bound {(high + 1) & _U32} "
            "(over the window of the receiver)",
            "tcp_ack_over_upper_bound": f"ACK is over upper bound {(ack_high + 1) & _U32} (ACKed data not seen yet)",
            "tcp_seq_under_lower_bound": f"SEQ is under lower bound {(low - 1) & _U32} "
            "(already ACKed data retransmitted)",
            "tcp_ack_under_lower_bound": f"ignored ACK under lower bound {(ack_low - 1) & _U32} "
            "(possible overly delayed)",
            "tcp_seq_beyond_window_edge": f"{(step.seq_end - high + 1) & _U32} bytes more than expected",
        }.get(step.reason, text)
    return f"nf_ct_proto_{step.proto}: {text}" if text else None
