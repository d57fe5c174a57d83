"""The triage: its facts against SQL over the same dataset, its screen at the widths of real terminals."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ctreplay
from ctreplay import replaying
from ctreplay.dataset import columns, seen
from ctreplay.replaying import replay_to
from ctreplay.report.duration import duration
from ctreplay.report.screen import render
from ctreplay.report.triage import _trust, triage
from ctreplay.sql import library
from ctreplay.sql.execute import query_named
from ctreplay.tracker import sysctl
from tests.check import captures as c
from tests.traffic import build as b
from tests.traffic import pcap

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
CAPTURES = sorted(p for p in SAMPLES.iterdir() if ".pcap" in p.name)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("triage")
    triages = {}
    for capture in CAPTURES:
        target = folder / f"{capture.name}.ctreplay"
        ctreplay.replay(capture, target)
        triages[capture.name] = (target, triage(target))
    return triages


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_facts(found: dict[str, tuple[Path, dict[str, Any]]], capture: Path) -> None:
    path, facts = found[capture.name]
    json.dumps(facts)
    db = ctreplay.open_dataset(path)

    def counts(column: str) -> dict[str, int]:
        return dict(db.sql(f"SELECT coalesce({column}::VARCHAR, '-'), count(*) FROM connections GROUP BY 1").fetchall())

    entries = facts["entries"]
    assert entries["by_proto"] == counts("proto")
    assert entries["by_state"] == counts("state")
    assert entries["by_end_reason"] == counts("end_reason")
    row = db.sql(
        "SELECT count(*), count(*) FILTER (NOT seen_reply), count(*) FILTER (midstream),"
        " count(*) FILTER (proto = 'tcp' AND orig_packets > 2 AND NOT seen_reply) FROM connections"
    ).fetchall()[0]
    assert (entries["total"], entries["unreplied"], entries["midstream"], entries["tcp_one_sided"]) == row
    sources = db.sql(
        "SELECT orig_src, count(*), count(*) FILTER (NOT seen_reply), sum(orig_bytes + reply_bytes)::BIGINT"
        " FROM connections GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5"
    ).fetchall()
    assert [tuple(row.values()) for row in facts["talkers"]["sources"]] == [
        (address, entries, unreplied, size) for address, entries, unreplied, size in sources
    ]
    services = db.sql(
        "SELECT proto, orig_dst, orig_dport, count(*), count(*) FILTER (NOT seen_reply),"
        " sum(orig_bytes + reply_bytes)::BIGINT FROM connections GROUP BY 1, 2, 3"
        " ORDER BY 4 DESC, 1, 2, coalesce(orig_dport::VARCHAR, '') LIMIT 5"
    ).fetchall()
    assert [tuple(row.values()) for row in facts["talkers"]["services"]] == services
    invalid = db.sql("SELECT count(*) FROM packets WHERE ctstate = 'INVALID'").fetchall()[0][0]
    assert sum(row["packets"] for row in facts["invalid"]) == invalid
    for step in facts["next"]:
        name = step["command"].split()[-1]
        if " query " in step["command"]:
            assert (SAMPLES.parent / "queries" / f"{name}.sql").is_file()


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"), (999, "999 ns"), (1000, "1 µs"), (999_499, "999 µs"), (999_999, "1,000 µs"), (10**9, "1 s"),
        (119 * 10**9, "119 s"), (120 * 10**9, "2 min"), (7200 * 10**9, "2 h"), (172800 * 10**9, "2 days"),
        (999 * 86400 * 10**9, "999 days"), (20311 * 86400 * 10**9, "20,311 days"),
    ],
)  # fmt: skip
def test_duration(ns: int, text: str) -> None:
    assert duration(ns) == text


TRUSTED = {
    "packets": 2000, "truncated": 0, "kernel_drops": 0, "reordered": 0, "checksums_checked": 100, "checksums_wrong": 0,
    "checksums_offloaded": 0, "duplicates": 0, "undecodable": 0, "max_backstep_ns": 0, "undecodable_by_reason": "{}",
    "linktype_name": "EN10MB", "path": "a.pcap",
}  # fmt: skip


@pytest.mark.parametrize(
    ("taints", "what", "text"),
    [
        ({"checksums_wrong": 10}, "checksums", "10 % of the sampled checksums are wrong"),
        (
            {"checksums_wrong": 10, "checksums_offloaded": 4},
            "checksums",
            "10 % of the sampled checksums are wrong, 40 % of them left to the network card",
        ),
        (
            {"checksums_checked": 9599, "checksums_wrong": 910, "checksums_offloaded": 909},
            "checksums",
            "9 % of the sampled checksums are wrong, over 99 % of them left to the network card",
        ),
        ({"truncated": 12}, "snap length", "12 frames (under 1 %) were cut: lengths are from IP headers"),
        ({"truncated": 2000}, "snap length", "2,000 frames (100 %) were cut: lengths are from IP headers"),
        (
            {"kernel_drops": 1234},
            "kernel drops",
            "1,234 packets were lost while capturing: expect INVALID that never happened",
        ),
        (
            {"duplicates": 21},
            "duplicates",
            "21 packets appear twice (several interfaces in one capture?): each is tracked and counted twice, and a "
            "SYN or FIN that is seen again changes verdicts",
        ),
        (
            {"duplicates": 21, "linktype_name": "LINUX_SLL2"},
            "duplicates",
            "21 packets appear twice (several interfaces in one capture?): each is tracked and counted twice, and a "
            "SYN or FIN that is seen again changes verdicts; of what a router forwards "
            "`tcpdump -r FILE -w ONE inbound` keeps one",
        ),
        (
            {"duplicates": 20, "linktype_name": "LINUX_SLL"},
            "interfaces",
            "cooked frames, as of `tcpdump -i any`: a flow seen before and after a NAT is two connections",
        ),
        (
            {"reordered": 3, "max_backstep_ns": 2_000_000_000},
            "clock",
            "3 frames older than the one before, by up to 2 s: replayed sorted by time",
        ),
        (
            {"undecodable": 5, "undecodable_by_reason": '{"arp": 2, "llc": 3}'},
            "not IP",
            "5 frames are no readable IP: llc 3, arp 2",
        ),
    ],
)
def test_what_taints_a_capture(taints: dict[str, Any], what: str, text: str) -> None:
    run = {
        "damage": [], "late_packets": 0, "skipped": [],
        "entries": {"tcp": 0, "tcp_one_sided": 0, "midstream": 0, "by_state": {}}, "sysctls": sysctl.defaults(),
    }  # fmt: skip
    half = {name: value // 2 if isinstance(value, int) else value for name, value in TRUSTED.items()}
    assert _trust([half, half | {"path": "b.pcap"}], [], run) == []
    assert _trust([TRUSTED | taints], [], run) == [{"what": what, "text": text}]


def test_what_a_kernel_drops_is_no_unreadable_frame(tmp_path: Path) -> None:
    to, sender = b"\xfd" + bytes(15), b"\xff\2" + bytes(14)
    wrong = b.ipv4(bytes(4), bytes(4), 17, b.udp(1, 2))
    packets = [b.ipv6(sender, to, 17, b.udp(1, 2)), b.ipv6(sender, to, 6, bytes(20)), wrong[:10] + b"\7\7" + wrong[12:]]
    pcap.write(tmp_path / "x.pcap", [(10**18 + n, packet) for n, packet in enumerate(packets)])
    facts = replay_to([tmp_path / "x.pcap"], tmp_path / "out", sysctls={"nf_conntrack_checksum": 1}, triaged=True)[
        "triage"
    ]
    text = "3 packets were dropped on receipt, as a kernel does, before tracking: ipv6_address 2, ip_checksum 1"
    assert facts["trust"] == [{"what": "dropped", "text": text}]


@pytest.mark.parametrize("after_s", [0, 29, 31])
def test_datagrams_that_lack_fragments(after_s: int, tmp_path: Path) -> None:
    """Whether their time was over or the capture ended before, and one that came whole is not among them."""
    ends = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    packets = [
        (n, b.ipv4(*ends, 17, bytes(16), ident, fragment))
        for n, (ident, fragment) in enumerate([(1, 0x2000), (1, 2), (2, 0x2000), (3, 2)])
    ]
    packets.append((after_s * 10**9 + 10, b.ipv4(*ends, 17, b.udp(1, 2))))
    pcap.write(tmp_path / "x.pcap", [(10**18 + t, packet) for t, packet in packets])
    facts = replay_to([tmp_path / "x.pcap"], tmp_path / "out", sysctls={}, triaged=True)["triage"]
    text = "2 datagrams stayed incomplete, which a tracker never sees"
    assert [note["text"] for note in facts["trust"] if note["what"] == "fragments"] == [text]


@pytest.mark.parametrize(
    ("places", "named", "more"),
    [(1, 1, ""), (3, 3, ""), (4, 3, "1 more place, listed in run.json"), (5, 3, "2 more places, listed in run.json")],
)
def test_damaged_places_that_are_named(places: int, named: int, more: str) -> None:
    how = ("the rest was not read", "reading went on behind it")
    damage = [
        {"path": "x", "frame": n, "offset": 9, "what": "cut", "recovered": n % 2 == 1} for n in range(1, places + 1)
    ]
    run = {
        "damage": damage, "late_packets": 0, "skipped": [],
        "entries": {"tcp": 0, "tcp_one_sided": 0, "midstream": 0, "by_state": {}},
    }  # fmt: skip
    texts = [f"x, frame {n}, offset 9: cut; {how[n % 2]}" for n in range(1, named + 1)] + [more] * bool(more)
    assert _trust([TRUSTED], [], run) == [{"what": "damaged", "text": text} for text in texts]


@pytest.mark.parametrize(
    ("capture", "notes"),
    [
        # only the client's packets: SYN, then what the tracker refuses
        (
            "asymmetric_forward.pcap",
            [
                (
                    "one-sided",
                    "3 of 3 TCP flows stayed in SYN_SENT and 18 packets were INVALID in such a state: "
                    "answers take another path?",
                )
            ],
        ),
        # their entries had expired: they began within the capture
        (
            "late_packets.pcap",
            [
                (
                    "mid-stream",
                    "2 of 4 TCP flows were picked up without a SYN: they began before the capture, or their entry was "
                    "gone or refused",
                )
            ],
        ),
        (
            "two_interfaces.pcapng",
            [("interfaces", "2 interfaces in one file: a flow seen before and after a NAT is two connections")],
        ),
    ],
)
def test_what_a_sample_is_tainted_by(
    found: dict[str, tuple[Path, dict[str, Any]]], capture: str, notes: list[tuple[str, str]]
) -> None:
    assert [(note["what"], note["text"]) for note in found[capture][1]["trust"]] == notes


@pytest.mark.parametrize(
    ("capture", "queries"),
    [
        ("asymmetric_forward.pcap", ["invalid_by_reason", "one_sided"]),
        ("asymmetric_return.pcap", ["invalid_by_reason", "one_sided"]),
        ("dns_lost_answer.pcap", ["never_replied", "top_holders_at"]),
        ("half_open.pcap", ["syn_sent_refresh", "rst_origin", "icmp_errors"]),
        ("http_keepalive_reset.pcap", ["rst_origin", "top_holders_at"]),
        ("invalid_then_rst.pcap", ["invalid_by_reason", "invalid_then_rst"]),
        ("late_packets.pcap", ["rst_origin", "start_censored", "timeout_peaks"]),
        ("ping_unreachable.pcap", ["icmp_errors", "never_replied"]),
        ("port_scan.pcap", ["invalid_by_reason", "rst_origin"]),
        ("sip_register_late.pcap", ["timeout_peaks", "late_packets"]),
        ("syn_flood.pcap", ["half_open", "syn_flood_sources"]),
        ("tuple_reuse.pcap", ["challenge_ack", "tuple_reuse", "rst_origin"]),
    ],
)
def test_what_comes_next(found: dict[str, tuple[Path, dict[str, Any]]], capture: str, queries: list[str]) -> None:
    path, facts = found[capture]
    proposed = [step["command"].split()[-1] for step in facts["next"] if " query " in step["command"]]
    assert proposed == queries
    for name in proposed:
        assert sum(batch.num_rows for batch in query_named([path], library.load(name), {}).batches), name


def test_a_scan_is_no_flood_and_an_empty_table_has_no_holders(tmp_path: Path) -> None:
    scan = [(c.T0 + n, c.Tcp(40000, 1000 + n).send(True, b.SYN)) for n in range(30)]
    stray = [(c.T0, c.Tcp(40000, 443).send(True, b.FIN | b.ACK))]
    proposed = {}
    for name, packets in (("scan", scan), ("stray", stray)):
        ctreplay.replay(c.pcap(tmp_path / f"{name}.pcap", packets), tmp_path / name)
        steps = [step["command"].split() for step in triage(tmp_path / name)["next"]]
        proposed[name] = [words[-1] for words in steps if words[1] == "query"]
        for query in proposed[name]:
            assert sum(batch.num_rows for batch in query_named([tmp_path / name], library.load(query), {}).batches), (
                query
            )
    assert proposed == {
        "scan": ["never_replied", "half_open", "port_scan"], "stray": ["invalid_by_reason", "capture_quality"],
    }  # fmt: skip


def test_all_settings_of_a_machine(tmp_path: Path) -> None:
    """`sysctl -a` sets everything: only what differs is shown, and what a verified checksum does is said."""
    target = tmp_path / "offload.ctreplay"
    settings = sysctl.defaults() | {"nf_conntrack_checksum": 1, "nf_conntrack_max": 262144}
    ctreplay.replay(SAMPLES / "offload.pcap", target, sysctls=settings)
    facts = triage(target)
    (note,) = [note["text"] for note in facts["trust"] if note["what"] == "checksums"]
    assert note.endswith(
        "100 % of them left to the network card: INVALID only because of nf_conntrack_checksum=1; set "
        "--sysctl nf_conntrack_checksum=0"
    )
    out = io.StringIO()
    render(facts, out, 120)
    (line,) = [line.strip() for line in out.getvalue().splitlines() if " with " in f" {line.strip()} "]
    assert sorted(line.removeprefix("with ").split(", ")) == [
        f"{len(settings) - 2} at their defaults", "nf_conntrack_checksum=1", "nf_conntrack_max=262144",
    ]  # fmt: skip


def test_a_full_table_comes_first(tmp_path: Path) -> None:
    target = tmp_path / "full.ctreplay"
    ctreplay.replay(SAMPLES / "table_pressure.pcap.zst", target, sysctls={"nf_conntrack_max": 200})
    facts = triage(target)
    commands = [step["command"].split()[-1] for step in facts["next"]]
    assert commands[:2] == ["table_pressure", "top_holders_at"]
    out = io.StringIO()
    render(facts, out, 120)
    ended = facts["entries"]["by_end_reason"]
    assert f"limit 200: {ended['early_drop']} evicted early, {ended['gc']} by the collector, " in out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_screen(found: dict[str, tuple[Path, dict[str, Any]]], width: int) -> None:
    for name, (_, facts) in found.items():
        out = io.StringIO()
        render(facts, out, width)
        lines = out.getvalue().splitlines()
        assert max(len(line) for line in lines) <= width, name
        assert f"{facts['packets']:,} packets" in out.getvalue()


def test_hostile_names(found: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    _, facts = found[CAPTURES[0].name]
    facts = dict(facts, inputs=["a\x1b[31m[bold]\n.pcap"], dataset="x\ty[/bold]")
    facts["trust"] = [{"what": "damaged", "text": "b\x1b[/c]:smile:.pcap, frame 1"}]
    facts["talkers"] = {
        "sources": [{"address": "fe80::1", "entries": 1, "unreplied": 0, "bytes": 2}],
        "services": [{"proto": "tcp", "address": "fe80::1", "port": 22, "entries": 1, "unreplied": 0, "bytes": 2}],
    }
    out = io.StringIO()
    render(facts, out, 100)
    text = out.getvalue()
    assert "\x1b" not in text
    assert "a\\x1b[31m[bold]\\n.pcap" in text
    assert "x\\ty[/bold]" in text
    assert "b\\x1b[/c]:smile:.pcap, frame 1" in text
    assert "tcp [fe80::1]:22" in text


def test_helper_that_was_off(found: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    _, facts = found["ftp_active.pcap"]
    (hint,) = facts["helper_hints"]
    assert (hint["helper"], hint["control_connections"], hint["missed"]) == ("ftp", 2, 6)
    assert any("helper_missed" in step["command"] for step in facts["next"])


@pytest.mark.parametrize("kept", [columns.KEPT, 3])
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_facts_are_the_same_while_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capture: Path, kept: int
) -> None:
    """What the writer has seen says the same as the dataset, also when it could not keep the connections."""
    for module in (replaying, seen):
        monkeypatch.setattr(module, "KEPT", kept)
    target = tmp_path / "out"
    facts = replay_to([capture], target, sysctls=sysctl.defaults(), triaged=True)["triage"]
    assert facts == triage(target)


def test_a_replay_loads_no_library_for_parquet(tmp_path: Path) -> None:
    """It would take as long as a small replay."""
    code = (
        "import sys; from ctreplay.replaying import replay_to; from pathlib import Path;"
        f"replay_to([{str(CAPTURES[0])!r}], Path({str(tmp_path / 'out')!r}), sysctls={{}}, triaged=True);"
        "print([name for name in ('pyarrow', 'duckdb', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
