"""`ctreplay explain`: its numbers against replays, its pages against the width of a terminal."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ctreplay import reasons
from ctreplay.capture.inputs import InputFile
from ctreplay.explain import icmp
from ctreplay.explain.find import ConnError, Wanted, parse
from ctreplay.explain.sentences import lasting
from ctreplay.explain.wireshark import conversation, frames
from tests.check import captures as c
from tests.kernel.packets import load
from tests.kernel.record import scenarios
from tests.traffic import build as b
from tests.traffic import pcap

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
Run = Callable[..., tuple[int, str, str]]


def answer(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, err = run("explain", *arguments, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def notable(capture: Path, folder: Path, run: Run, *more: object) -> list[tuple[Any, ...]]:
    """packet, reason, ctstate, margin of the packets that have a reason."""
    target = folder / f"{capture.name}.ctreplay"
    assert run(capture, "-o", target, "-q", "--packets", "all", *more)[0] == 0
    sql = f"SELECT packet, reason, ctstate, margin FROM '{target}/packets.parquet' WHERE reason IS NOT NULL ORDER BY 1"
    return duckdb.sql(sql).fetchall()


def test_window_verdicts(run: Run, tmp_path: Path) -> None:
    """The bound that is missed is the one of the reason, by the dataset's margin, set by packets that say so."""
    capture = SAMPLES / "invalid_window.pcap"
    bounds = {
        "tcp_seq_over_upper_bound": "seq at most",
        "tcp_seq_beyond_window_edge": "seq at most",
        "tcp_ack_over_upper_bound": "ack at most",
        "tcp_seq_under_lower_bound": "end at least",
        "tcp_ack_under_lower_bound": "ack at least",
    }
    seen = set()
    for packet, reason, ctstate, margin in notable(capture, tmp_path, run):
        if reason not in bounds:
            continue
        seen.add(reason)
        found = answer(run, capture, "--packet", packet)
        assert found["reason"] == reason and found["ctstate"] == ctstate
        missed = [row for row in found["window_check"]["bounds"] if not row["ok"]]
        assert missed[0]["bound"] == bounds[reason]
        assert missed[0]["room"] == -margin == -found["window_check"]["margin"]
        for row in found["window_check"]["bounds"]:
            assert row["set_by"] and all(one["packet"] < packet for one in row["set_by"])
            if row["bound"].endswith("at most"):
                (setter,) = row["set_by"]
                assert setter["to"] == row["value"]
    assert len(seen) >= 3


@pytest.mark.parametrize("name", ("nf_conntrack_tcp_be_liberal", "nf_conntrack_tcp_loose"))
def test_what_if_is_a_replay(name: str, run: Run, tmp_path: Path) -> None:
    for sample in ("invalid_window.pcap", "midstream.pcap"):
        capture = SAMPLES / sample
        first = notable(capture, tmp_path, run)
        value = 0 if name.endswith("loose") else 1
        other = {row[0]: row for row in notable(capture, tmp_path, run, "--force", "--sysctl", f"{name}={value}")}
        for packet, *_ in first[:3]:
            (one,) = [one for one in answer(run, capture, "--packet", packet)["what_if"] if one["sysctl"] == name]
            assert one["value"] == value
            assert one["reason"] == (other[packet][1] if packet in other else None)
            assert one["verdict"].startswith(other[packet][2] if packet in other else ("NEW", "ESTABLISHED", "RELATED"))


def test_every_reason_is_explained(run: Run, tmp_path: Path) -> None:
    """The first packet of each reason that the kernel scenarios and samples have."""
    met: set[str] = set()
    captures: list[tuple[Path, list[str]]] = []
    for folder in scenarios():
        scenario = load(folder)
        options = [word for key, value in scenario.sysctls.items() for word in ("--sysctl", f"{key}={value}")]
        captures.append((pcap.write(tmp_path / f"{folder.name}.pcap", scenario.packets), options))
    captures += [(SAMPLES / name, []) for name in ("ping_unreachable.pcap", "late_packets.pcap", "fragments.pcap")]
    for capture, options in captures:
        for packet, reason, _, _ in notable(capture, tmp_path, run, *options):
            if reason in met:
                continue
            met.add(reason)
            found = answer(run, capture, "--packet", packet, *options)
            assert found["reason"] == reason
            text = " ".join(found["explanation"])
            assert len(text) > 40 and text.endswith("."), text
            assert found["wireshark_frame"] == f"frame.number in {{{packet}}}"
            code, out, _ = run("explain", capture, "--packet", packet, *options)
            assert code == 0 and max(map(len, out.splitlines())) <= 80
    assert len(met & set(reasons.NAMES)) >= 40, sorted(met)


