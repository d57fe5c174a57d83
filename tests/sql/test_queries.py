"""Every query of the library: its header, its columns, on every sample, and the goldens."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import ctreplay
from ctreplay.sql import library
from ctreplay.sql.connection import connect
from ctreplay.sql.execute import check_needs, query_named, run_sql
from ctreplay.sql.library import QueryError
from ctreplay.tracker import sysctl
from tests import bless
from tests.check import captures as c
from tests.conftest import SHARED
from tests.traffic.build import ACK, FIN, SYN

from .conftest import SAMPLES

CASES = bless.cases()
CAPTURES = sorted(
    path.name for path in SAMPLES.iterdir() if path.name.endswith((".pcap", ".pcapng", ".zst", ".gz", ".xz"))
)


def run_all(dataset: Path, level: str) -> None:
    """Every query that this dataset can answer; DuckDB's errors fail the test."""
    db = connect([dataset])
    try:
        for name in library.names():
            query = library.load(name)
            if query.across or (query.needs and level != "all"):
                continue
            schema, batches = run_sql(db, query.sql, query.values({}))
            assert schema.names == list(query.columns), name
            for batch in batches:
                assert batch.num_columns == len(query.columns)
    finally:
        db.close()


@pytest.mark.parametrize("name", library.names())
def test_header(name):
    query = library.load(name)
    assert query.question.endswith("?"), "a question"
    assert query.read and query.next
    assert query.columns and all(query.columns.values()), "each column has a meaning"
    assert all(parameter.meaning for parameter in query.parameters)
    used = set(re.findall(r"\$(\w+)", query.sql))
    assert used == {parameter.name for parameter in query.parameters}
    assert max(map(len, query.sql.splitlines())) <= 130
    for number in re.findall(r"\d+", query.incident):
        assert 1 <= int(number) <= 18


def test_the_names_that_samples_and_users_rely_on():
    listed = set(library.names())
    promised = """table_pressure top_holders_at entry_seconds_by_state churn_rate invalid_by_reason invalid_then_rst
        explain_window one_sided asymmetric_pairs dns_retry_5s same_port_burst idle_gaps idle_gap_then_fail
        keepalive_intervals timeout_peaks udp_stale_refresh udp_late_inbound helper_missed failover_survivors half_open
        syn_flood_sources early_drops tuple_reuse challenge_ack syn_sent_refresh snat_headroom offload_candidates
        long_established_idle never_replied rst_origin retrans_heavy zero_window capture_quality start_censored
        end_censored compare_runs port_scan late_packets icmp_errors""".split()  # noqa: SIM905
    assert set(promised) <= listed
    table = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for row in table.splitlines():
        if row.startswith("| `"):
            for name in row.rstrip(" |").rpartition("|")[2].split(","):
                assert name.strip() in listed, row


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_query_on_every_sample(replayed, capture):
    run_all(replayed(capture), "all")


@pytest.mark.parametrize("capture", ["invalid_window.pcap", "port_scan.pcap", "ipv6_mixed.pcap", "sctp.pcap"])
def test_every_query_on_notable_packets(replayed, capture):
    run_all(replayed(capture, "notable"), "notable")


@pytest.mark.skipif(not (SHARED / "pcaps").is_dir(), reason="captures of ../shared are not here")
def test_every_query_on_shared_captures(tmp_path):
    chosen = sorted(path for path in (SHARED / "pcaps").glob("*.pcap*") if path.stat().st_size < 1_500_000)[::5][:20]
    assert chosen
    for number, path in enumerate(chosen):
        target = tmp_path / f"{number}.ctreplay"
        ctreplay.replay(path, target, packets="all")
        run_all(target, "all")


def test_every_query_on_an_empty_capture(tmp_path):
    import struct

    (tmp_path / "empty.pcap").write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    ctreplay.replay(tmp_path / "empty.pcap", tmp_path / "empty.ctreplay", packets="all")
    run_all(tmp_path / "empty.ctreplay", "all")


@pytest.mark.parametrize("name", CASES)
def test_golden(replayed, tmp_path, name):
    case = CASES[name]
    if set(case) <= {"query", "captures", "packets", "params"} and len(case["captures"]) == 1:
        datasets = [replayed(case["captures"][0], case.get("packets", "all"))]
        now = bless.table(case, datasets).replace(str(datasets[0]), "")
    else:
        now = bless.table(case, bless.replay(case, tmp_path))
    expected = (bless.GOLDENS / name / "expected.csv").read_text(encoding="utf-8")
    assert now == expected, f"python -m tests.bless {name} accepts the new result"
    assert expected.count("\n") > 1, "a golden shows the case"


