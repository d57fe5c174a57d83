"""Answers of the library where one kind of packet could be taken for another, and at their edges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ctreplay
from ctreplay.sql import library
from ctreplay.sql.execute import query_named
from tests.check import captures as c
from tests.traffic.build import ACK, FIN, ICMP, PSH, RST, SYN, UDP, icmp, udp

ROUTER = bytes([10, 9, 9, 9])
Packets = list[tuple[float, bytes]]
Replay = Callable[..., Path]


def error(quoted: bytes, sender: bytes = ROUTER) -> bytes:
    """Host unreachable about a packet."""
    return c.packet(sender, quoted[12:16], ICMP, icmp(3, 1, bytes(4), quoted[:28]))


def opened(sport: int = 40000) -> tuple[c.Tcp, Packets]:
    one = c.Tcp(sport, 443)
    steps = [(True, SYN), (False, SYN | ACK), (True, ACK), (True, PSH | ACK, b"x"), (False, ACK)]
    return one, [(number / 100, one.send(*step)) for number, step in enumerate(steps)]


def ask(dataset: Path, name: str, **parameters: str) -> list[dict[str, Any]]:
    result = query_named([dataset], library.load(name), parameters)
    return [row for batch in result.batches for row in batch.to_pylist()]


@pytest.fixture
def replayed(tmp_path):
    def replay(packets: Packets, level: str = "all", **options: Any) -> Path:
        path = c.pcap(tmp_path / "one.pcap", [(c.T0 + round(at * c.SECOND), data) for at, data in packets])
        ctreplay.replay(path, tmp_path / "one.ctreplay", packets=level, force=True, **options)
        return tmp_path / "one.ctreplay"

    return replay


def test_icmp_errors_answer_no_lookup(replayed: Replay):
    query = c.packet(c.CLIENT, c.SERVER, UDP, udp(5353, 53, b"question"))
    rows = ask(replayed([(0, query), (0.01, error(query)), (5, query), (5.01, error(query))]), "dns_retry_5s")
    assert [(row["queries"], row["answers"], row["answers_after"]) for row in rows] == [(1, 0, 0)]


def test_icmp_errors_are_no_answer_to_retransmissions(replayed: Replay):
    one, packets = opened()
    lost = one.send(True, PSH | ACK, b"y")
    packets += [(1, lost), (2, lost), (4, lost), (4.1, error(lost))]
    rows = ask(replayed(packets), "retrans_heavy")
    assert [(row["side"], row["repeated"], row["unanswered_end"]) for row in rows] == [("original", 2, True)]


@pytest.mark.parametrize("last", ["nothing", "icmp", "stray", "own_rst"])
def test_what_is_no_answer_after_a_silence(replayed: Replay, last: str):
    one, packets = opened()
    lost = one.send(True, PSH | ACK, b"y")
    packets += [(100, lost), (101, lost)]
    packets += {
        "nothing": [],
        "icmp": [(101.5, error(lost))],
        # INVALID, and of the side that waits
        "stray": [(101.5, one.send(True, PSH | ACK, b"z", shift=5_000_000))],
        "own_rst": [(101.5, one.send(True, RST | ACK, shift=-5_000_000))],
    }[last]
    rows = ask(replayed(packets), "idle_gap_then_fail")
    expected = (6, "no answer", 3 if last == "stray" else 2)
    assert [(row["packet"], row["failed_how"], row["tries"]) for row in rows] == [expected]


def test_an_invalid_rst_of_the_other_side_after_a_silence(replayed: Replay):
    one, packets = opened()
    packets += [(100, one.send(True, PSH | ACK, b"y")), (100.5, one.send(False, RST | ACK, shift=-5_000_000))]
    rows = ask(replayed(packets), "idle_gap_then_fail")
    assert [(row["packet"], row["failed_how"], row["after_s"]) for row in rows] == [(6, "RST", 0.5)]


def test_expected_connections_have_gaps_and_survive(replayed: Replay):
    # what the server sends is RELATED, and stays so while nobody answers
    data = c.packet(c.SERVER, c.CLIENT, UDP, udp(7000, 5000, b"\0\3\0\1data"))
    packets = [(0, c.packet(c.CLIENT, c.SERVER, UDP, udp(5000, 69, b"\0\1file\0octet\0"))), (1, data), (21, data)]
    dataset = replayed(packets, helpers=["tftp"])
    assert [(row["packet"], row["gap_s"]) for row in ask(dataset, "idle_gaps", min_s="10")] == [(3, 20.0)]
    rows = ask(dataset, "failover_survivors", at="2023-11-14 22:13:22")
    assert sorted((row["fate"], row["example"]) for row in rows) == [("new entry", 2), ("silent", 1)]


def test_sequence_numbers_that_wrap(replayed: Replay):
    one = c.Tcp(40000, 443)
    one.next[True] = 2**32 - 3
    steps = [(True, SYN), (False, SYN | ACK), (True, ACK), (True, PSH | ACK, b"x" * 10), (False, ACK)]
    packets = [(number / 100, one.send(*step)) for number, step in enumerate(steps)]
    for at in (10, 20, 30):
        packets += [(at, one.send(True, ACK, shift=-1)), (at + 0.01, one.send(False, ACK))]
    rows = ask(replayed(packets), "keepalive_intervals")
    assert [(row["kind"], row["side"], row["probes"], row["interval_s"]) for row in rows] == [
        ("TCP keep-alive", "original", 3, 10.0)
    ]


def test_a_sequence_number_four_gigabytes_later_is_no_repeat(replayed: Replay):
    one, packets = opened()
    packets += [(1 + n, one.send(True, PSH | ACK, b"x", shift=n << 30)) for n in range(1, 6)]
    dataset = replayed(packets, sysctls={"nf_conntrack_tcp_be_liberal": 1})
    assert ask(dataset, "retrans_heavy", min_retrans="1") == []


@pytest.mark.parametrize("level", ["all", "notable"])
def test_what_came_after_an_ignored_syn_may_open_another_entry(replayed: Replay, level: str):
    _, packets = opened()
    again = c.Tcp(40000, 443)
    again.next[True] = 5_000_000
    packets += [(1, again.send(True, SYN)), (100, again.send(True, SYN))]
    dataset = replayed(packets, level, sysctls={"nf_conntrack_tcp_timeout_established": 60})
    rows = [(row["packet"], row["next_packet"], row["outcome"]) for row in ask(dataset, "challenge_ack")]
    assert rows == [(6, 7, "SYN again" if level == "all" else "see --packets all")]


def test_a_stay_is_not_cut_by_assured(replayed: Replay):
    there = c.packet(c.CLIENT, c.SERVER, UDP, udp(5000, 6000, b"x"))
    back = c.packet(c.SERVER, c.CLIENT, UDP, udp(6000, 5000, b"y"))
    dataset = replayed([(at, there if at % 2 == 0 else back) for at in range(8)])
    changes = (
        ctreplay.open_dataset(dataset).execute("SELECT changes FROM transitions ORDER BY transition_id").fetchall()
    )
    assert any("assured" in one for (one,) in changes[2:]), "its own event"
    rows = ask(dataset, "entry_seconds_by_state")
    assert [(row["unreplied"], row["spans"], row["mean_s"]) for row in rows] == [(False, 1, 6.0), (True, 1, 1.0)]


def test_runs_that_differ_in_a_timeout_only(replayed: Replay, tmp_path: Path):
    one, packets = opened()
    packets += [(1, one.send(True, PSH | ACK, b"x")), (1000, c.Tcp(40001, 443).send(True, SYN))]
    base = replayed(packets, sysctls={"nf_conntrack_tcp_timeout_established": 300})
    base = base.rename(tmp_path / "base.ctreplay")
    new = replayed(
        packets, sysctls={"nf_conntrack_tcp_timeout_max_retrans": 60, "nf_conntrack_tcp_timeout_established": 60}
    )
    result = query_named([base, new], library.load("compare_runs"), {})
    rows = [row for batch in result.batches for row in batch.to_pylist()]
    assert [(row["base"], row["new"], row["base_held_s"], row["new_held_s"]) for row in rows] == [(1, 1, 301.0, 61.0)]


def test_rows_that_tie_have_an_order(replayed: Replay):
    packets: Packets = []
    for number in range(30):
        port, at = 1000 + number, number / 1000
        packets += [(at, c.Tcp(40000, port).send(True, SYN)), (at, c.packet(c.CLIENT, c.SERVER, UDP, udp(40000, port)))]
        both = c.Tcp(40001, port)
        packets += [(at, both.send(True, SYN)), (at, both.send(False, SYN | ACK))]
    dataset = replayed(packets)
    keys = [(row["orig_dport"], row["stuck_in"]) for row in ask(dataset, "half_open", top="100")]
    assert keys == sorted(keys, key=lambda key: (key[0], ("SYN_SENT", "SYN_RECV").index(key[1])))
    holders = [(row["proto"], row["orig_dport"]) for row in ask(dataset, "top_holders_at", top="100")]
    assert holders == sorted(holders) and len(holders) == 90


def test_a_repeated_syn_ack_is_no_ignored_syn(replayed: Replay):
    one = c.Tcp(40000, 443)
    packets = [(0, one.send(True, SYN)), (0.1, one.send(False, SYN | ACK))]
    packets += [(1, one.send(False, SYN | ACK, shift=-1)), (1.1, one.send(True, ACK))]
    dataset = replayed(packets)
    reasons = ctreplay.open_dataset(dataset).execute("SELECT reason FROM packets WHERE packet = 3").fetchall()
    assert reasons == [("tcp_ignored_in_state",)]
    assert ask(dataset, "challenge_ack") == []


def test_times_have_offsets_and_errors():
    at = next(one for one in library.load("top_holders_at").parameters if one.name == "at")
    assert at.default is None
    for text in ("2026-01-31T12:00:00.5Z", "2026-01-31 17:00:00.5+05:00", "2026-01-31T12:00:00,5", "1769860800.5"):
        assert at.value(text) == "2026-01-31 12:00:00.500", text
    assert at.value("1769860800000000001") == "2026-01-31 12:00:00.000000001"
    for text in ("noon", "", "+5s", "packet:5", "end", "12:00", "2026-13-01", "9999-01-01", str(2**63 - 1)):
        with pytest.raises(library.QueryError, match="parameter at: "):
            at.value(text)


@pytest.mark.parametrize(("name", "text"), [("idle_gaps", "nan"), ("idle_gaps", "inf"), ("early_drops", "9" * 20)])
def test_numbers_that_are_none(name: str, text: str):
    with pytest.raises(library.QueryError, match=f"parameter .*{text}"):
        library.load(name).parameters[0].value(text)


@pytest.mark.parametrize(
    ("name", "parameter", "good", "bad"),
    [
        ("idle_gaps", "top", ["1", "9223372036854775807"], ["0", "-1", "-9223372036854775808"]),
        ("idle_gaps", "min_s", ["0", "0.5", "1e300"], ["-0.001", "-1e300"]),
        ("dns_retry_5s", "port", ["0", "65535"], ["-1", "65536", "9223372036854775807"]),
    ],
)
def test_numbers_have_bounds(replayed: Replay, name: str, parameter: str, good: list[str], bad: list[str]):
    dataset = replayed([(0, c.Tcp(40000, 443).send(True, SYN))])
    for text in good:
        ask(dataset, name, **{parameter: text})
    for text in bad:
        with pytest.raises(library.QueryError, match=f"parameter {parameter}: {text} is (below|above) "):
            ask(dataset, name, **{parameter: text})


def test_bounds_are_written_behind_the_type():
    query = library.parse("x", "-- param: a INTEGER 1..5 = 2 | m\n-- param: b DOUBLE = -1 | m\nSELECT $a, $b")
    assert [(one.least, one.most) for one in query.parameters] == [(1, 5), (None, None)]
    assert [one.allowed for one in query.parameters] == ["INTEGER 1..5", "DOUBLE"]
    assert query.values({"b": "-7.5"}) == {"a": 2, "b": -7.5}
    with pytest.raises(library.QueryError, match="param: name TYPE = default"):
        library.parse("x", "-- param: a TEXT 1.. = 2 | m\nSELECT $a")


def test_the_table_after_the_last_packet(replayed: Replay):
    packets = [(0, c.packet(c.CLIENT, c.SERVER, UDP, udp(5000, 6000))), (1, c.Tcp(40000, 443).send(True, SYN))]
    dataset = replayed([*packets, (11, c.Tcp(40001, 443).send(True, SYN))])
    db = ctreplay.open_dataset(dataset)
    for seconds, alive in ((11, [1, 2, 3]), (29, [1, 2, 3]), (31, [2, 3]), (122, [3]), (132, [])):
        moment = c.T0 // c.SECOND + seconds
        holders = ask(dataset, "top_holders_at", at=f"{moment}")
        assert sum(row["entries"] for row in holders) == len(alive), seconds
        assert sum(row["connections"] for row in ask(dataset, "failover_survivors", at=f"{moment}")) == len(alive)
        sql = f"SELECT conn_id FROM ct_at(make_timestamp_ns({moment * c.SECOND})) ORDER BY 1"
        assert [row[0] for row in db.execute(sql).fetchall()] == alive, seconds


def test_the_insides_own_packets_are_not_inbound(replayed: Replay):
    register = c.packet(c.CLIENT, c.SERVER, UDP, udp(5060, 5060, b"REGISTER"))
    invite = c.packet(c.SERVER, c.CLIENT, UDP, udp(5060, 5060, b"INVITE"))
    # the call opens an entry the wrong way round; once that has expired the inside opens its own again
    dataset = replayed([(0, register), (100, invite), (200, register), (300, invite), (400, register)])
    rows = ask(dataset, "udp_late_inbound")
    assert [(row["packet"], row["expired_conn_id"], row["silent_s"]) for row in rows] == [(2, 1, 100), (4, 3, 100)]


@pytest.mark.parametrize(
    ("from_client", "row"),
    # refused: what follows the SYN; the SYN/ACK, before the data open the entry
    [(True, (1, 0, 0, 3)), (False, (1, 0, 1, 2))],
)
def test_one_way_flows_are_counted_once_with_what_was_refused(
    replayed: Replay, from_client: bool, row: tuple[int, ...]
):
    _, packets = opened()
    source = c.CLIENT if from_client else c.SERVER
    dataset = replayed([(at, data) for at, data in packets if data[12:16] == source], "notable")
    (pair,) = ask(dataset, "asymmetric_pairs", min_conns="1")
    assert (pair["one_way"], pair["both_ways"], pair["synack_first"], pair["packets"]) == row


@pytest.mark.parametrize("pause", [0.05, 60])
def test_what_a_timeout_would_save_is_what_a_replay_with_it_saves(replayed: Replay, pause: float):
    # closed by both: TIME_WAIT lasts as long, whatever the timeout, unless the entry is gone before
    one, packets = opened()
    steps = [(True, FIN | ACK), (False, FIN | ACK), (True, ACK)]
    packets += [(0.04 + pause + number / 100, one.send(*step)) for number, step in enumerate(steps)]
    packets.append((300, c.packet(c.CLIENT, c.SERVER, UDP, udp(1, 2, b"end"))))

    def held(dataset: Path) -> float:
        return sum(row["entry_seconds"] for row in ask(dataset, "entry_seconds_by_state"))

    dataset = replayed(packets)
    found = {row["timeout_s"]: row for row in ask(dataset, "idle_timeout_sweep")}
    before = held(dataset)
    for timeout in (30, 60, 120):
        dataset = replayed(packets, sysctls={"nf_conntrack_tcp_timeout_established": timeout})
        cut = any(row["end_reason"] == "timeout" and row["state"] == "ESTABLISHED" for row in connections(dataset))
        assert found[timeout]["connections_cut"] == cut == (pause >= timeout)
        assert found[timeout]["entry_seconds_saved"] == pytest.approx(before - held(dataset), abs=0.1)


def connections(dataset: Path) -> list[dict[str, Any]]:
    db = ctreplay.open_dataset(dataset)
    return [dict(zip(("end_reason", "state"), row, strict=True)) for row in db.sql(
        "SELECT end_reason, state::VARCHAR FROM connections").fetchall()]  # fmt: skip