@pytest.mark.parametrize("columns", (80, 120))
def test_ladders(columns: int, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every packet of the connection is on the ladder or counted in a fold, and no line is too long."""
    monkeypatch.setenv("COLUMNS", str(columns))
    idles = 0
    for name in ("zero_window.pcap", "tuple_reuse.pcap", "idle_timeout.pcap", "sctp.pcap", "retransmissions.pcap"):
        capture = SAMPLES / name
        target = tmp_path / f"{name}.ctreplay"
        assert run(capture, "-o", target, "-q", "--packets", "all")[0] == 0
        entries = duckdb.sql(f"SELECT conn_id, end_reason FROM '{target}/connections.parquet' ORDER BY 1").fetchall()
        for conn_id, end_reason in entries[:4]:
            counts = []
            for more in ([], ["--all"]):
                found = answer(run, target, conn_id, *more)
                (entry,) = found["entries"]
                assert entry["conn_id"] == conn_id and entry["end_reason"] == end_reason
                rungs = [item for item in found["ladder"] if item["kind"] == "packet"]
                folds = [item for item in found["ladder"] if item["kind"] == "folded"]
                counts.append(len(rungs) + sum(item["original"] + item["reply"] for item in folds))
                if more:
                    assert not folds
                # on the ladder of a life the first packet of the next one is the last
                after = min((one for one in found["other_entries"] if one > conn_id), default=None)
                others = sum(item["packet"] == after for item in rungs)
                assert counts[-1] - others == sum(found["packets"].values())
                assert all(odd["last_packet"] != after for odd in found["oddities"])
                for rung, idle in itertools.pairwise(found["ladder"]):
                    if idle["kind"] == "idle" and rung["kind"] == "packet" and rung["timeout_s"] is not None:
                        assert idle["left_ns"] == round(rung["timeout_s"] * 10**9) - idle["idle_ns"]
                        idles += 1
                code, out, _ = run("explain", target, conn_id, *more)
                assert code == 0 and "\x1b" not in out and max(map(len, out.splitlines())) <= columns
            assert counts[0] == counts[1]
    assert idles


@pytest.mark.parametrize("name", ["ftp_active", "ftp_ipv6", "tftp", "sip_call", "irc_dcc"])
@pytest.mark.parametrize("helper", ["all", None])
def test_what_announced_a_connection(name: str, helper: str | None, run: Run, tmp_path: Path) -> None:
    """The packet that said so and its words, as the table of expectations has them; also with the helper off."""
    options = ["--helper", helper] if helper else []
    assert run(SAMPLES / f"{name}.pcap", "-o", tmp_path / "d.ctreplay", "-q", *options)[0] == 0
    rows = duckdb.sql(
        "SELECT child_conn_id, created_packet, text, helper, master_conn_id"
        f" FROM '{tmp_path}/d.ctreplay/expectations.parquet' WHERE child_conn_id IS NOT NULL"
    ).fetchall()
    assert rows
    child, packet, text, parser, master = rows[-1]
    by = {"packet": packet, "text": text, "helper": parser, "conn_id": master, "observed": helper is None}
    said = f"RELATED because packet {packet} said {text} "
    found = answer(run, tmp_path / "d.ctreplay", "--packet", child)
    assert found["expected_by"] == by and said in found["explanation"][-1]
    assert found["ctstate"] == ("RELATED" if helper else "NEW")
    assert answer(run, tmp_path / "d.ctreplay", "--packet", packet)["expected_by"] is None
    assert answer(run, tmp_path / "d.ctreplay", child)["entries"][0]["expected_by"] == by
    for words in ([child], ["--packet", child]):
        code, out, _ = run("explain", tmp_path / "d.ctreplay", *words)
        assert code == 0 and said.strip() in " ".join(out.split())


def test_a_life_with_a_second_one(run: Run, tmp_path: Path) -> None:
    """Closed, opened anew: each life by its number, both by the ends."""
    capture = SAMPLES / "tuple_reuse.pcap"
    target = tmp_path / "reuse.ctreplay"
    assert run(capture, "-o", target, "-q")[0] == 0
    rows = duckdb.sql(
        f"SELECT t.conn_id, c.orig_sport, c.orig_dport, c.orig_src, c.orig_dst FROM '{target}/transitions.parquet' t "
        f"JOIN '{target}/connections.parquet' c USING (conn_id) WHERE t.reason = 'reopened' AND t.event = 'DESTROY'"
    ).fetchall()
    assert rows
    conn_id, sport, dport, src, dst = rows[0]
    by_number = answer(run, target, conn_id)
    assert [one["conn_id"] for one in by_number["entries"]] == [conn_id] and by_number["other_entries"]
    by_ends = answer(run, target, "tcp", f"{src}:{sport}", f"{dst}:{dport}")
    assert len(by_ends["entries"]) == 1 + len(by_number["other_entries"])


def test_who_ended_each_life_and_what_it_carried(run: Run, tmp_path: Path) -> None:
    """A RST that destroyed its entry ends no later one; of two RSTs the first; counts are of the life asked for."""
    first, second = c.Tcp(40000, 443), c.Tcp(40000, 443)
    opening = [(True, b.SYN), (False, b.SYN | b.ACK), (True, b.ACK)]
    closing = [(True, b.FIN | b.ACK), (False, b.FIN | b.ACK), (True, b.ACK)]
    frames = [first.send(*step) for step in [(True, b.SYN), (False, b.RST | b.ACK)]]
    frames += [second.send(*step) for step in opening + closing]
    third = c.Tcp(40001, 443)
    frames += [third.send(*step) for step in [*opening, (False, b.RST | b.ACK), (True, b.RST)]]
    capture = c.pcap(tmp_path / "one.pcap", [(c.T0 + n * c.SECOND // 10, data) for n, data in enumerate(frames)])
    refused, closed, reset = (answer(run, capture, number) for number in (1, 3, 9))
    assert refused["entries"][0]["ended_by"] == "the reply side: RST in packet 2, before any reply was seen"
    assert closed["entries"][0]["ended_by"].startswith("the original side: first FIN in packet 6")
    assert reset["entries"][0]["ended_by"].startswith("the reply side: RST in packet 12")
    assert refused["packets"] == {"original": 1, "reply": 1} and refused["wireshark_frames"].endswith("{1..2}")
    assert closed["packets"] == {"original": 4, "reply": 2} and closed["bytes"] == {"original": 160, "reply": 80}
    both = answer(run, capture, "tcp", "10.0.0.1:40000", "192.0.2.80:443")
    assert both["packets"] == {"original": 5, "reply": 3}


@pytest.mark.parametrize(
    ("ns", "text"),
    ((0, "0 µs"), (999_499, "999 µs"), (999_500, "1 ms"), (12_345_678, "12.3 ms"), (999_499_999, "999 ms"),
     (999_500_000, "1.0 s"), (119_900_000_000, "119.9 s"), (312_000_000_000, "5 m 12 s"),
     (11_100_000_000_000, "3 h 05 m"), (187_200_000_000_000, "2 d 4 h")),
)  # fmt: skip
def test_lasting(ns: int, text: str) -> None:
    assert lasting(ns) == text


def test_long_timeouts_are_written_out(run: Run, tmp_path: Path) -> None:
    a, c = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    capture = pcap.write(tmp_path / "long.pcap", [(10**18, b.ip(a, c, 17, b.udp(1, 2)))])
    option = ("--sysctl", "nf_conntrack_udp_timeout=2345678")
    assert "timeout to 2345678 s." in " ".join(answer(run, capture, "--packet", 1, *option)["explanation"])
    assert "2345678 s" in run("explain", capture, 1, *option)[1]


def test_a_reset_that_ends_an_entry_at_once(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "scan.ctreplay"
    assert run(SAMPLES / "port_scan.pcap", "-o", target, "-q", "--packets", "all")[0] == 0
    query = "WHERE event = 'DESTROY' AND reason = 'reset' LIMIT 5"
    rows = duckdb.sql(f"SELECT packet, conn_id, old_state FROM '{target}/transitions.parquet' {query}").fetchall()
    assert len(rows) == 5
    for packet, conn_id, old_state in rows:
        assert old_state == "SYN_SENT"
        found = answer(run, target, "--packet", packet)
        assert (found["state_before"], found["state_after"], found["timeout_left_s"]) == ("SYN_SENT", "CLOSE", None)
        assert f"destroyed entry {conn_id} in SYN_SENT" in " ".join(found["explanation"])


def test_an_entry_that_another_packet_evicted(run: Run, tmp_path: Path) -> None:
    def asked(sport: int) -> bytes:
        return c.packet(c.CLIENT, c.SERVER, b.UDP, b.udp(sport, 53, b"q"))

    # the table holds one entry; the first tuple comes back after the second pushed it out
    steps = [(0, asked(1001)), (2, asked(1002)), (5, asked(1001)), (6, asked(1001))]
    path = c.pcap(tmp_path / "full.pcap", [(c.T0 + at * c.SECOND, data) for at, data in steps])
    full = ("--sysctl", "nf_conntrack_max=1", "--sysctl", "nf_conntrack_buckets=1")
    (entry,) = answer(run, path, 2, *full)["entries"]
    assert (entry["end_reason"], entry["end_packet"], entry["to_ts_ns"]) == ("early_drop", 3, c.T0 + 5 * c.SECOND)
    found = answer(run, path, 1, *full)
    (entry,) = found["entries"]
    assert (entry["end_reason"], entry["end_packet"], entry["to_ts_ns"]) == ("early_drop", 2, c.T0 + 2 * c.SECOND)
    assert entry["ended_by"] == "early drop: the table was full"
    (evicted,) = [item for item in found["ladder"] if item["kind"] == "evicted"]
    assert (evicted["for_packet"], evicted["idle_ns"], evicted["ts_ns"]) == (2, 2 * c.SECOND, c.T0 + 2 * c.SECOND)
    # and nothing of it at the packet that opens the next one
    assert [[one["event"] for one in item["happened"]] for item in found["ladder"] if item["kind"] == "packet"] == [
        ["NEW"],
        ["NEW"],
    ]
    _, out, _ = run("explain", path, 1, *full)
    assert "entry 1 evicted for packet 2, 2.0 s after the last packet" in " ".join(out.split())


def test_every_end_is_that_of_the_dataset(run: Run, tmp_path: Path) -> None:
    """Also those by a full table: early drop, and the collector's help."""
    target, full = tmp_path / "full.ctreplay", ("--sysctl", "nf_conntrack_max=700")
    assert run(SAMPLES / "table_pressure.pcap.zst", "-o", target, "-q", *full)[0] == 0
    ends = duckdb.sql(
        f"SELECT conn_id, end_reason, epoch_ns(end_ts) FROM '{target}/connections.parquet' QUALIFY "
        "row_number() OVER (PARTITION BY end_reason ORDER BY conn_id) <= 3 AND end_reason <> 'capture_end'"
    ).fetchall()
    assert {"early_drop", "gc"} <= {reason for _, reason, _ in ends}
    for conn_id, reason, end_ns in ends:
        found = answer(run, target, conn_id)
        assert [(one["end_reason"], one["to_ts_ns"]) for one in found["entries"]] == [(reason, end_ns)]
        kinds = [item["kind"] for item in found["ladder"]]
        assert ("evicted" in kinds) == (reason in ("early_drop", "gc"))
        assert "expired" not in kinds or reason == "timeout"


def test_a_full_table_may_be_why_nothing_has_the_tuple(run: Run, tmp_path: Path) -> None:
    one = c.Tcp(40000, 443)
    lookup = c.packet(c.CLIENT, c.SERVER, b.UDP, b.udp(1001, 53, b"q"))
    steps = [one.send(True, b.SYN), lookup, one.send(False, b.SYN | b.ACK)]
    path = c.pcap(tmp_path / "full.pcap", [(c.T0 + n * c.SECOND, data) for n, data in enumerate(steps)])
    full = ("--sysctl", "nf_conntrack_max=1", "--sysctl", "nf_conntrack_buckets=1")
    found = answer(run, path, "--packet", 3, *full)
    assert found["reason"] == "tcp_not_opening"
    assert any("table was full" in text for text in found["explanation"])


@pytest.mark.parametrize("name", ["late_packets.pcap", "sip_register_late.pcap", "tuple_reuse.pcap"])
def test_how_the_last_entry_had_ended(name: str, run: Run, tmp_path: Path) -> None:
    """A packet that met no entry is told which one it came too late for; one that met an entry is not."""
    target = tmp_path / "x"
    assert run(SAMPLES / name, "-o", target, "-q", "--packets", "all")[0] == 0
    late = {row["packet"]: row for row in json.loads(run("query", target, "late_packets", "--json")[1])}
    for number in range(1, duckdb.sql(f"SELECT max(packet) FROM '{target}/packets.parquet'").fetchall()[0][0] + 1):
        found = answer(run, target, "--packet", number)
        row = late.get(number)
        if row is None:
            assert "earlier_entry" not in found, number
            continue
        gone = found["earlier_entry"]
        assert (gone["conn_id"], gone["state"], gone["end_reason"]) == (
            row["old_conn_id"], row["old_state"], row["old_end"],
        )  # fmt: skip
        assert (found["ts_ns"] - gone["end_ts_ns"]) / 1e9 == pytest.approx(row["late_s"])
        assert f"Entry {gone['conn_id']}, the last one with this tuple, expired " in found["explanation"][-1]


@pytest.mark.parametrize(
    ("proto", "head", "text"),
    [
        (1, "0303000000000000", "destination unreachable, port (type 3, code 3)"),
        (1, "03040000000004b0", "destination unreachable, fragmentation needed, next MTU 1200 (type 3, code 4)"),
        (1, "0304000000000000", "destination unreachable, fragmentation needed (type 3, code 4)"),
        (1, "030d000000000000", "destination unreachable, administratively prohibited (type 3, code 13)"),
        (1, "0310000000000000", "destination unreachable (type 3, code 16)"),
        (1, "0b01000000000000", "time exceeded, reassembly timed out (type 11, code 1)"),
        (58, "0104000000000000", "destination unreachable, port (type 1, code 4)"),
        (58, "0200000000000514", "packet too big, next MTU 1300 (type 2, code 0)"),
        (58, "6400000000000000", "error (type 100, code 0)"),
        (58, "01040000000000", ""),
    ],
)
def test_what_an_icmp_error_says(proto: int, head: str, text: str) -> None:
    assert icmp.message(proto, bytes.fromhex(head)) == text


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "ping_unreachable.pcap",
            {
                10: "destination unreachable, port (type 3, code 3)",
                12: "destination unreachable, administratively prohibited (type 3, code 13)",
                16: "time exceeded, TTL ended on the way (type 11, code 0)",
                # about a ping
                40: "destination unreachable, host (type 3, code 1)",
                42: "destination unreachable, fragmentation needed, next MTU 1200 (type 3, code 4)",
            },
        ),
        ("ipv6_mixed.pcap", {45: "packet too big, next MTU 1300 (type 2, code 0)"}),
    ],
)
def test_which_icmp_error_it_is(name: str, texts: dict[int, str], run: Run) -> None:
    for number, text in texts.items():
        found = answer(run, SAMPLES / name, "--packet", number)
        assert found["icmp_message"] == text
        assert found["explanation"][0] == f"The ICMP error says: {text}."
        life = answer(run, SAMPLES / name, found["conn_id"])
        assert {"text": f"ICMP error about it: {text}", "packet": number, "last_packet": number, "count": 1} in life[
            "oddities"
        ]


