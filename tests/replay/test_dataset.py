"""The dataset: schema, metadata, levels, and that sums agree with each other."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ctreplay
from ctreplay import reasons
from ctreplay.dataset import schema
from ctreplay.replaying import replay_to
from ctreplay.tracker import sysctl
from tests.traffic import build, pcap

from .program import SAMPLES

TS = "timestamp[ns]"
# design section 6, to the letter; "dictionary" stands for dictionary-encoded text
CONTRACT = {
    "connections": """conn_id int64 community_id string family dictionary proto dictionary protonum uint8 zone uint16
        orig_src dictionary orig_dst dictionary orig_sport uint16 orig_dport uint16 reply_src dictionary
        reply_dst dictionary reply_sport uint16 reply_dport uint16 icmp_type uint8 icmp_code uint8 icmp_id uint16
        orig_packets int64 orig_bytes int64 reply_packets int64 reply_bytes int64 first_ts TS last_ts TS end_ts TS
        first_packet int64 last_packet int64 state dictionary status uint32 seen_reply bool assured bool expected bool
        end_reason dictionary timeout_left_s int64 mark uint32 helper dictionary master_conn_id int64 midstream bool
        orig_src_key fixed_size_binary[16] orig_dst_key fixed_size_binary[16]""",
    "transitions": """transition_id int64 ts TS packet int64 conn_id int64 event dictionary direction dictionary
        old_state dictionary new_state dictionary old_status uint32 new_status uint32 changes list timeout_s int64
        reason dictionary""",
    "packets": """packet int64 ts TS capture uint16 frame int64 offset int64 caplen int64 wirelen int64 conn_id int64
        tuple_conn_id int64 direction dictionary ctstate dictionary reason dictionary state dictionary timeout_s int64
        refreshed bool tcp_flags uint8 seq uint32 ack uint32""",
    "occupancy": "ts TS entries int64 inserts int64 destroys int64 early_drops int64 full_drops int64 tcp int64",
    "stats": "name string value int64 severity string description string",
    "captures": """path string format string linktype int64 snaplen int64 packets int64 bytes int64 first_ts TS
        last_ts TS reordered int64 truncated int64 kernel_drops int64""",
    "expectations": "",
}
CONNTRACK_S = {
    "found", "invalid", "insert", "insert_failed", "drop", "early_drop", "error", "search_restart", "clash_resolve",
    "chaintoolong",
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dataset") / "out.ctreplay"
    replay_to([SAMPLES / "ipv6_mixed.pcap", SAMPLES / "tftp.pcap.gz"], target, sysctls={}, packets="all")
    return target


def kind(field: pa.Field) -> str:
    if pa.types.is_dictionary(field.type):
        assert field.type.value_type == pa.string()
        return "dictionary"
    if pa.types.is_list(field.type):
        return "list"
    return str(field.type)


@pytest.mark.parametrize("table", CONTRACT)
def test_columns_and_types(dataset: Path, table: str) -> None:
    found = pq.read_schema(dataset / f"{table}.parquet")
    have = {field.name: kind(field) for field in found}
    words = CONTRACT[table].replace("TS", TS).split()
    for name, wanted in zip(words[::2], words[1::2], strict=True):
        assert have[name] == wanted, name
    assert [column.name for column in schema.TABLES[table]] == found.names


@pytest.mark.parametrize("table", schema.TABLES)
def test_metadata(dataset: Path, table: str) -> None:
    """Documentation of every column; versions, sysctls and the inputs' SHA-256 of every file."""
    found = pq.read_schema(dataset / f"{table}.parquet")
    for field in found:
        notes = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        assert len(notes["doc"]) > 3, field.name
    kept = pq.read_metadata(dataset / f"{table}.parquet").metadata
    meta = {key.decode(): value.decode() for key, value in kept.items() if key.startswith(b"ctreplay")}
    assert meta["ctreplay.schema_version"] == "1"
    assert meta["ctreplay.engine_version"] == ctreplay.__version__
    assert meta["ctreplay.kernel_model"] == "6.18"
    assert json.loads(meta["ctreplay.sysctls"]) == sysctl.defaults()
    hashes = json.loads(meta["ctreplay.inputs"])
    assert [one["sha256"] for one in hashes] == [
        hashlib.sha256((SAMPLES / name).read_bytes()).hexdigest() for name in ("ipv6_mixed.pcap", "tftp.pcap.gz")
    ]


