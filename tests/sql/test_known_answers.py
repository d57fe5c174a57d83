"""Queries over captures made so that every row of the answer is known."""

from __future__ import annotations

from typing import Any

import pytest

import ctreplay
from ctreplay.sql import library
from ctreplay.sql.execute import query_named
from tests.check import captures as c
from tests.traffic.build import ACK, FIN, ICMP, PSH, RST, SYN, UDP, chunk, icmp, sctp, udp

Timed = list[tuple[float, bytes]]


@pytest.fixture
def ask(tmp_path):
    """Rows of a query over packets of which each has its second."""

    def answer(packets: Timed, name: str, helpers: tuple[str, ...] = (), **parameters: Any) -> list[dict[str, Any]]:
        stamped = sorted((c.T0 + round(at * c.SECOND), data) for at, data in packets)
        target = tmp_path / "known.ctreplay"
        capture = c.pcap(tmp_path / "known.pcap", stamped)
        ctreplay.replay(capture, target, packets="all", helpers=list(helpers), force=True)
        result = query_named([target], library.load(name), {key: str(value) for key, value in parameters.items()})
        return [row for batch in result.batches for row in batch.to_pylist()]

    return answer


def opened(at: float, one: c.Tcp) -> Timed:
    return [(at, one.send(True, SYN)), (at + 0.01, one.send(False, SYN | ACK)), (at + 0.02, one.send(True, ACK))]


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_rst_origin_shows_the_reset_of_its_example(ask):
    first, second = c.Tcp(40000, 443), c.Tcp(40001, 443)
    packets = [*opened(0, first), *opened(1, second)]
    packets += [(2, second.send(False, RST | ACK)), (3, first.send(False, RST | ACK))]
    assert columns(ask(packets, "rst_origin"), "example", "packet", "resets", "age_s") == [(1, 8, 2, 2.0)]


def icmp_error(about: bytes, code: int) -> bytes:
    return c.packet(c.OTHER, about[12:16], ICMP, icmp(3, code, bytes(4), about[:28]))


def test_port_scan_errors_about_what_was_answered_refuse_nothing(ask):
    packets: Timed = []
    for number in range(12):
        one = c.Tcp(40000, 1000 + number)
        data = one.send(True, PSH | ACK, b"x" * 900)
        packets += [*opened(number, c.Tcp(40000, 1000 + number)), (number + 0.1, icmp_error(data, 4))]
        asked = c.packet(c.CLIENT, c.SERVER, UDP, udp(5000, 2000 + number))
        answer = c.packet(c.SERVER, c.CLIENT, UDP, udp(2000 + number, 5000))
        packets += [(number, asked), (number + 0.1, answer), (number + 0.2, icmp_error(answer, 3))]
        refused = c.packet(c.CLIENT, c.SERVER, UDP, udp(6000, 3000 + number))
        packets += [(number, refused), (number + 0.1, icmp_error(refused, 3))]
    rows = ask(packets, "port_scan")
    assert columns(rows, "proto", "tried", "established", "refused") == [("udp", 24, 12, 12), ("tcp", 12, 12, 0)]


def test_port_scan_knows_how_sctp_refuses(ask):
    body = (77).to_bytes(4) + (1500).to_bytes(4) + (10).to_bytes(2) * 2 + (1).to_bytes(4)

    def send(from_client: bool, port: int, tag: int, kind: int, content: bytes = b"") -> bytes:
        ends, ports = ((c.CLIENT, c.SERVER), (5000, port)) if from_client else ((c.SERVER, c.CLIENT), (port, 5000))
        return c.packet(*ends, 132, sctp(*ports, tag, [chunk(kind, 0, content)]))

    packets: Timed = []
    for number in range(10):
        packets.append((number, send(True, 1000 + number, 0, 1, body)))
        if number < 3:
            packets.append((number + 0.1, send(False, 1000 + number, 77, 2, body)))
            packets.append((number + 0.2, send(True, 1000 + number, 77, 6)))
        elif number < 8:
            packets.append((number + 0.1, send(False, 1000 + number, 77, 6)))
    rows = ask(packets, "port_scan")
    assert columns(rows, "proto", "tried", "established", "refused", "silent") == [("sctp", 10, 3, 5, 2)]


def test_port_scan_does_not_take_a_server_seen_midstream_for_a_scanner(ask):
    packets: Timed = []
    for number in range(12):
        one = c.Tcp(40000 + number, 443)
        packets += [(number, one.send(False, PSH | ACK, b"data")), (number + 0.1, one.send(True, ACK))]
    assert ask(packets, "port_scan") == []
    # an ACK scan: of each probe nothing comes back, or a RST
    packets = []
    for number in range(12):
        one = c.Tcp(40000, 1000 + number)
        packets.append((number, one.send(True, ACK)))
        if number % 2:
            packets.append((number + 0.1, one.send(False, RST)))
    assert columns(ask(packets, "port_scan"), "src", "tried", "invalid") == [("10.0.0.1", 12, 12)]


def test_table_forecast_counts_the_whole_capture(ask):
    # what ends the capture belongs to no connection
    stray = c.packet(c.CLIENT, c.OTHER, 6, c.Tcp(1, 2).send(True, SYN | RST)[20:])
    rows = ask([*opened(0, c.Tcp(40000, 443)), (2000, stray)], "table_forecast")
    assert columns(rows, "new_per_s", "hold_s", "entries_now", "open_at_end") == [(1 / 2000, 2000, 1, 1)]


def kept_alive(one: c.Tcp, times: int) -> Timed:
    probes: Timed = []
    for number in range(times):
        at = 60 * (number + 1)
        probes += [(at, one.send(True, ACK, shift=-1)), (at + 0.01, one.send(False, ACK))]
    return probes