def test_where_a_segment_ends_that_was_not_judged(run: Run, tmp_path: Path) -> None:
    """INVALID by its flags, dropped by a full table, or opening nothing: its end follows from its own header."""
    seen = set()
    for name, more in (("port_scan.pcap", []), ("table_pressure.pcap.zst", ["--sysctl", "nf_conntrack_max=500"])):
        rows = {reason: packet for packet, reason, *_ in reversed(notable(SAMPLES / name, tmp_path, run, *more))}
        for reason in ("tcp_flags", "table_full", "tcp_not_opening"):
            if reason not in rows:
                continue
            seen.add(reason)
            tcp = answer(run, SAMPLES / name, "--packet", rows[reason], *more)["tcp"]
            flags = len({"SYN", "FIN"} & set(tcp["flags"].split()))
            assert tcp["end"] == (tcp["seq"] + tcp["payload"] + flags) & 0xFFFFFFFF, reason
    assert seen == {"tcp_flags", "table_full", "tcp_not_opening"}


def test_lengths_behind_options(run: Run, tmp_path: Path) -> None:
    """What the words say is there lies behind all IP headers."""
    a, c = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    short = b.ipv4(a, c, 6, bytes(12), options=b"\x01" * 24)
    capture = pcap.write(tmp_path / "short.pcap", [(10**18, short)])
    assert "has 12 bytes behind the IP header" in " ".join(answer(run, capture, "--packet", 1)["explanation"])


