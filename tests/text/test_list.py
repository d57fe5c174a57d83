"""`list`, `events`, `count`, `stats`: instants, filters, origins; no kernel needed."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ctreplay.timetravel.instant import Instant, InstantError, parse, show
from tests.text.traffic import packets
from tests.traffic import build as b
from tests.traffic import pcap

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
Run = Callable[..., tuple[int, str, str]]
START = 1_700_000_000_123_456_789


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    """The packet mix, 10 ms apart."""
    return pcap.write(tmp_path / "mix.pcap", [(START + n * 10**7, data) for n, data in enumerate(packets())])


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    (
        ("end", "end", 0),
        ("packet:4711", "packet", 4711),
        ("+12.5s", "offset", 12_500_000_000),
        ("+12.5", "offset", 12_500_000_000),
        ("+250ms", "offset", 250_000_000),
        ("+1h30m", "offset", 5400 * 10**9),
        ("+0.000000001s", "offset", 1),
        ("1700000000", "ts", 1_700_000_000 * 10**9),
        ("1700000000.123456789", "ts", 1_700_000_000_123_456_789),
        ("1700000000123456789", "ts", 1_700_000_000_123_456_789),
        ("1700000000123ms", "ts", 1_700_000_000_123_000_000),
        ("2023-11-14T22:13:20Z", "ts", 1_700_000_000 * 10**9),
        ("2023-11-14 22:13:20.123456789", "ts", 1_700_000_000_123_456_789),
        ("2023-11-15T00:13:20+02:00", "ts", 1_700_000_000 * 10**9),
        ("2023-11-14", "ts", 1_699_920_000 * 10**9),
        ("20231114T221320Z", "ts", 1_700_000_000 * 10**9),
        ("20231115T001320.123456789+0200", "ts", 1_700_000_000_123_456_789),
        ("20231114T2213", "ts", 1_699_999_980 * 10**9),
        ("22:13:20.5", "clock", 80_000_500_000_000),
    ),
)
def test_instants(text: str, kind: str, value: int) -> None:
    assert parse(text) == Instant(kind, value)


@pytest.mark.parametrize(
    "text",
    ("", "soon", "+", "+5x", "packet:0", "packet:#3", "2023-13-01", "20231301T0000", "25:00", "1e9", "-5s", "9" * 30),
)
def test_no_instants(text: str) -> None:
    with pytest.raises(InstantError):
        parse(text)


def test_instants_are_shown_as_they_are_read() -> None:
    for ts in (START, 0, 1_700_000_000 * 10**9, START // 1000 * 1000):
        assert parse(show(ts)).value == ts


def test_clock_of_the_first_day(mix: Path, run: Run) -> None:
    _, by_clock, _ = run("list", mix, "--at", "22:13:20.5")
    _, by_date, _ = run("list", mix, "--at", "2023-11-14T22:13:20.5Z")
    assert by_clock == by_date and by_clock


def test_moments_around_the_capture(mix: Path, run: Run) -> None:
    assert run("count", mix, "--at", "2000-01-01")[1] == "0\n"
    assert run("count", mix, "--at", START - 1)[1] == "0\n"
    assert run("count", mix, "--at", START)[1] == run("count", mix, "--at", "packet:1")[1] == "1\n"
    assert run("count", mix, "--at", "+3650d")[1] == "0\n"
    assert int(run("count", mix)[1]) > 20
    assert run("count", mix, "--json")[1].startswith('{"entries": ')


def test_equals_the_rows(run: Run, tmp_path: Path) -> None:
    """At random instants the list is what the dataset's packets and transitions say."""
    chance = random.Random(4)
    for name in ("sip_call.pcap", "idle_close_peaks.pcap", "sctp.pcap"):
        target = tmp_path / f"{name}.ctreplay"
        assert run(SAMPLES / name, "-o", target, "-q", "--packets", "all")[0] == 0
        db = duckdb.connect()
        for table in ("packets", "transitions"):
            db.execute(f"CREATE TABLE {table} AS SELECT *, epoch_ns(ts) AS t FROM '{target}/{table}.parquet'")
        first, last = db.execute("SELECT min(t), max(t) FROM packets").fetchall()[0]
        for _ in range(8):
            moment = chance.randint(first, last)
            wanted = db.execute(
                "WITH e AS (SELECT conn_id, last(event ORDER BY transition_id) AS event FROM transitions WHERE t <= $1 "
                "GROUP BY 1), p AS (SELECT conn_id, max(packet) FILTER (refreshed) AS packet FROM packets "
                "WHERE t <= $1 GROUP BY 1) SELECT e.conn_id, timeout_s * 1000000000 + t - $1 FROM e JOIN p USING "
                "(conn_id) JOIN packets USING (packet) WHERE event <> 'DESTROY' ORDER BY 1",
                [moment],
            ).fetchall()
            shown = json.loads(run("list", target, "--at", f"{moment}ns", "--json")[1])
            assert [(one["conn_id"], one["timeout_s"]) for one in shown] == [(c, left // 10**9) for c, left in wanted]


def test_filters(mix: Path, run: Run) -> None:
    everything = json.loads(run("list", mix, "--json")[1])

    def ids(*arguments: str) -> list[int]:
        code, out, err = run("list", mix, "--json", *arguments)
        assert code == 0, err
        return [one["conn_id"] for one in json.loads(out)]

    def where(test: Callable[[dict[str, object]], bool]) -> list[int]:
        return [one["conn_id"] for one in everything if test(one)]

    assert ids("-p", "tcp,sctp") == where(lambda f: f["proto"] in ("tcp", "sctp"))
    assert ids("-p", "000132") == ids("-p", "132") and ids("-p", "00255") == []
    assert ids("-p", "132") == where(lambda f: f["proto"] == "sctp")
    assert ids("-f", "ipv6") == where(lambda f: f["family"] == "ipv6")
    assert ids("-s", "10.0.0.0/8") == where(lambda f: f["family"] == "ipv4")
    assert ids("-d", "fd00:b::/32") == where(lambda f: f["family"] == "ipv6")
    assert ids("-s", "fd00:a:0::2") == where(lambda f: f["family"] == "ipv6")
    assert ids("--sport", "3000-3003") == where(lambda f: f.get("orig_sport", 0) in range(3000, 3004))
    assert ids("--port", "53,80") == where(lambda f: f.get("orig_dport") in (53, 80))
    assert ids("--dport", "http") == where(lambda f: f.get("orig_dport") == 80)
    assert ids("--state", "time_wait,SYN_SENT") == where(lambda f: f.get("state") in ("TIME_WAIT", "SYN_SENT"))
    assert ids("-u", "ASSURED") == where(lambda f: bool(f["assured"]))
    assert ids("-u", "UNREPLIED") == where(lambda f: not f["seen_reply"])
    assert ids("--host", "10.9.1.2", "-p", "udp") == where(lambda f: f["proto"] == "udp" and f["family"] == "ipv4")
    assert ids("-j") == [] and ids("-m", "0x1/0x1") == []
    assert ids("-m", "0") == ids("-w", "0") == where(lambda f: True)
    assert ids("-n") == ids("-g") == ids("-w", "1") == []
    assert ids("-f", "inet") == where(lambda f: f["family"] == "ipv4")
    assert ids("-s", "::/0") == ids("-f", "6")
    assert ids("-r", "10.9.0.0/16") == where(lambda f: f["orig_dst"].startswith("10.9.")) != []  # type: ignore[attr-defined]
    assert ids("-q", "10.9.1.2") == ids("-s", "10.9.1.2") != ids("-d", "10.9.1.2")
    assert ids("--reply-port-src", "53,80") == ids("--dport", "53,80") != []
    assert ids("--reply-port-dst", "3000-3003") == ids("--sport", "3000-3003") != []
    assert ids("-u", "SEEN_REPLY,CONFIRMED") == where(lambda f: bool(f["seen_reply"]))
    # beside others UNSET is no condition of its own (conntrack 1.4.7)
    assert ids("-u", "UNSET,ASSURED") == ids("-u", "ASSURED,UNSET") == ids("-u", "ASSURED") != []
    assert ids("-u", "UNSET,UNREPLIED") == ids("-u", "UNREPLIED") != []
    assert ids("-u", "UNSET") == where(lambda f: not f["seen_reply"] and not f["assured"])
    pings = where(lambda f: f["proto"] in ("icmp", "icmpv6"))
    assert pings and ids("--icmp-code", "0") == pings
    assert ids("--icmp-type", "8") == where(lambda f: f.get("icmp_type") == 8) != []
    number = next(one["icmp_id"] for one in everything if one["conn_id"] == pings[0])
    assert ids("--icmp-id", str(number)) == where(lambda f: f.get("icmp_id") == number)
    assert ids("--id", str(everything[3]["conn_id"])) == [everything[3]["conn_id"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    (
        (["-p", "tpc"], "did you mean tcp?"),
        (["-p", ""], "no such protocol"),
        (["-p", "²"], "no such protocol"),
        (["-s", ""], "neither an address nor a network"),
        (["--state", ""], "no such state"),
        (["-u", ""], "no such status"),
        (["--at", "packet:" + "1" * 5000], "too long"),
        (["--at", "1" * 5000], "too long"),
        (["-s", "10.0.0.300"], "neither an address nor a network"),
        (["--sport", "70000"], "ports run from 0 to 65535"),
        (["--sport", "9-1"], "begins with its lower end: 1-9"),
        (["--dport", "90-70000"], "ports run from 0 to 65535"),
        (["--state", "ESTABLISED"], "did you mean ESTABLISHED?"),
        (["-u", "ASURED"], "did you mean ASSURED?"),
        (["-f", "ipx"], "write ipv4 or ipv6"),
        (["-m", "red"], "MARK/MASK"),
        (["--at", "noon"], "is no instant"),
        (["-o", "xlm"], "did you mean xml?"),
        (["--at", "packet:5000"], "there is no packet 5,000"),
        (["--helper", "fpt"], "did you mean ftp?"),
        (["--sysctl", "nf_conntrack_udp_timout=3"], "did you mean nf_conntrack_udp_timeout?"),
        (["--diff", "+1s", "+0s"], "before the first"),
        (["--diff", "+0s", "+1s", "--at", "+1s"], "exclude each other"),
        (["--diff", "+0s", "+1s", "-o", "proc"], "as lines or json"),
        (["expect", "--diff", "+0s", "+1s"], "not expectations"),
    ),
)
def test_usage(arguments: list[str], words: str, mix: Path, run: Run) -> None:
    code, out, err = run("list", mix, *arguments)
    assert code == 2 and words in err and not out


def test_capture_that_moved_or_changed(mix: Path, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "out" / "mix.ctreplay"
    target.parent.mkdir()
    assert run(mix, "-o", target, "-q")[0] == 0
    _, lines, _ = run("list", target)
    digest = json.loads((target / "run.json").read_text())["inputs"][0]["sha256"]
    moved = tmp_path / "elsewhere.pcap"
    mix.rename(moved)
    code, out, err = run("list", target)
    assert code == 2 and str(mix) in err and digest in err and "--capture" in err and not out
    assert run("list", target, "--capture", moved)[1] == lines
    # beside the dataset is near enough
    shutil.copy(moved, target.parent / mix.name)
    assert run("list", target)[1] == lines
    data = bytearray(moved.read_bytes())
    mix.write_bytes(data[:-1])
    assert run("list", target)[1] == lines
    (target.parent / mix.name).unlink()
    code, out, err = run("list", target)
    assert code == 2 and f"{len(data) - 1:,} bytes instead of {len(data):,}" in err and not out
    data[-1] ^= 1
    mix.write_bytes(data)
    code, out, err = run("list", target)
    assert code == 2 and f"instead of {digest}" in err and not out
    # events and stats need no capture
    mix.unlink()
    assert run("events", target)[0] == 0 and run("stats", target)[0] == 0


@pytest.mark.parametrize("level", ["notable", "all"])
@pytest.mark.parametrize("packed", [False, True])
def test_capture_that_grew(mix: Path, run: Run, tmp_path: Path, packed: bool, level: str) -> None:
    """What was written to it since is no part of any answer about the dataset."""
    data, more = mix.read_bytes(), mix.read_bytes()[24:]
    live, target = tmp_path / "live.pcap", tmp_path / "live.ctreplay"
    live.write_bytes(gzip.compress(data) if packed else data)
    assert run(live, "-o", target, "-q", "--packets", level)[0] == 0
    out = tmp_path / "out.pcap"
    asked = (["list", target], ["list", target, "--at", "packet:9"], ["explain", target, 1],
             ["extract", target, 1, "-o", out, "--force"])  # fmt: skip
    before = [(run(*words), out.exists() and out.read_bytes()) for words in asked]
    assert all(code == 0 and (shown or kept) for (code, shown, _), kept in before)
    with live.open("ab") as file:
        file.write(gzip.compress(more) if packed else more)
    after = [(run(*words), words[0] == "extract" and out.read_bytes()) for words in asked]
    assert after == before
    live.write_bytes(b"x" * (len(data) + len(more)))
    for words in asked:
        code, shown, err = run(*words)
        assert code == 2 and "no longer the capture" in err and not shown


def test_an_empty_name(run: Run) -> None:
    for words in ([""], ["list", ""], ["explain", ""], ["diff", "", ""]):
        code, out, err = run(*words)
        assert code == 2 and not out and "an empty name names no capture" in err, words


def test_what_differs_from_the_dataset_is_noted(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "ftp.ctreplay"
    assert run(SAMPLES / "ftp_passive.pcap", "-o", target, "-q", "--helper", "ftp")[0] == 0
    for words, told in (
        (["--helper", "ftp=2121", "--sysctl", "nf_conntrack_acct=0"], "nf_conntrack_acct=0, helper ftp=2121"),
        (["--helper", "tftp"], "helper tftp"),
    ):
        for command in ("list", "count", "events", "stats"):
            assert f"replayed with {told}, unlike the dataset" in run(command, target, *words)[2]
    assert "unlike" not in run("list", target, "--helper", "ftp", "--sysctl", "nf_conntrack_acct=1")[2]


def test_pipe(mix: Path, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "pipe.ctreplay"
    assert run("-", "-o", target, "-q", stdin=mix.read_bytes())[0] == 0
    code, _, err = run("list", target)
    assert code == 2 and "was read from a pipe" in err
    assert run("list", target, "--capture", mix)[1] == run("list", mix)[1]
    assert run("list", "-", stdin=mix.read_bytes())[1] == run("list", mix)[1]


def test_damage_is_told_once(mix: Path, run: Run, tmp_path: Path) -> None:
    """Of captures, also where an answer takes several replays; of a dataset its own replay has told."""
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(mix.read_bytes()[:-5])
    nobody = ("tcp", "10.9.9.9:1", "10.9.9.8:2")
    for words in (["list", cut], ["list", cut, "--diff", "+0s", "end"], ["list", cut, "expect"], ["events", cut],
                  ["events", cut, "expect"], ["stats", cut], ["count", cut], ["explain", cut],
                  ["explain", cut, 1], ["explain", cut, "--packet", 1_000_000], ["explain", cut, *nobody]):  # fmt: skip
        err = run(*words)[2]
        assert err.count(f"damaged: {cut}: frame ") == 1, words
    assert "damaged" not in run("list", cut, "--at", "packet:3")[2]
    assert run(cut, "-o", tmp_path / "cut.ctreplay", "-q")[0] == 0
    assert "damaged" not in run("list", tmp_path / "cut.ctreplay")[2]


def test_out_of_order_damaged_and_empty(mix: Path, run: Run, tmp_path: Path) -> None:
    rows = pcap.read(mix)
    shuffled = rows[1:] + rows[:1]
    other = pcap.write(tmp_path / "shuffled.pcap", shuffled)
    for moment in ("end", "+300ms", "packet:17"):
        assert run("list", other, "--at", moment)[1] == run("list", mix, "--at", moment)[1]
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(mix.read_bytes()[:-5])
    assert run("list", cut, "--at", "packet:50")[1] == run("list", mix, "--at", "packet:50")[1]
    empty = pcap.write(tmp_path / "empty.pcap", [])
    assert run("list", empty, "--at", "+1s")[:2] == (0, "")
    assert run("list", tmp_path / "none.pcap")[0] == 2
    two = [pcap.write(tmp_path / f"{n}.pcap", rows[n::2]) for n in (0, 1)]
    assert run("list", *two, "--at", "+300ms")[1] == run("list", mix, "--at", "+300ms")[1]


def test_diff(mix: Path, run: Run) -> None:
    one, two = (json.loads(run("list", mix, "--json", "--at", t)[1]) for t in ("packet:20", "packet:40"))
    found = json.loads(run("list", mix, "--json", "--diff", "packet:20", "packet:40")[1])
    before, after = ({f["conn_id"] for f in flows} for flows in (one, two))
    assert {f["conn_id"] for f in found if f["change"] == "came"} == after - before
    assert {f["conn_id"] for f in found if f["change"] == "went"} == before - after
    code, out, err = run("list", mix, "--diff", "packet:20", "+20m")
    assert code == 0 and "timeout at" in out and out.count("\n- ") >= 5 and "went" in err


def test_events_window_and_mask(mix: Path, run: Run, tmp_path: Path) -> None:
    lines = run("events", mix)[1].splitlines()
    assert sum(line.startswith("    [NEW]") for line in lines) == len(run("events", mix, "-e", "NEW")[1].splitlines())
    early = run("events", mix, "--to", "packet:30")[1].splitlines()
    late = run("events", mix, "--from", "packet:31")[1].splitlines()
    assert early + late == lines and early and late
    target = tmp_path / "idle.ctreplay"
    assert run(SAMPLES / "idle_timeout.pcap", "-o", target, "-q")[0] == 0
    # timers too, before, between and behind packets
    lines = run("events", target)[1].splitlines()
    for number in range(1, json.loads((target / "run.json").read_text())["packets"]):
        early = run("events", target, "--to", f"packet:{number}")[1].splitlines()
        late = run("events", target, "--from", f"packet:{number + 1}")[1].splitlines()
        assert early + late == lines, number
    assert run("events", target, "--from", "packet:1")[1].splitlines() == lines
    for line in run("events", mix, "--json")[1].splitlines():
        assert json.loads(line)["event"] in ("NEW", "UPDATE", "DESTROY")
    assert run("events", mix, "-e", "OLD")[0] == 2
    assert run("events", mix, "--from", "")[0] == run("events", mix, "--to", "")[0] == 2


@pytest.mark.parametrize(
    ("since", "up_to"),
    (("+5s", "+1s"), ("packet:9", "packet:8"), ("packet:40", "+10ms"), ("2023-11-14T22:13:21Z", "packet:3")),
)
@pytest.mark.parametrize("more", ([], ["-o", "xml"], ["expect"]))
def test_a_window_that_ends_before_it_begins(
    since: str, up_to: str, more: list[str], mix: Path, run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "mix.ctreplay"
    assert run(mix, "-o", target, "-q")[0] == 0
    for source in (mix, target):
        words = [source, *more]
        code, out, err = run("events", *words, "--from", since, "--to", up_to)
        assert code == 2 and not out and "the second moment lies before the first" in err
        code, _, err = run("events", *words, "--from", since, "--to", since)
        assert code == 0, err
        code, out, err = run("events", *words, "--from", "end")
        assert code == 2 and not out and "no event follows" in err


def test_a_moment_beyond_all_time_is_the_end(mix: Path, run: Run) -> None:
    code, out, err = run("list", mix, "--at", "+9000000000s")
    assert code == 0 and not out, err


def test_events_with_gre_keys(run: Run, tmp_path: Path) -> None:
    """They are in no table."""
    a, c = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    call = b.ip(a, c, b.GRE, b.gre(1, 0x880B, struct.pack("!HH", 0, 6), 0x20))
    capture, target = pcap.write(tmp_path / "gre.pcap", [(START, call)]), tmp_path / "gre.ctreplay"
    assert run(capture, "-o", target, "-q")[0] == 0
    found = run("events", target)[1]
    assert "dstkey=0x6" in found and found == run("events", capture)[1]
    assert run("events", target, "--dstkey", "6")[1] == found
    capture.unlink()
    code, out, err = run("events", target)
    assert code == 0 and "dstkey=0x0" in out and "keys of GRE are in no table" in err


@pytest.mark.parametrize(
    ("command", "table"), [("events", "connections"), ("events", "transitions"), ("stats", "stats")]
)
def test_a_table_that_cannot_be_read(command: str, table: str, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "tftp.ctreplay"
    assert run(SAMPLES / "tftp.pcap", "-o", target, "-q")[0] == 0
    path = target / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    code, out, err = run(command, target)
    assert code == 2 and not out and "cannot be read" in err and "internal" not in err
    path.unlink()
    code, out, err = run(command, target)
    assert code == 2 and not out and "internal" not in err


def test_stats(mix: Path, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "mix.ctreplay"
    assert run(mix, "-o", target, "-q")[0] == 0
    assert run("stats", mix)[1] == run("stats", target)[1]
    rows = {row["name"]: row["value"] for row in json.loads(run("stats", target, "--json")[1])}
    assert rows["packets"] == len(packets())
    lines = [line.split() for line in run("stats", target, "--all")[1].splitlines()]
    assert ["packets", str(len(packets()))] in [words[:2] for words in lines]


def test_expectations(run: Run) -> None:
    capture = SAMPLES / "ftp_passive.pcap"
    shown = [
        json.loads(run("list", capture, "expect", "--helper", "ftp", "--json", "--at", f"packet:{n}")[1])
        for n in range(1, 31)
    ]
    assert any(shown) and not all(shown)
    live = next(found for found in shown if found)
    number = shown.index(live) + 1
    code, out, err = run("list", capture, "expect", "--helper", "ftp", "--at", f"packet:{number}")
    assert code == 0 and out.startswith("300 proto=6 src=") and out.endswith("class=0 helper=ftp\n")
    assert "1 expectations have been shown" in err


def test_expectation_events(run: Run, tmp_path: Path) -> None:
    """Those of the dataset, of a window, of a kind, of a filter; as lines and as objects."""
    source = [SAMPLES / "ftp_passive.pcap", "expect", "--helper", "ftp"]
    code, out, err = run("events", *source)
    lines = out.splitlines()
    assert code == 0 and f"{len(lines)} expectation events have been shown" in err and "only watched" not in err
    dataset = tmp_path / "x"
    assert run(source[0], "--helper", "ftp", "-q", "-o", dataset)[0] == 0
    assert run("events", dataset, "expect")[1] == out
    told = [json.loads(line) for line in run("events", *source, "--json")[1].splitlines()]
    rows = json.loads(
        run(
            "query", dataset, "--json", "-c",
            "SELECT event, epoch_ns(ts) AS ts_ns, packet, reason, timeout_s, expectation_id FROM expectation_events "
            "ORDER BY event_id",
        )[1]
    )  # fmt: skip
    assert [{name: one.get(name) for name in rows[0]} for one in told] == rows
    assert [one["event"] for one in told[:2]] == ["NEW", "DESTROY"] and told[1]["reason"] == "matched"
    new, destroyed = ([line for line in lines if kind in line] for kind in ("    [NEW] 300 ", "[DESTROY] 2"))
    assert len(new) == len(destroyed) == len(lines) // 2
    assert run("events", *source, "-e", "NEW")[1].splitlines() == new
    assert run("events", *source, "-p", "udp")[1] == ""
    port = told[0]["dport"]
    assert run("events", *source, "--dport", port)[1].splitlines() == lines[:2]
    assert run("events", *source, "--from", f"packet:{told[2]['packet']}")[1].splitlines() == lines[2:]
    assert run("events", *source, "--to", told[1]["ts_ns"])[1].splitlines() == lines[:2]
    stamp = f"[{told[0]['ts_ns'] // 10**9}.{told[0]['ts_ns'] % 10**9 // 1000:06d}]\t"
    assert run("events", *source, "-o", "timestamp")[1].splitlines()[0] == stamp + lines[0]
    code, _, err = run("events", *source, "-o", "xml")
    assert code == 2 and "as lines" in err
    code, watched, err = run("events", *source[:2])
    assert watched == out and "only watched" in err