KEPT_ALIVE = ("kind", "side", "probes", "interval_s", "unanswered")


def test_keepalive_intervals_takes_every_packet_of_the_other_side_for_an_answer(ask):
    one = c.Tcp(40000, 443)
    packets = [*opened(0, one), *kept_alive(one, 3), (240, one.send(True, ACK, shift=-1))]
    reset = [(240.1, one.send(False, RST))]
    expected = [("TCP keep-alive", "original", 4, 60.0, 0)]
    assert columns(ask([*packets, *reset], "keepalive_intervals"), *KEPT_ALIVE) == expected
    # data of the prober before the answer comes
    late = [(240.05, one.send(True, PSH | ACK, b"x")), (240.1, one.send(False, ACK))]
    assert columns(ask([*packets, *late], "keepalive_intervals"), *KEPT_ALIVE) == expected
    unanswered = [("TCP keep-alive", "original", 4, 60.0, 1)]
    assert columns(ask(packets, "keepalive_intervals"), *KEPT_ALIVE) == unanswered


def test_keepalive_intervals_of_a_connection_picked_up_idle(ask):
    # of the first probe nothing tells that its sequence number is below the next one
    one = c.Tcp(40000, 443)
    one.next[True] = 1 << 32
    rows = ask(kept_alive(one, 4), "keepalive_intervals")
    assert columns(rows, *KEPT_ALIVE) == [("TCP keep-alive", "original", 3, 60.0, 0)]


def test_offload_candidates_have_no_helper(ask):
    one = c.Tcp(40000, 21)
    packets = [*opened(0, one), *((1 + number, one.send(True, ACK)) for number in range(20))]
    assert columns(ask(packets, "offload_candidates"), "conn_id", "from_packet", "offloadable") == [(1, 3, 20)]
    assert ask(packets, "offload_candidates", helpers=("ftp",)) == []


REPEATED = ("side", "segments", "repeated", "longest_run", "longest_wait_s")


def test_retrans_heavy_sees_repeats_cut_anew(ask):
    # offload hands the capture one segment of 6000 bytes, the repeats are of 1500; the hole is filled once, then again
    one = c.Tcp(40000, 443)
    packets = [*opened(0, one), (1, one.send(True, PSH | ACK, b"x" * 6000))]
    packets += [(2 + n, one.send(True, ACK, b"x" * 1500, shift=1500 * n - 6000)) for n in range(4)]
    packets += [(6, one.send(True, ACK, b"y" * 100, shift=100)), (7, one.send(True, ACK, b"y" * 100))]
    rows = ask(packets, "retrans_heavy", min_retrans=1)
    assert columns(rows, *REPEATED) == [("original", 8, 4, 1, 4.0)]
    packets.append((8, one.send(True, ACK, b"y" * 100, shift=-100)))
    rows = ask(packets, "retrans_heavy", min_retrans=1)
    assert columns(rows, *REPEATED) == [("original", 9, 5, 1, 4.0)]


def test_retrans_heavy_takes_no_keepalive_for_a_repeat(ask):
    one = c.Tcp(40000, 443)
    packets = [*opened(0, one), (1, one.send(True, PSH | ACK, b"data"))]
    packets += [(60 * n, one.send(True, ACK, b"\0", shift=-1)) for n in range(1, 5)]
    assert ask(packets, "retrans_heavy", min_retrans=1) == []
    # a last segment of one byte that is sent again is a repeat
    packets.append((300, one.send(True, PSH | ACK, b"x")))
    packets.append((301, one.send(True, PSH | ACK, b"x", shift=-1)))
    rows = ask(packets, "retrans_heavy", min_retrans=1)
    assert columns(rows, *REPEATED) == [("original", 4, 1, 1, 1.0)]


def test_idle_timeout_sweep_sees_silences_that_outlived_an_entry(ask):
    # every 200 s the server calls, as a SIP proxy does; the entry lives 30 s
    asked = c.packet(c.CLIENT, c.SERVER, UDP, udp(5060, 5060))
    call = c.packet(c.SERVER, c.CLIENT, UDP, udp(5060, 5060))
    packets: Timed = [(0, asked), (200, call), (400, call), (420, asked)]
    rows = ask(packets, "idle_timeout_sweep", proto="UDP")
    cut = {row["timeout_s"]: (row["connections_cut"], row["longest_cut_s"]) for row in rows}
    assert [cut[seconds] for seconds in (10, 30, 120, 240)] == [(3, 200), (2, 200), (2, 200), (0, None)]


def test_idle_timeout_sweep_counts_what_the_established_timeout_would_cut(ask):
    one, other = c.Tcp(40000, 443), c.Tcp(40001, 443)
    # SYNs repeated by the client, a FIN answered late: silences with timeouts of their own
    packets = [*opened(0, one), (0.5, one.send(True, FIN | ACK)), (40, one.send(False, FIN | ACK))]
    packets += [(0, other.send(True, SYN)), (15, other.send(True, SYN, shift=-1))]
    # an old duplicate does not end a silence of exactly 60 s
    third = c.Tcp(40002, 443)
    packets += [*opened(0.98, third), (31, third.send(True, ACK, b"x", shift=-100_000)), (61, third.send(False, ACK))]
    rows = ask(packets, "idle_timeout_sweep")
    cut = {row["timeout_s"]: (row["connections_cut"], row["longest_cut_s"]) for row in rows}
    assert [cut[seconds] for seconds in (10, 60, 120)] == [(1, 60), (1, 60), (0, None)]