def test_no_window_check_where_there_was_none(run: Run) -> None:
    capture = SAMPLES / "tuple_reuse.pcap"
    ignored = 22
    found = answer(run, capture, "--packet", ignored)
    assert found["reason"] == "tcp_ignored_in_state" and not found["tcp"].get("window_check")
    assert "seq at most" not in run("explain", capture, "--packet", ignored)[1]


def test_connection_that_never_was(run: Run) -> None:
    code, out, _ = run("explain", SAMPLES / "midstream.pcap", "198.51.100.20:8004->10.1.0.10:61004")
    assert code == 0 and "no entry was ever made for it" in out and "INVALID: tcp_not_opening" in out


def test_a_pipe_is_read_as_often_as_it_takes(run: Run, tmp_path: Path) -> None:
    capture = SAMPLES / "invalid_window.pcap"
    for words in (["--packet", 121], [1], ["tcp", "10.1.0.10:48000", "198.51.100.20:5003"]):
        expected = run("explain", capture, *words)
        assert expected[0] == 0 and run("explain", "-", *words, stdin=capture.read_bytes()) == expected
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=lambda: fifo.write_bytes(capture.read_bytes()))  # noqa: B023
        writer.start()
        assert run("explain", fifo, *words) == expected
        writer.join()
        fifo.unlink()
    code, _, err = run("explain", "-", "--packet", 3, stdin=b"no capture")
    assert code == 2 and "not a capture" in err