def test_run_json(dataset: Path) -> None:
    run = json.loads((dataset / "run.json").read_text())
    assert run["complete"] is True and run["schema_version"] == 1 and run["packets_level"] == "all"
    assert {"engine_version", "kernel_model", "compiled", "sysctls", "rows", "inputs", "damage"} <= set(run)
    assert [len(one["sha256"]) for one in run["inputs"]] == [64, 64]
    for table, count in run["rows"].items():
        assert pq.read_metadata(dataset / f"{table}.parquet").num_rows == count
    assert run["rows"]["packets"] == run["packets"]
    assert {path.name for path in dataset.iterdir()} == {"run.json", *(f"{table}.parquet" for table in schema.TABLES)}


def test_stats_hold_conntracks_counters(dataset: Path) -> None:
    rows = {row["name"]: row for row in pq.read_table(dataset / "stats.parquet").to_pylist()}
    assert set(rows) >= CONNTRACK_S and all(row["description"] for row in rows.values())
    assert {row["severity"] for row in rows.values()} <= {"info", "data_loss", "error"}


def test_rows_are_in_replay_order(dataset: Path) -> None:
    for table, column in (("packets", "packet"), ("transitions", "transition_id"), ("occupancy", "ts")):
        values = pq.read_table(dataset / f"{table}.parquet")[column].to_pylist()
        assert values == sorted(values) and len(set(values)) == len(values)


@pytest.mark.parametrize("limit", [0, 40])
def test_row_groups_say_how_they_are_sorted(limit: int, tmp_path: Path) -> None:
    """And are: DuckDB and others believe it."""
    captures = [SAMPLES / name for name in ("tuple_reuse.pcap", "half_open.pcap", "table_pressure.pcap.zst")]
    replay_to(captures, tmp_path / "out", sysctls={"nf_conntrack_max": limit}, packets="all")
    named = {"connections": "end_ts", "transitions": "transition_id", "packets": "packet", "occupancy": "ts",
             "captures": "capture"}  # fmt: skip
    for table, name in named.items():
        file = pq.ParquetFile(tmp_path / "out" / f"{table}.parquet")
        (by,) = file.metadata.row_group(0).sorting_columns
        assert file.schema_arrow.names[by.column_index] == name and not by.descending
        values = file.read()[name].cast("int64").to_pylist()
        assert len(values) > 1 and values == sorted(values)