def test_every_query_has_a_golden():
    assert {case["query"] for case in CASES.values()} == set(library.names())


def test_snat_headroom_at_the_last_instant(tmp_path):
    packets = []
    for number in range(3):
        one = c.Tcp(40000 + number, 443)
        steps = [(True, SYN), (False, SYN | ACK), (True, ACK), (True, FIN | ACK), (False, FIN | ACK), (True, ACK)]
        packets += [(c.T0 + len(packets) * 1000 + n, one.send(*step)) for n, step in enumerate(steps)]
    packets.append((c.T0 + c.SECOND, c.Tcp(40003, 443).send(True, SYN)))
    ctreplay.replay(c.pcap(tmp_path / "one.pcap", packets), tmp_path / "one.ctreplay")
    result = query_named([tmp_path / "one.ctreplay"], library.load("snat_headroom"), {})
    rows = [row for batch in result.batches for row in batch.to_pylist()]
    assert [(row["peak"], row["in_time_wait"]) for row in rows] == [(4, 3)]


def test_churn_rate_of_a_known_minute(tmp_path):
    packets = []
    for at, data in ((10, b""), (20, b"GET " * 99), (20.5, b"x" * 400), (30, b""), (30.5, b"")):
        one = c.Tcp(40000 + len(packets), 443)
        steps = [(True, SYN), (False, SYN | ACK), (True, ACK)] + [(True, ACK, data)] * bool(data)
        steps += [(True, FIN | ACK), (False, FIN | ACK), (True, ACK)]
        packets += [(c.T0 + round(at * c.SECOND) + n, one.send(*step)) for n, step in enumerate(steps)]
    # the capture is longer than its connections: at both ends stands what opens none
    for at in (0, 60):
        packets.append((c.T0 + at * c.SECOND, c.Tcp(50000, 80).send(True, FIN | ACK)))
    ctreplay.replay(c.pcap(tmp_path / "one.pcap", sorted(packets)), tmp_path / "one.ctreplay")
    result = query_named([tmp_path / "one.ctreplay"], library.load("churn_rate"), {})
    (batch,) = result.batches
    (row,) = batch.select(["entries", "per_s", "busiest_s", "payload_less"]).to_pylist()
    assert tuple(row.values()) == (5, 5 / 60, 2, 3)
    # of two seconds with as many the first
    assert batch["busiest_ts"].cast("int64").to_pylist() == [c.T0 + 20 * c.SECOND]


def test_early_drops_holds_every_victim(tmp_path):
    target = tmp_path / "full.ctreplay"
    ctreplay.replay(SAMPLES / "table_pressure.pcap.zst", target, sysctls={"nf_conntrack_max": 200})
    db = ctreplay.open_dataset(target)
    ended = db.sql("SELECT conn_id, end_reason FROM connections WHERE end_reason IN ('early_drop', 'gc')").fetchall()
    result = query_named([target], library.load("early_drops"), {"top": "1000"})
    rows = [row for batch in result.batches for row in batch.to_pylist()]
    why = {"packet": "early_drop", "collector": "gc"}
    assert {why[row["evicted_by"]] for row in rows} == {"early_drop", "gc"}
    assert sorted((row["conn_id"], why[row["evicted_by"]]) for row in rows) == sorted(ended)
    assert all((row["for_packet"] is None) == (row["evicted_by"] == "collector") for row in rows)


def test_needs_packets(replayed):
    query = library.load("idle_gaps")
    check_needs(query, [replayed("keepalives.pcap")])
    with pytest.raises(QueryError, match=r"needs every packet.*--packets all --force -o"):
        query_named([replayed("keepalives.pcap", "notable")], query, {})


@pytest.mark.parametrize("helpers", [[], ["all"], ["ftp", "sip=5060/udp,5061/tcp"], ["h323"], ["q931=1721", "tftp"]])
def test_what_writes_every_packet_keeps_the_settings(tmp_path, helpers):
    sysctls = {"nf_conntrack_max": 10, "nf_conntrack_tcp_loose": 0}
    capture, target = SAMPLES / "keepalives.pcap", tmp_path / "it's one"
    ctreplay.replay(capture, target, sysctls=sysctls, helpers=helpers)
    before = json.loads((target / "run.json").read_text())
    with pytest.raises(QueryError) as told:
        query_named([target], library.load("idle_gaps"), {})
    words = shlex.split(str(told.value).split("replay again: ")[1])
    assert words[0] == "ctreplay"
    subprocess.run([sys.executable, "-m", *words, "-q"], check=True, timeout=60)
    after = json.loads((target / "run.json").read_text())
    assert after["packets_level"] == "all"
    assert {name: after[name] for name in ("sysctls", "helpers", "inputs")} == {
        name: before[name] for name in ("sysctls", "helpers", "inputs")
    }