def test_questions_without_answer(run: Run) -> None:
    capture = SAMPLES / "midstream.pcap"
    for arguments, words in (
        (["--packet", "100000"], "there is no packet 100,000"),
        (["29"], "has no entry; why: --packet 29"),
        (["tcp", "192.0.2.1", "192.0.2.2"], "no packet between these ends"),
        (["nonsense"], "is no end of a connection"),
        (["2001:db8::1:99999:80:x"], "[2001:db8::1]:80"),
        (["10.1.0.10"], "connections match; explain one of them"),
        (["5", "--packet", "5"], "not both"),
    ):
        code, out, err = run("explain", capture, *arguments)
        assert code == 2 and words in err and not out


def test_worth_explaining(run: Run) -> None:
    """Every command that it proposes works."""
    found = answer(run, SAMPLES / "invalid_window.pcap")
    assert found["packets"] and found["connections"]
    for one in found["packets"] + found["connections"][:2]:
        program, command, *arguments = one["command"].split()
        assert (program, command) == ("ctreplay", "explain")
        assert run(command, *arguments)[0] == 0


def test_what_is_only_noted_is_worth_explaining(run: Run, tmp_path: Path) -> None:
    one = c.Tcp(40000, 443)
    steps = [one.send(True, b.ACK), one.send(False, b.ACK)]
    path = c.pcap(tmp_path / "mid.pcap", [(c.T0 + n * c.SECOND, data) for n, data in enumerate(steps)])
    assert [(row["reason"], row["class"], row["packets"]) for row in answer(run, path)["packets"]] == [
        ("tcp_midstream", "note", 1)
    ]


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_display_filters(run: Run, tmp_path: Path) -> None:
    """tshark finds with them what the answer is about."""
    for name in ("invalid_window.pcap", "sctp.pcap", "gre.pcap", "ping_unreachable.pcap", "ipv6_mixed.pcap"):
        capture = SAMPLES / name
        target = tmp_path / f"{name}.ctreplay"
        assert run(capture, "-o", target, "-q")[0] == 0
        entries = duckdb.sql(
            f"SELECT min(conn_id) FROM '{target}/connections.parquet' GROUP BY proto, family"
        ).fetchall()
        for (conn_id,) in entries:
            found = answer(run, target, conn_id)
            counts = []
            for words in (found["wireshark"], found["wireshark_frames"] or found["wireshark"]):
                command = ["tshark", "-n", "-r", str(capture), "-Y", words, "-T", "fields", "-e", "frame.number"]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                counts.append(len(done.stdout.split()))
            total = sum(found["packets"].values())
            # an ICMP error quotes the ends as well
            assert counts[0] >= total > 0, words
            if found["wireshark_frames"]:
                assert counts[1] == total