def check_sums(target: Path) -> None:
    """What must hold of every dataset with all packets."""
    db = duckdb.connect()
    for table in CONTRACT:
        db.execute(f"CREATE VIEW {table} AS FROM read_parquet('{target}/{table}.parquet')")

    def value(sql: str) -> object:
        row = db.execute(sql).fetchone()
        assert row is not None
        return row[0]

    run = json.loads((target / "run.json").read_text())
    assert value("SELECT count(*) FROM packets") == run["packets"]
    assert value("SELECT coalesce(sum(packets), 0) FROM captures") == run["packets"]
    assert value("SELECT count(*) FROM packets WHERE packet NOT BETWEEN 1 AND (SELECT count(*) FROM packets)") == 0
    new = "SELECT count(*) FROM transitions WHERE event = 'NEW'"
    gone = "SELECT count(*) FROM transitions WHERE event = 'DESTROY'"
    live = "SELECT count(*) FROM connections WHERE end_reason = 'capture_end'"
    assert value(f"SELECT ({new}) - ({gone}) - ({live})") == 0
    assert value("SELECT count(*) FROM connections") == value(new)
    assert value("SELECT coalesce(sum(inserts), 0) FROM occupancy") == value(new)
    assert value("SELECT coalesce(sum(destroys), 0) FROM occupancy") == value(gone)
    assert value("SELECT coalesce(last(entries ORDER BY ts), 0) FROM occupancy") == value(live)
    assert value("SELECT count(*) FROM connections WHERE conn_id <> first_packet") == 0
    assert value("SELECT count(DISTINCT conn_id) FROM connections") == value("SELECT count(*) FROM connections")
    # the packet that a connection is named after opened it
    named = "connections c LEFT JOIN packets p ON p.packet = c.conn_id"
    assert value(f"SELECT count(*) FROM {named} WHERE p.conn_id IS DISTINCT FROM c.conn_id") == 0
    assert value("SELECT count(*) FROM transitions WHERE event = 'NEW' AND packet <> conn_id") == 0
    assert value("SELECT count(*) FROM packets ANTI JOIN connections USING (conn_id) WHERE conn_id IS NOT NULL") == 0
    protos = "tcp + udp + icmp + icmpv6 + sctp + gre + udplite + other"
    assert value(f"SELECT count(*) FROM occupancy WHERE {protos} <> entries") == 0
    names = [row[0] for row in db.execute("DESCRIBE occupancy").fetchall()]
    for proto in ("tcp", "sctp"):
        states = " + ".join(name for name in names if name.startswith(f"{proto}_"))
        assert value(f"SELECT count(*) FROM occupancy WHERE {states} <> {proto}") == 0
    assert value("SELECT count(*) FROM occupancy WHERE least(" + ", ".join(names[1:]) + ") < 0") == 0
    assert value("SELECT count(*) FROM occupancy WHERE peak < entries OR assured + unreplied > entries") == 0
    assert value("SELECT coalesce(max(peak), 0) FROM occupancy") == run["peak_entries"]
    assert value("SELECT sum(value) FROM stats WHERE name = 'packets'") == run["packets"]
    invalid = value("SELECT count(*) FROM packets WHERE ctstate = 'INVALID'")
    assert value("SELECT sum(value) FROM stats WHERE name IN ('invalid', 'error')") == invalid
    counted = "SELECT substr(name, 8), value FROM stats WHERE name LIKE 'reason.%' ORDER BY 1"
    met = "SELECT reason, count(*) FROM packets WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1"
    assert db.execute(counted).fetchall() == db.execute(met).fetchall()
    unreadable = [name for name, kind in zip(reasons.NAMES, reasons.CLASSES, strict=True) if kind == "undecodable"]
    frames = value(f"SELECT count(*) FROM packets WHERE reason IN {tuple(unreadable)}")
    assert value("SELECT value FROM stats WHERE name = 'undecodable'") == frames
    assert value("SELECT coalesce(sum(undecodable), 0) FROM captures") == frames
    # the live entries at the end, counted two ways
    at_end = "FROM connections WHERE end_reason = 'capture_end'"
    wanted = dict.fromkeys(names[names.index("assured") :], 0)
    wanted["assured"], wanted["unreplied"] = db.execute(
        f"SELECT count(*) FILTER (assured), count(*) FILTER (NOT seen_reply) {at_end}"
    ).fetchone() or (0, 0)
    for proto, state, count in db.execute(f"SELECT proto, lower(state), count(*) {at_end} GROUP BY ALL").fetchall():
        wanted[proto if proto in wanted else "other"] += count
        if state is not None:
            wanted[f"{proto}_{state}"] += count
    last = db.execute(f"SELECT {', '.join(wanted)} FROM occupancy ORDER BY ts DESC LIMIT 1").fetchone()
    assert last is None or dict(zip(wanted, last, strict=True)) == wanted
    db.close()


@pytest.mark.parametrize(
    "path", sorted(p for p in SAMPLES.iterdir() if p.suffix in (".pcap", ".pcapng", ".zst")), ids=lambda p: p.name
)
def test_sums_of_every_sample(path: Path, tmp_path: Path) -> None:
    replay_to([path], tmp_path / "out", sysctls={"nf_conntrack_max": 50} if "flood" in path.name else {}, packets="all")
    check_sums(tmp_path / "out")


