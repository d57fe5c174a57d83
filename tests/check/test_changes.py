"""Changes that matter are shown, by `diff` and by `check`; those that do not are not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.check import captures as c
from tests.traffic import build as b
from tests.traffic.build import ACK, FIN, SYN

BASE = c.talk()
CHECKS = """\
checks:
  - captures: now.pcap
    SYSCTLS
    assert:
      - expect: {invalid_packets: 0}
      - expect: {idle_cut: 0}
      - expect: {reaches: TIME_WAIT, where: orig_dport = 443}
      - name: every connection, with its end
        sql: >
          SELECT proto, orig_src, orig_sport, orig_dst, orig_dport, state, end_reason, midstream,
          orig_packets, orig_bytes, reply_packets, reply_bytes FROM connections
        equals_file: connections.csv
"""
OPTIONS = {
    "established timeout": "nf_conntrack_tcp_timeout_established=60",
    "UDP timeout": "nf_conntrack_udp_timeout=2",
    "no pick-up": "nf_conntrack_tcp_loose=0",
    "small table": "nf_conntrack_max=2",
}
CHANGES: dict[str, Callable[[], c.Packets]] = {
    "SYN removed": lambda: c.without(BASE, c.find(BASE, 40001, SYN)),
    "FIN removed": lambda: c.without(BASE, c.find(BASE, 40001, FIN | ACK)),
    "ACK removed": lambda: c.without(BASE, c.find(BASE, 443, ACK)),
    "address rewritten": lambda: c.rewritten(BASE, c.CLIENT, c.OTHER),
    "port rewritten": lambda: c.moved_port(BASE, 40001, 41001),
    "RST injected": lambda: c.with_rst(BASE),
    "stray segment": lambda: c.with_stray(BASE),
    "longer answer": lambda: c.longer(BASE),
    "reordered handshake": lambda: (
        [(BASE[i][0], BASE[j][1]) for i, j in zip(range(3), (1, 0, 2), strict=True)] + BASE[3:]
    ),
}
# visible in times only
LATER = {"longer pause": lambda: c.delayed(BASE, 30)}
SAME: dict[str, Callable[[Path], Path]] = {
    "split": lambda folder: c.split(folder / "parts", BASE),
    "gzip": lambda folder: c.zipped(folder / "now.pcap", BASE),
    "pcapng": lambda folder: c.pcapng(folder / "now.pcapng", BASE),
    "Ethernet": lambda folder: c.pcap(folder / "ethernet.pcap", BASE, c.ETHERNET),
    "copy": lambda folder: c.pcap(folder / "copy.pcap", BASE),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The base, its expected table and a check file."""
    found = tmp_path / "captures"
    found.mkdir()
    c.pcap(found / "base.pcap", BASE)
    return found


def bless(run, folder: Path, captures: str = "now.pcap", more: str = "packets: notable") -> None:
    text = CHECKS.replace("now.pcap", captures).replace("SYSCTLS", more)
    (folder / "ctreplay.yaml").write_text(text.replace(captures, "base.pcap", 1).replace(more, "packets: notable"))
    done = run("check", "--update", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "ctreplay.yaml").write_text(text)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_seen(run, folder, name):
    done = run("diff", "base.pcap", "base.pcap", "--new-sysctl", OPTIONS[name], cwd=folder)
    assert done.returncode == 1, done.stdout
    assert OPTIONS[name] in done.stdout
    key, value = OPTIONS[name].split("=")
    c.pcap(folder / "now.pcap", BASE)
    bless(run, folder, more=f"sysctls: {{{key}: {value}}}")
    done = run("check", cwd=folder)
    assert done.returncode == 1, done.stdout
    assert "FAIL" in done.stdout


@pytest.mark.parametrize("name", [*CHANGES, *LATER])
def test_a_change_is_seen_by_diff(run, folder, name):
    c.pcap(folder / "now.pcap", (CHANGES | LATER)[name]())
    done = run("diff", "base.pcap", "now.pcap", cwd=folder)
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen_by_check(run, folder, name):
    c.pcap(folder / "now.pcap", CHANGES[name]())
    bless(run, folder)
    done = run("check", cwd=folder)
    assert done.returncode == 1, done.stdout
    assert "FAIL" in done.stdout