def test_hostile_file_name(run: Run, tmp_path: Path) -> None:
    capture = tmp_path / "a\x1b[31m'b\n.pcap"
    capture.write_bytes((SAMPLES / "midstream.pcap").read_bytes())
    code, out, err = run("explain", capture)
    assert code == 0 and "\x1b" not in out + err


@pytest.mark.parametrize(
    "text",
    (
        "tcp 10.0.0.1:1234 10.0.0.2:80",
        "10.0.0.1:1234->10.0.0.2:80",
        "10.0.0.1:1234 -> 10.0.0.2:80",
        "10.0.0.1.1234 > 10.0.0.2.80",
        "tcp 6 99 CLOSE src=10.0.0.1 dst=10.0.0.2 sport=1234 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1234",
    ),
)
def test_ends(text: str) -> None:
    found = parse(text.split())
    assert isinstance(found, Wanted) and found.proto in (6, None)
    assert [end[2] for end in found.ends] == [1234, 80]
    assert [end[1] & 0xFFFFFFFF for end in found.ends] == [0x0A000001, 0x0A000002]


@pytest.mark.parametrize(
    ("proto", "parts", "filter_"),
    (
        (6, (1000, 80), "tcp.port == 1000 && tcp.port == 80"),
        (17, (53, 53), "udp.port == 53"),
        (132, (7, 8), "sctp.port == 7 && sctp.port == 8"),
        (1, (77, 8 << 8), "icmp.ident == 77"),
        (1, (77, 0), "icmp.ident == 77"),
        (1, (77, 18 << 8), "icmp.ident == 77"),
        (1, (77, 5 << 8 | 1), "icmp.type == 5"),
        (58, (77, 129 << 8), "icmpv6.echo.identifier == 77"),
        (58, (77, 133 << 8), "icmpv6.type == 133"),
        (136, (1, 2), "udplite"),
        (47, (0, 9), "ip.proto == 47"),
        (6, None, "ip.proto == 6"),
    ),
)
def test_display_filter(proto: int, parts: tuple[int, int] | None, filter_: str) -> None:
    hosts = "ip.addr == 10.0.0.1 && ip.addr == 10.0.0.2"
    assert conversation(4, proto, "10.0.0.1", "10.0.0.2", parts) == f"{hosts} && {filter_}"
    six = filter_.replace("ip.proto", "ipv6.nxt")
    assert conversation(6, proto, "::1", "::1", parts) == f"ipv6.addr == ::1 && {six}"