def test_levels(tmp_path: Path) -> None:
    path = SAMPLES / "invalid_window.pcap"
    tables = {}
    for level in ("all", "notable", "none"):
        replay_to([path], tmp_path / level, sysctls={}, packets=level)
        tables[level] = pq.read_table(tmp_path / level / "packets.parquet")
        for table in ("connections", "transitions", "occupancy"):
            assert pq.read_table(tmp_path / level / f"{table}.parquet") == pq.read_table(
                tmp_path / "all" / f"{table}.parquet"
            )
    assert tables["none"].num_rows == 0
    assert tables["none"].schema == tables["all"].schema
    notable = tables["notable"].to_pylist()
    assert 0 < len(notable) < tables["all"].num_rows
    # every packet that is not accepted plainly, and no other
    everything = tables["all"].to_pylist()
    from ctreplay import reasons

    classes = dict(zip(reasons.NAMES, reasons.CLASSES, strict=True))
    wanted = [
        row for row in everything
        if row["ctstate"] not in ("NEW", "ESTABLISHED") or (row["reason"] and classes[row["reason"]] != "note")
    ]  # fmt: skip
    assert [row["packet"] for row in notable] == [row["packet"] for row in wanted if row["reason"] != "fragment"]


def test_replay_is_the_same_again(tmp_path: Path) -> None:
    """Whatever the seed of the hash: nothing in the tables depends on it."""
    paths = [SAMPLES / "syn_flood.pcap", SAMPLES / "port_scan.pcap", SAMPLES / "fragments.pcap"]
    for name in ("one", "two"):
        replay_to(paths, tmp_path / name, sysctls={"nf_conntrack_max": 100}, packets="all")
    for table in CONTRACT:
        assert pq.read_table(tmp_path / "one" / f"{table}.parquet") == pq.read_table(
            tmp_path / "two" / f"{table}.parquet"
        )


def test_one_capture_in_pieces(tmp_path: Path) -> None:
    """The same frames in several files are the same connections, transitions and verdicts."""
    from ctreplay.capture import open_captures
    from ctreplay.capture.record import Record
    from tests.traffic import generate, pcap

    packets = generate(11, 600)
    packets.sort(key=lambda row: row[0])
    whole = pcap.write(tmp_path / "whole.pcap", packets)
    pieces = [pcap.write(tmp_path / f"piece{n}.pcap", packets[n * 100 : n * 100 + 100]) for n in range(6)]
    with open_captures(pieces) as source:
        rec, count = Record(), 0
        while source.advance(rec):
            count += 1
    assert count == 600
    replay_to([whole], tmp_path / "one", sysctls={}, packets="all")
    replay_to(pieces[::-1], tmp_path / "many", sysctls={}, packets="all")
    for table in ("connections", "transitions", "occupancy", "expectations"):
        assert pq.read_table(tmp_path / "one" / f"{table}.parquet") == pq.read_table(
            tmp_path / "many" / f"{table}.parquet"
        )
    drop = ["capture", "frame", "offset"]
    one, many = (pq.read_table(tmp_path / name / "packets.parquet").drop_columns(drop) for name in ("one", "many"))
    assert one == many
    check_sums(tmp_path / "many")