def test_what_writes_every_packet_names_no_defaults(tmp_path):
    """After `--sysctl-file` with all of a machine's settings the command would be 42 options long."""
    target = tmp_path / "one"
    ctreplay.replay(SAMPLES / "keepalives.pcap", target, sysctls=sysctl.defaults() | {"nf_conntrack_max": 10})
    with pytest.raises(QueryError) as told:
        query_named([target], library.load("idle_gaps"), {})
    words = shlex.split(str(told.value).split("replay again: ")[1])
    assert [word for word in words if word.startswith("nf_")] == ["nf_conntrack_max=10"]


def test_compare_needs_two(replayed):
    with pytest.raises(QueryError, match="two datasets"):
        query_named([replayed("tftp.pcap")], library.load("compare_runs"), {})


def test_parameters_are_bound(replayed):
    query = library.load("top_holders_at")
    dataset = replayed("tftp.pcap")
    with pytest.raises(QueryError, match="no parameter nope"):
        query_named([dataset], query, {"nope": "1"})
    with pytest.raises(QueryError, match="not of type INTEGER"):
        query_named([dataset], query, {"top": "1; DROP TABLE reasons"})
    with pytest.raises(QueryError, match="no time of its own"):
        query_named([dataset], query, {"at": "'; COPY conns TO '/tmp/x"})
    sweep = query_named(
        [replayed("tftp.pcap")], library.load("idle_timeout_sweep"), {"proto": "'; COPY conns TO '/tmp/x"}
    )
    assert {row["connections_cut"] for batch in sweep.batches for row in batch.to_pylist()} == {0}
    rows = [row for batch in query_named([dataset], query, {"top": "1"}).batches for row in batch.to_pylist()]
    assert len(rows) == 1


def test_what_differs_between_runs_is_named(tmp_path):
    one = c.Tcp(40000, 443)
    steps = [(True, SYN), (False, SYN | ACK), (True, ACK), (True, ACK, b"x"), (False, ACK)]
    packets = [(c.T0 + n, one.send(*step)) for n, step in enumerate(steps)]
    later = (c.T0 + 2 * c.SECOND, c.Tcp(40001, 443).send(True, SYN))
    # a repeated packet; an answer less; and a longer life with a connection more
    runs = {"again": [*packets, packets[-1]], "less": packets[:1], "more": [*packets, later], "same": packets}
    found = {}
    ctreplay.replay(c.pcap(tmp_path / "base.pcap", packets), tmp_path / "base")
    for name, changed in runs.items():
        ctreplay.replay(c.pcap(tmp_path / f"{name}.pcap", changed), tmp_path / name)
        result = query_named([tmp_path / "base", tmp_path / name], library.load("compare_runs"), {})
        found[name] = [row["differs"] for batch in result.batches for row in batch.to_pylist()]
        result.close()
    assert found == {
        "again": ["packets"],
        "less": ["state, seen_reply, assured, packets"],
        "more": ["held", "only in new"],
        "same": [],
    }


def test_several_datasets(replayed):
    both = [replayed("tftp.pcap"), replayed("sctp.pcap")]
    result = query_named(both, library.load("end_censored"), {})
    rows = [row for batch in result.batches for row in batch.to_pylist()]
    assert result.schema.names[0] == "run"
    assert [row["run"] for row in rows] == sorted([row["run"] for row in rows], reverse=True)
    assert {row["run"] for row in rows} == {"tftp", "sctp"}


def test_header_errors():
    with pytest.raises(QueryError, match="param: name TYPE = default"):
        library.parse("x", "-- param: nonsense\nSELECT 1")
    for default, words in (
        ("INTEGER = few", "'few' is not of type INTEGER"),
        (f"INTEGER = {1 << 64}", "beyond 64 bits"),
        ("DOUBLE = nan", "no number to reckon with"),
        ("TIME = noon", "'noon' is no time"),
    ):
        with pytest.raises(QueryError, match=f"query x: in the header, parameter n: .*{words}"):
            library.parse("x", f"-- param: n {default} | meaning\nSELECT $n")
    assert library.parse("x", "SELECT 1").question == ""
