"""Names, defaults and parsing of the sysctls that ctreplay models (net.netfilter.*, 6.18)."""

from __future__ import annotations

import re
from collections.abc import Iterable

TCP_STATES = (
    "", "syn_sent", "syn_recv", "established", "fin_wait", "close_wait", "last_ack", "time_wait", "close", "syn_sent2",
)  # fmt: skip
SCTP_STATES = (
    "", "closed", "cookie_wait", "cookie_echoed", "established", "shutdown_sent", "shutdown_recd", "shutdown_ack_sent",
    "heartbeat_sent",
)  # fmt: skip

# name without prefix: (default, meaning). Differences from the kernel's own defaults: checksum and max.
DEFAULTS: dict[str, tuple[int, str]] = {
    "nf_conntrack_tcp_timeout_syn_sent": (120, "seconds in SYN_SENT"),
    "nf_conntrack_tcp_timeout_syn_recv": (60, "seconds in SYN_RECV"),
    "nf_conntrack_tcp_timeout_established": (432000, "seconds in ESTABLISHED with everything acknowledged"),
    "nf_conntrack_tcp_timeout_fin_wait": (120, "seconds in FIN_WAIT"),
    "nf_conntrack_tcp_timeout_close_wait": (60, "seconds in CLOSE_WAIT"),
    "nf_conntrack_tcp_timeout_last_ack": (30, "seconds in LAST_ACK"),
    "nf_conntrack_tcp_timeout_time_wait": (120, "seconds in TIME_WAIT"),
    "nf_conntrack_tcp_timeout_close": (10, "seconds in CLOSE"),
    "nf_conntrack_tcp_timeout_max_retrans": (300, "seconds after max_retrans duplicates, or with a zero window"),
    "nf_conntrack_tcp_timeout_unacknowledged": (300, "seconds while data is not acknowledged"),
    "nf_conntrack_tcp_loose": (1, "1: pick up connections mid-stream"),
    "nf_conntrack_tcp_be_liberal": (0, "1: out-of-window segments are not INVALID"),
    "nf_conntrack_tcp_ignore_invalid_rst": (0, "1: a RST below the peer's highest ACK is not INVALID"),
    "nf_conntrack_tcp_max_retrans": (3, "duplicates until the max_retrans timeout applies"),
    "nf_conntrack_udp_timeout": (30, "seconds without a reply, or before the stream threshold"),
    "nf_conntrack_udp_timeout_stream": (120, "seconds for a UDP stream"),
    "nf_conntrack_icmp_timeout": (30, "seconds for ICMP"),
    "nf_conntrack_icmpv6_timeout": (30, "seconds for ICMPv6"),
    "nf_conntrack_generic_timeout": (600, "seconds for other protocols"),
    "nf_conntrack_gre_timeout": (30, "seconds for GRE without a reply"),
    "nf_conntrack_gre_timeout_stream": (180, "seconds for replied GRE"),
    "nf_conntrack_sctp_timeout_closed": (10, "seconds in CLOSED"),
    "nf_conntrack_sctp_timeout_cookie_wait": (3, "seconds in COOKIE_WAIT"),
    "nf_conntrack_sctp_timeout_cookie_echoed": (3, "seconds in COOKIE_ECHOED"),
    "nf_conntrack_sctp_timeout_established": (210, "seconds in ESTABLISHED"),
    "nf_conntrack_sctp_timeout_shutdown_sent": (3, "seconds in SHUTDOWN_SENT"),
    "nf_conntrack_sctp_timeout_shutdown_recd": (3, "seconds in SHUTDOWN_RECD"),
    "nf_conntrack_sctp_timeout_shutdown_ack_sent": (3, "seconds in SHUTDOWN_ACK_SENT"),
    "nf_conntrack_sctp_timeout_heartbeat_sent": (30, "seconds in HEARTBEAT_SENT"),
    "nf_conntrack_checksum": (0, "1: verify checksums (kernel default 1; a capture may precede offload)"),
    "nf_conntrack_max": (0, "entries the table holds, 0 unlimited (kernel default by memory)"),
    "nf_conntrack_buckets": (262144, "hash buckets, used for early drop"),
    "nf_conntrack_expect_max": (4096, "expectations the table holds"),
    "nf_conntrack_frag6_timeout": (60, "seconds to complete an IPv6 datagram"),
    "nf_conntrack_frag6_high_thresh": (4194304, "bytes of fragments held"),
    "nf_conntrack_frag6_low_thresh": (3145728, "accepted, has no effect here"),
    "ipfrag_time": (30, "seconds to complete an IPv4 datagram"),
    "ipfrag_max_dist": (64, "fragments of one source that may overtake a datagram, 0 unlimited"),
    "nf_conntrack_acct": (1, "accepted: accounting is always on"),
    "nf_conntrack_timestamp": (1, "accepted: timestamps are always kept"),
    "nf_conntrack_events": (1, "accepted: events are always written"),
    "nf_conntrack_log_invalid": (0, "accepted: reasons are always kept"),
}