def test_a_time_that_leaves_no_room_for_a_timeout(tmp_path: Path) -> None:
    """64-bit nanoseconds end in 2262; a deadline behind such a time would come before it."""
    from tests.unit.machine import A, B, b

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += block(1, struct.pack("<HHIHHBxxx", 101, 0, 0, 9, 1, 9))
    for ts in (10**18, 2**63 - 10**9, 10**18 + 1):
        frame = b.ipv4(A, B, 17, b.udp(1, 2))
        data += block(6, struct.pack("<IIIII", 0, ts >> 32, ts & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    (tmp_path / "x.pcapng").write_bytes(data)
    run = replay_to([tmp_path / "x.pcapng"], tmp_path / "out", sysctls={}, packets="all")
    assert len(run["damage"]) == 1 and "timestamp" in run["damage"][0]["what"]
    ends = pq.read_table(tmp_path / "out" / "connections.parquet", columns=["end_reason", "orig_packets"])
    (row,) = ends.to_pylist()
    assert row["end_reason"] == "capture_end" and row["orig_packets"] == 3
    check_sums(tmp_path / "out")


def test_packets_hold_nothing_of_other_packets(tmp_path: Path) -> None:
    """What a packet does not have is null, not what the one before had."""
    from tests.capture.builders import pcap
    from tests.traffic import build as b

    one, two = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    group, six = b"\xff\2" + bytes(14), b"\xfd" + bytes(15)
    tcp = b.ipv4(one, two, 6, b.tcp(1111, 2222, 5000, 0, 0x02, 1000))
    packets = [
        tcp,
        # a first fragment, what is too short for ports, a source that may not be one
        b.ipv4(one, two, 17, b.udp(3333, 4444, bytes(100)), fragment=0x2000),
        b.ipv4(one, two, 17, b"\1\2"),
        b.ipv6(group, six, 17, b.udp(5555, 6666, bytes(9))),
        tcp,
    ]
    (tmp_path / "x.pcap").write_bytes(pcap([(10**18 + n, one) for n, one in enumerate(packets)], linktype=101))
    replay_to([tmp_path / "x.pcap"], tmp_path / "out", sysctls={}, packets="all")
    found = pq.read_table(tmp_path / "out" / "packets.parquet").drop_columns(["ts"]).to_pylist()
    columns = ("reason", "proto", "sport", "dport", "length", "seq", "tcp_flags")
    assert [tuple(row[name] for name in columns) for row in found] == [
        (None, "tcp", 1111, 2222, 40, 5000, 2),
        ("fragment", "udp", None, None, 128, None, None),
        ("tuple_missing", "udp", None, None, 22, None, None),
        ("ipv6_address", "udp", None, None, 57, None, None),
        ("tcp_syn_retransmitted", "tcp", 1111, 2222, 40, 5000, 2),
    ]
    check_sums(tmp_path / "out")


def test_bounds_of_an_rst(tmp_path: Path) -> None:
    """A refused RST has one bound; those of the packet refused before it are not its own."""
    from tests.capture.builders import pcap
    from tests.traffic import build as b

    one, two = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))

    def there(*rest: Any) -> bytes:
        return b.ipv4(one, two, 6, b.tcp(1111, 2222, *rest))

    def back(*rest: Any) -> bytes:
        return b.ipv4(two, one, 6, b.tcp(2222, 1111, *rest))

    packets = [
        there(100, 0, 0x02, 1000), back(500, 101, 0x12, 1000), there(101, 501, 0x10, 1000), back(501, 101, 0x10, 1000),
        there(900_000, 501, 0x10, 1000), there(50, 501, 0x04, 0),
    ]  # fmt: skip
    (tmp_path / "x.pcap").write_bytes(pcap([(10**18 + n, one) for n, one in enumerate(packets)], linktype=101))
    replay_to([tmp_path / "x.pcap"], tmp_path / "out", sysctls={}, packets="all")
    found = pq.read_table(tmp_path / "out" / "packets.parquet").drop_columns(["ts"]).to_pylist()
    over, rst = found[-2:]
    assert (over["reason"], rst["reason"]) == ("tcp_seq_over_upper_bound", "tcp_rst_below_max_ack")
    assert None not in [over[name] for name in ("seq_low", "seq_high", "ack_low", "ack_high")]
    assert (rst["seq_low"], rst["margin"], rst["seq_end"]) == (101, 51, 50)
    assert [rst[name] for name in ("seq_high", "ack_low", "ack_high")] == [None] * 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_ipv4_mapped_addresses_stay_ipv6(tmp_path: Path, jobs: int) -> None:
    """The kernel tracks them like all others, apart from those of IPv4."""
    four = [bytes((192, 0, 2, n)) for n in (1, 2)]
    mapped = [bytes(10) + b"\xff\xff" + address for address in four]
    packets = [(n * 10**9, build.ip(*pair, 17, build.udp(1000, 53))) for n, pair in enumerate((four, mapped, four))]
    capture = pcap.write(tmp_path / "mapped.pcap", packets)
    replay_to([capture], tmp_path / "out", sysctls={}, packets="all", jobs=jobs)
    with ctreplay.open_dataset(tmp_path / "out") as db:
        rows = db.sql("SELECT family, orig_src, reply_src, total_packets FROM conns ORDER BY conn_id").fetchall()
        assert rows == [("ipv4", "192.0.2.1", "192.0.2.2", 2), ("ipv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", 1)]
        sources = [row[0] for row in db.sql("SELECT src FROM packets ORDER BY packet").fetchall()]
    assert sources == ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"]
