"""The sysctls that the tracker obeys, in the form it reads them: nanoseconds and small integers."""

from __future__ import annotations

from array import array

from ctreplay.tracker import sysctl

_SECOND = 1_000_000_000


class Settings:
    """Built from sysctl values (see `ctreplay.tracker.sysctl`); `tcp` and `sctp` hold timeouts by state number."""

    __slots__ = (
        "be_liberal", "buckets", "checksum", "frag4_timeout", "frag6_timeout", "frag_max_dist", "frag_memory",
        "generic", "gre", "gre_stream", "icmp", "icmpv6", "ignore_invalid_rst", "loose", "max_entries",
        "max_retrans", "retrans_timeout", "sctp", "tcp", "udp", "udp_stream", "unacked_timeout",
    )  # fmt: skip

    def __init__(self, values: dict[str, int]) -> None:
        def seconds(name: str) -> int:
            return values[f"nf_conntrack_{name}"] * _SECOND

        self.tcp = array("q", [0] * 10)
        for number, name in enumerate(sysctl.TCP_STATES):
            if name:
                self.tcp[number] = seconds(f"tcp_timeout_{name}") if name != "syn_sent2" else 120 * _SECOND
        self.sctp = array("q", [0] * 9)
        for number, name in enumerate(sysctl.SCTP_STATES):
            if name:
                self.sctp[number] = seconds(f"sctp_timeout_{name}")
        self.retrans_timeout = seconds("tcp_timeout_max_retrans")
        self.unacked_timeout = seconds("tcp_timeout_unacknowledged")
        self.udp = seconds("udp_timeout")
        self.udp_stream = seconds("udp_timeout_stream")
        self.icmp = seconds("icmp_timeout")
        self.icmpv6 = seconds("icmpv6_timeout")
        self.generic = seconds("generic_timeout")
        self.gre = seconds("gre_timeout")
        self.gre_stream = seconds("gre_timeout_stream")
        self.frag6_timeout = seconds("frag6_timeout")
        self.frag4_timeout = values["ipfrag_time"] * _SECOND
        self.frag_max_dist = values["ipfrag_max_dist"]
        self.frag_memory = values["nf_conntrack_frag6_high_thresh"]
        self.loose = values["nf_conntrack_tcp_loose"]
        self.be_liberal = values["nf_conntrack_tcp_be_liberal"]
        self.ignore_invalid_rst = values["nf_conntrack_tcp_ignore_invalid_rst"]
        self.max_retrans = values["nf_conntrack_tcp_max_retrans"]
        self.checksum = values["nf_conntrack_checksum"]
        self.max_entries = values["nf_conntrack_max"]
        self.buckets = values["nf_conntrack_buckets"]
