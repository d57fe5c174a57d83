"""Names, values and files of sysctls."""

from __future__ import annotations

import pytest

from ctreplay.tracker import sysctl

# spec section 6; checksum, max, acct, timestamp and events differ on purpose or have no effect
DEFAULTS = """\
tcp_timeout_syn_sent 120 tcp_timeout_syn_recv 60 tcp_timeout_established 432000 tcp_timeout_fin_wait 120
tcp_timeout_close_wait 60 tcp_timeout_last_ack 30 tcp_timeout_time_wait 120 tcp_timeout_close 10
tcp_timeout_max_retrans 300 tcp_timeout_unacknowledged 300 tcp_loose 1 tcp_be_liberal 0 tcp_ignore_invalid_rst 0
tcp_max_retrans 3 udp_timeout 30 udp_timeout_stream 120 icmp_timeout 30 icmpv6_timeout 30 generic_timeout 600
gre_timeout 30 gre_timeout_stream 180 frag6_timeout 60 sctp_timeout_closed 10 sctp_timeout_cookie_wait 3
sctp_timeout_cookie_echoed 3 sctp_timeout_established 210 sctp_timeout_shutdown_sent 3 sctp_timeout_shutdown_recd 3
sctp_timeout_shutdown_ack_sent 3 sctp_timeout_heartbeat_sent 30 max 0 buckets 262144 expect_max 4096 checksum 0
frag6_high_thresh 4194304 frag6_low_thresh 3145728
""".split()  # noqa: SIM905


def test_defaults() -> None:
    values = sysctl.defaults()
    for name, value in zip(DEFAULTS[::2], DEFAULTS[1::2], strict=True):
        assert values[f"nf_conntrack_{name}"] == int(value)
    assert values["ipfrag_time"] == 30 and values["ipfrag_max_dist"] == 64


@pytest.mark.parametrize(
    "text",
    [
        "nf_conntrack_udp_timeout=7", "net.netfilter.nf_conntrack_udp_timeout=7",
        "net/netfilter/nf_conntrack_udp_timeout=7",
        " nf_conntrack_udp_timeout = 7 ", "net.ipv4.netfilter.nf_conntrack_udp_timeout=0x7",
    ],
)  # fmt: skip
def test_ways_to_write_a_name(text: str) -> None:
    assert sysctl.parse([text]) == {"nf_conntrack_udp_timeout": 7}


def test_the_last_one_counts() -> None:
    assert sysctl.parse(["ipfrag_time=1", "net.ipv4.ipfrag_time=2"]) == {"ipfrag_time": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nf_conntrack_upd_timeout=1", "did you mean nf_conntrack_udp_timeout?"),
        ("tcp_timeout_establish=1", "did you mean nf_conntrack_tcp_timeout_established?"),
        ("udp_timeout=1", "did you mean nf_conntrack_udp_timeout?"),
        ("net.netfilter.nf_conntrack_tcp_looose=1", "did you mean nf_conntrack_tcp_loose?"),
        ("qqqqqq=1", "unknown sysctl 'qqqqqq'"),
        ("nf_conntrack_udp_timeout", "write NAME=VALUE"),
        ("nf_conntrack_udp_timeout=", "not a whole number"),
        ("nf_conntrack_udp_timeout=30s", "not a whole number"),
        ("nf_conntrack_udp_timeout=1.5", "not a whole number"),
        ("nf_conntrack_udp_timeout=-1", "out of range"),
        ("nf_conntrack_udp_timeout=8589935", "out of range, which is 0 to 8589934"),
        ("ipfrag_time=8589935", "out of range"),
        ("nf_conntrack_max=2147483648", "out of range"),
        ("nf_conntrack_tcp_loose=2", "out of range"),
        ("nf_conntrack_tcp_max_retrans=256", "out of range"),
    ],
)
def test_errors_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(sysctl.SysctlError) as caught:
        sysctl.parse([text])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "nf_conntrack_udp_timeout=8589934",
        "nf_conntrack_max=2147483647",
        "nf_conntrack_tcp_max_retrans=255",
        "ipfrag_time=0",
    ],
)
def test_highest_and_lowest(text: str) -> None:
    assert sysctl.parse([text])


SYSCTL_D = """
# a comment
; another
net.netfilter.nf_conntrack_udp_timeout = 7

net/netfilter/nf_conntrack_icmp_timeout=8
-net.netfilter.nf_conntrack_gre_timeout = 9
-net.netfilter.*
kernel.sysrq = 438
net.ipv4.ip_forward=1
net.ipv4.ipfrag_time = 3
net.ipv4.conf.eth0/1.rp_filter = 1
kernel.hostname = a = b
"""
SYSCTL_A = """
kernel.ns_last_pid = 4711
net.netfilter.nf_conntrack_acct = 0
net.netfilter.nf_conntrack_buckets = 262144
net.netfilter.nf_conntrack_count = 12
net.netfilter.nf_conntrack_dccp_loose = 1
net.netfilter.nf_conntrack_dccp_timeout_open = 43200
net.netfilter.nf_conntrack_helper = 0
net.netfilter.nf_conntrack_max = 1000
net.netfilter.nf_flowtable_tcp_timeout = 30
net.netfilter.nf_log.0 = NONE
net.nf_conntrack_max = 1000
net.ipv6.conf.all.accept_ra = 0
"""


def test_sysctl_d() -> None:
    assert sysctl.parse_file(SYSCTL_D, "x.conf") == {
        "nf_conntrack_udp_timeout": 7, "nf_conntrack_icmp_timeout": 8, "nf_conntrack_gre_timeout": 9, "ipfrag_time": 3,
    }  # fmt: skip


def test_output_of_sysctl_a() -> None:
    assert sysctl.parse_file(SYSCTL_A, "-") == {
        "nf_conntrack_acct": 0, "nf_conntrack_buckets": 262144, "nf_conntrack_max": 1000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nnet.netfilter.nf_conntrack_upd_timeout = 3", "x.conf:2: unknown sysctl"),
        (
            "net.netfilter.nf_conntrack_udp_timeout = soon",
            "x.conf:1: nf_conntrack_udp_timeout=soon: not a whole number",
        ),
        ("what is this", "x.conf:1: not a line of the form"),
    ],
)
def test_file_errors_say_where(text: str, message: str) -> None:
    with pytest.raises(sysctl.SysctlError) as caught:
        sysctl.parse_file(text, "x.conf")
    assert message in str(caught.value)


def test_every_value_reaches_the_tracker() -> None:
    """Each timeout lands in a field of its own of the tracker's settings."""
    from ctreplay.tracker.settings import Settings

    names = [name for name in sysctl.DEFAULTS if "timeout" in name or name == "ipfrag_time"]
    values = sysctl.defaults() | {name: 1000 + n for n, name in enumerate(names)}
    settings = Settings(values)
    found = sorted(
        [*(getattr(settings, name) for name in SETTINGS), *list(settings.tcp)[1:9], *list(settings.sctp)[1:]]
    )
    assert found == [(1000 + n) * 10**9 for n in range(len(names))]
    assert settings.tcp[9] == 120 * 10**9, "SYN_SENT2 follows no sysctl"


SETTINGS = [
    "retrans_timeout", "unacked_timeout", "udp", "udp_stream", "icmp", "icmpv6", "generic", "gre", "gre_stream",
    "frag6_timeout", "frag4_timeout",
]  # fmt: skip