def test_display_filter_of_frames() -> None:
    assert frames([7, 3, 4, 5, 4, 9]) == "frame.number in {3..5, 7, 9}"
    assert frames(range(1, 200, 2)).endswith(", 79}")


def test_ends_of_icmp() -> None:
    line = "icmp 1 9 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=77 id=5"
    for words in (line.split(), ["icmp", "10.0.0.1", "10.0.0.2", "id=77"]):
        found = parse(words)
        assert isinstance(found, Wanted) and (found.proto, found.ident) == (1, 77)
    found = parse(["tcp 6 9 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=65535 src=10.0.0.2 dst=10.0.0.1 id=5"])
    assert isinstance(found, Wanted) and found.ident is None and found.ends[1][2] == 65535
    for wrong in (["tcp"], ["10.0.0.1"] * 3):
        with pytest.raises(ConnError):
            parse(wrong)


def test_ends_ipv6() -> None:
    found = parse(["udp", "[2001:db8::1]:53", "2001:db8::2"])
    assert isinstance(found, Wanted)
    assert [end[2] for end in found.ends] == [53, None] and found.ends[0][0] == 0x20010DB8 << 32
    for wrong in ("10.0.0.1:70000", "9" * 5000):
        with pytest.raises(ConnError):
            parse([wrong, "10.0.0.2"])
        with pytest.raises(ConnError):
            parse([wrong])