_PREFIXES = ("net.netfilter.", "net.ipv4.", "net.ipv4.netfilter.", "net.")
_MAX = 0x7FFFFFFF
# the highest value that the kernel takes; of timeouts as many jiffies as an int holds (HZ=250)
_HIGHEST = dict.fromkeys((name for name in DEFAULTS if "_timeout" in name), _MAX // 250) | {
    "ipfrag_time": _MAX // 250,
    "nf_conntrack_tcp_loose": 1,
    "nf_conntrack_tcp_be_liberal": 1,
    "nf_conntrack_tcp_ignore_invalid_rst": 1,
    "nf_conntrack_tcp_max_retrans": 255,
    "nf_conntrack_checksum": 1,
    "nf_conntrack_acct": 1,
    "nf_conntrack_timestamp": 1,
    "nf_conntrack_events": 2,
    "nf_conntrack_log_invalid": 255,
}


class SysctlError(ValueError):
    """An unknown name or an impossible value; the message says what to write instead."""


def defaults() -> dict[str, int]:
    """Default value of every sysctl."""
    return {name: value for name, (value, _) in DEFAULTS.items()}


def highest(name: str) -> int:
    """The highest value of a sysctl."""
    return _HIGHEST.get(name, _MAX)


def bare(name: str) -> str:
    """The name without its `net.netfilter.` (or `net/netfilter/`) prefix."""
    name = name.strip().replace("/", ".")
    for prefix in _PREFIXES:
        if name.startswith(prefix) and "." not in name[len(prefix) :]:
            return name[len(prefix) :]
    return name


def parse(settings: Iterable[str]) -> dict[str, int]:
    """`NAME=VALUE` strings to values; unknown names raise `SysctlError` and suggest the nearest one."""
    values: dict[str, int] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise SysctlError(f"--sysctl {setting!r}: write NAME=VALUE, for example nf_conntrack_udp_timeout=30")
        values.update([_value(bare(name), text)])
    return values


def _value(name: str, text: str) -> tuple[str, int]:
    if name not in DEFAULTS:
        known = [*DEFAULTS, *(n.removeprefix("nf_conntrack_") for n in DEFAULTS)]
        import difflib

        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = ""
        if near:
            full = near[0] if near[0] in DEFAULTS else f"nf_conntrack_{near[0]}"
            hint = f"; did you mean {full}?"
        raise SysctlError(f"unknown sysctl {name!r}{hint}")
    try:
        value = int(text.strip(), 0)
    except ValueError:
        raise SysctlError(f"{name}={text.strip()}: not a whole number") from None
    if not 0 <= value <= highest(name):
        raise SysctlError(f"{name}={value}: out of range, which is 0 to {highest(name)}")
    return name, value


def parse_file(text: str, where: str) -> dict[str, int]:
    """sysctl.d syntax or `sysctl -a` output; keys of other subsystems are passed over, unknown conntrack keys raise."""
    values: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        match = re.match(r"-?\s*([^=\s]+)\s*=\s*(.*)$", line)
        if not match:
            if line.startswith("-"):
                continue
            raise SysctlError(f"{where}:{number}: not a line of the form name = value")
        name, text_value = bare(match[1]), match[2]
        if name in DEFAULTS:
            try:
                values.update([_value(name, text_value)])
            except SysctlError as exc:
                raise SysctlError(f"{where}:{number}: {exc}") from None
        elif "conntrack" in name and not _is_readonly(name):
            _unknown(name, where, number)
    return values


def _is_readonly(name: str) -> bool:
    """Keys that `sysctl -a` prints and that say nothing about behaviour."""
    return name in {"nf_conntrack_count", "nf_conntrack_helper"} or "dccp" in name or "flowtable" in name


def _unknown(name: str, where: str, number: int) -> None:
    try:
        _value(name, "0")
    except SysctlError as exc:
        raise SysctlError(f"{where}:{number}: {exc}") from None