@pytest.mark.parametrize("name", SAME)
def test_another_way_to_store_it_is_no_difference(run, folder, name):
    stored = SAME[name](folder)
    done = run("diff", "base.pcap", stored, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout == "identical: 5 connections, no difference\n"
    done = run("diff", stored, "base.pcap", "--by-packet", cwd=folder)
    assert done.returncode == 0, done.stdout
    pattern = f"{stored.name}/*.pcap" if stored.is_dir() else stored.name
    bless(run, folder, pattern, "merge: true")
    done = run("check", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok ") == 4


def test_what_diff_says_of_a_reset(run, folder):
    c.pcap(folder / "now.pcap", c.with_rst(BASE))
    done = run("diff", "base.pcap", "now.pcap", cwd=folder)
    assert "1 gone" not in done.stdout
    assert "state          TIME_WAIT → CLOSE" in " ".join(done.stdout.split("\n")) or "TIME_WAIT → CLOSE" in done.stdout
    assert "tcp 10.0.0.1:40002 → 192.0.2.80:443" in done.stdout
    found = json.loads(run("diff", "base.pcap", "now.pcap", "--json", cwd=folder).stdout)
    assert not found["equal"]
    assert found["connections"]["changed"] >= 1
    changed = [
        one for one in found["changes"]["connections"] if one["orig_sport"] == 40002 and one["kind"] == "changed"
    ]
    assert changed[0]["changed"]["state"] == {"base": "TIME_WAIT", "new": "CLOSE"}
    packets = changed[0]["changed"]["orig_packets"]
    assert isinstance(packets["base"], int) and isinstance(packets["new"], int)


@pytest.mark.parametrize("by_packet", [[], ["--by-packet"]])
def test_what_diff_says_of_a_packet(run, folder, by_packet):
    """One judged otherwise is changed where both sides hold every packet, else gone from the notable ones."""
    c.pcap(folder / "now.pcap", c.with_stray(BASE))
    liberal = ("diff", "now.pcap", "now.pcap", "--new-sysctl", "nf_conntrack_tcp_be_liberal=1", "--json", *by_packet)
    found = json.loads(run(*liberal, "--packets", "all", cwd=folder).stdout)
    assert found["packets"] == {"gone": 0, "new": 0, "changed": 1}
    (packet,) = found["changes"]["packets"]
    assert (packet["kind"], packet["base_id"], packet["new_id"], packet["sport"]) == ("changed", 5, 5, 443)
    verdicts = {"ctstate": ("INVALID", "ESTABLISHED"), "reason": ("tcp_seq_over_upper_bound", "tcp_liberal")}
    for column, (before, after) in verdicts.items():
        assert packet["changed"][column] == {"base": before, "new": after}
    found = json.loads(run(*liberal, cwd=folder).stdout)
    assert found["packets"] == {"gone": 1, "new": 0, "changed": 0}
    assert [(one["kind"], one["base_id"], one["new_id"]) for one in found["changes"]["packets"]] == [("gone", 5, None)]


def test_a_master_is_the_same_connection_not_the_same_number(run, folder):
    ftp = Path(__file__).parents[2] / "sample_pcaps" / "ftp_active.pcap"
    (folder / "both").mkdir()
    (folder / "both" / "ftp.pcap").symlink_to(ftp)
    c.pcap(folder / "both" / "early.pcap", BASE[:1])
    found = json.loads(run("diff", ftp, "both", "--helper", "ftp", "--json", cwd=folder).stdout)
    assert (found["connections"]["new"], found["connections"]["changed"]) == (1, 0), found["columns"]
    assert not found["expectations"]
    (one,) = found["changes"]["connections"]
    assert (one["kind"], one["base_id"], one["new_id"], one["orig_sport"]) == ("new", None, 1, 40001)
    found = json.loads(run("diff", ftp, ftp, "--new-helper", "ftp", "--json", cwd=folder).stdout)
    masters = [one["changed"]["master"] for one in found["changes"]["connections"] if "master" in one["changed"]]
    assert len(masters) == found["columns"]["master"] > 0
    assert all(one["base"] is None and one["new"] for one in masters)
    assert found["expectations"]["new"] == sum(one["kind"] == "new" for one in found["changes"]["expectations"]) > 0


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_first_changes_of_all(run, folder, limit):
    """What is shown is the beginning of everything, and what is not is counted."""
    options = ("--new-sysctl", "nf_conntrack_udp_timeout=1", "--new-sysctl", "nf_conntrack_tcp_timeout_close=3")
    scan = Path(__file__).parents[2] / "sample_pcaps" / "port_scan.pcap"

    def shown(limit: int) -> tuple[list[str], list[str], str]:
        done = run("diff", scan, scan, *options, "--limit", str(limit), "--junit", folder / "j.xml", cwd=folder)
        assert done.returncode == 1
        head, _, body = done.stdout.partition("\n\nchanged connections\n")
        return head.splitlines(), body.partition("\n\n")[0].splitlines(), (folder / "j.xml").read_text()

    everything, all_changes, all_junit = shown(0)
    head, changes, junit = shown(limit)
    assert head == everything
    begins = [n for n, line in enumerate(all_changes) if line.startswith("  tcp")]
    assert len(begins) == 4 and all_changes[-1] == "  and 12 only in times and transitions"
    assert changes[:-2] == all_changes[: begins[limit]]
    assert changes[-2:] == [f"  … {len(begins) - limit} more; --limit 0 shows all", all_changes[-1]]
    assert junit.split("failure message")[1].splitlines()[0] == all_junit.split("failure message")[1].splitlines()[0]


def test_tolerance_covers_what_was_left(run, folder):
    """In whole seconds of a timeout a jitter of milliseconds can be one of them."""
    a, d = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    for name, second in (("a.pcap", 1_980), ("b.pcap", 2_020)):
        packets = [(c.T0 + ms * 10**6, b.ip(a, d, 17, b.udp(1, port))) for ms, port in ((0, 5), (second, 6))]
        c.pcap(folder / name, packets)
    assert run("diff", "a.pcap", "b.pcap", cwd=folder).returncode == 1
    done = run("diff", "a.pcap", "b.pcap", "--tolerance", "50ms", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert run("diff", "a.pcap", "b.pcap", "--tolerance", "30ms", cwd=folder).returncode == 1


def test_ignored_columns_and_tolerance(run, folder):
    late = [(ts + 2_000_000, data) for ts, data in BASE]
    c.pcap(folder / "late.pcap", late)
    pair = ("diff", "base.pcap", "late.pcap")
    assert run(*pair, cwd=folder).returncode == 1
    assert run(*pair, "--tolerance", "2ms", cwd=folder).returncode == 0
    assert run(*pair, "--tolerance", "1.9ms", cwd=folder).returncode == 1
    assert run(*pair, "--relative", cwd=folder).returncode == 0
    times = [part for name in ("first_ts", "last_ts", "end_ts") for part in ("--ignore", name)]
    assert run(*pair, *times, cwd=folder).returncode == 0
    done = run(*pair, "--ignore", "end_tz", cwd=folder)
    assert done.returncode == 2
    assert "end_ts" in done.stderr
    for wrong in ("soon", "9" * 5000):
        assert run(*pair, "--tolerance", wrong, cwd=folder).returncode == 2
    for name in ("orig_sport", "protonum", "community_id", "seq"):
        done = run(*pair, *times, "--ignore", name, cwd=folder)
        assert done.returncode == 2 and f"--ignore {name}: connections or packets are matched by it" in done.stderr
    # where packets are told apart by their number what they carry is compared
    assert run(*pair, *times, "--by-packet", "--ignore", "ts", "--ignore", "seq", cwd=folder).returncode == 0


def test_datasets_and_captures_are_the_same_to_diff(run, folder):
    assert run("base.pcap", "-o", "a.ctreplay", "-q", cwd=folder).returncode == 0
    assert run("diff", "a.ctreplay", "base.pcap", cwd=folder).returncode == 0
    done = run("diff", "a.ctreplay", "base.pcap", "--base-sysctl", "nf_conntrack_max=1", cwd=folder)
    assert done.returncode == 2
    assert "--base-sysctl" in done.stderr
    done = run("diff", "a.ctreplay", "nothing.pcap", cwd=folder)
    assert done.returncode == 2
    assert "nothing.pcap" in done.stderr


def test_diff_says_when_both_sides_are_the_same(run, folder):
    assert run("base.pcap", "-o", "a.ctreplay", "-q", cwd=folder).returncode == 0
    (folder / "link.pcap").symlink_to(folder / "base.pcap")
    same = "base and new are the same"
    for pair in (("a.ctreplay", "./a.ctreplay"), ("base.pcap", "link.pcap")):
        done = run("diff", *pair, cwd=folder)
        assert done.returncode == 0 and same in done.stdout
        assert same in json.loads(run("diff", *pair, "--json", cwd=folder).stdout)["notes"][0]
    for words in (["a.ctreplay", "base.pcap"], ["base.pcap", "base.pcap", "--new-sysctl", "nf_conntrack_max=9"]):
        assert same not in run("diff", *words, cwd=folder).stdout


def test_one_side_of_a_difference_is_a_pipe(run, folder, monkeypatch):
    for sides in (["-", "base.pcap"], ["base.pcap", "-"]):
        with (folder / "base.pcap").open() as pipe:
            monkeypatch.setattr(sys, "stdin", pipe)
            assert run("diff", *sides, cwd=folder).returncode == 0
    done = run("diff", "-", "-", cwd=folder)
    assert done.returncode == 2 and "only once" in done.stderr


def test_equal_replays_give_equal_tables(run, folder):
    import pyarrow.parquet as pq

    for name in ("one", "two"):
        assert run("base.pcap", "-o", name, "-q", "--packets", "all", cwd=folder).returncode == 0
    for table in ("connections", "transitions", "packets", "expectations", "occupancy", "stats", "captures"):
        one, two = (pq.read_table(folder / name / f"{table}.parquet") for name in ("one", "two"))
        assert one.equals(two), table
        assert one.num_rows or table == "expectations"