def test_captures_of_a_dataset_are_hashed_once(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many replays an answer takes; and not for one of a capture, which nothing is compared with."""
    capture = tmp_path / "x.pcap"
    shutil.copy(SAMPLES / "invalid_window.pcap", capture)
    packet = next(row[0] for row in notable(capture, tmp_path, run) if row[1] == "tcp_seq_over_upper_bound")
    asked = []
    digest = InputFile.sha256
    monkeypatch.setattr(InputFile, "sha256", lambda one, timeout=None: asked.append(one) or digest(one, timeout))
    dataset = tmp_path / "x.pcap.ctreplay"
    assert len(answer(run, dataset, "--packet", packet)["what_if"]) == 3 and len(asked) == 1
    assert answer(run, capture, "--packet", packet)["what_if"] and len(asked) == 1
    data = bytearray(capture.read_bytes())
    data[-1] ^= 1
    capture.write_bytes(data)
    code, out, err = run("explain", dataset, "--packet", packet)
    assert code == 2 and not out and "no longer the capture" in err


def test_captures_replayed_together(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    c.split(tmp_path / "parts", c.talk(), 2)
    names = ["parts/0.pcap", "parts/1.pcap"]
    whole = c.pcap(tmp_path / "whole.pcap", c.talk())
    # a file of that name does not hide what everybody means by it
    for name in ("1", "tcp"):
        Path(name).write_bytes(b"")
    for conn in (["1"], ["tcp", "10.0.0.1:40001", "192.0.2.80:443"]):
        found, alone = answer(run, *names, *conn), answer(run, whole, *conn)
        assert found["packets"] == alone["packets"] and found["entries"] == alone["entries"]
    assert answer(run, *names, "--packet", len(c.talk()))["file"] == names[-1]
    code, _, err = run("explain", *names, "7", "--packet", 2)
    assert code == 2 and "either --packet N or a connection" in err and "7 is no file" in err


def test_ready_commands_repeat_the_replay(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SAMPLES)
    options = ["--sysctl", "nf_conntrack_tcp_loose=0"]
    found = answer(run, "midstream.pcap", *options)["packets"]
    assert found[0]["reason"] == "tcp_loose_off"
    words = shlex.split(found[0]["command"])
    assert words[:3] == ["ctreplay", "explain", "midstream.pcap"] and "--packet" in words
    assert answer(run, *words[2:])["reason"] == "tcp_loose_off"


def test_a_tunnel_ends_with_its_control_connection(run: Run, tmp_path: Path) -> None:
    """Of a PPTP call; nothing of that is a full table."""
    capture = SAMPLES.parent / "tests" / "helpers" / "golden" / "pptp_calls.pcap.gz"
    target = tmp_path / "calls.ctreplay"
    assert run(capture, "-o", target, "--helper", "pptp", "-q")[0] == 0
    with duckdb.connect() as db:
        ended = dict(
            db.execute(
                f"SELECT end_reason, min(conn_id) FROM '{target}/connections.parquet'"
                " WHERE end_reason IN ('deleted', 'master_gone') AND master_conn_id IS NOT NULL GROUP BY 1"
            ).fetchall()
        )
    assert len(ended) == 2
    for reason, conn_id in ended.items():
        last = answer(run, target, conn_id)["ladder"][-1]
        assert (last["kind"], last["reason"]) == ("ended", reason)
        page = " ".join(run("explain", target, conn_id)[1].split())
        assert "evicted" not in page and "full" not in page
        if reason == "master_gone":
            assert "Ended by the end of its control connection" in page
            assert f"entry {conn_id} ended with its control connection" in page
        else:
            assert f"Ended by its control connection: packet {last['by_packet']} ended the call" in page
            assert f"entry {conn_id} ended by packet {last['by_packet']}," in page
