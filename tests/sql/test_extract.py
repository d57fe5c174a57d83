"""`ctreplay extract`: exactly the frames of the connections, readable by Wireshark."""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import signal
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ctreplay
from ctreplay.capture import open_captures
from ctreplay.capture.record import Record
from ctreplay.sql import open_dataset

from ..replay.program import command, environment
from .conftest import SAMPLES

TSHARK = shutil.which("tshark")


def frames(path):
    """(ts, bytes, wirelen, linktype) of every frame, read by our own reader."""
    found = []
    with open_captures([path]) as captures:
        record = Record()
        while captures.advance(record):
            data = bytes(record.buf[record.start : record.start + record.caplen])
            found.append((record.ts, data, record.wirelen, record.linktype))
    return found


def tshark(path, *fields):
    """Fields of every packet as Wireshark sees them."""
    asked = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-r", str(path), "-T", "fields", *asked], capture_output=True, text=True, check=True, timeout=60
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture
def extract(run_ctreplay, tmp_path):
    """Run the command; the file it wrote."""

    def run(dataset, *args, suffix=".pcapng"):
        target = tmp_path / f"out{suffix}"
        done = run_ctreplay("extract", dataset, *args, "-o", target, "--force")
        assert done.returncode == 0, done.stderr
        return target

    return run


@pytest.mark.parametrize("level", ["all", "notable"])
@pytest.mark.parametrize("suffix", [".pcap", ".pcapng"])
def test_exactly_the_packets_of_a_connection(replayed, extract, level, suffix):
    source = frames(SAMPLES / "invalid_then_rst.pcap")
    found = frames(extract(replayed("invalid_then_rst.pcap", level), 12, suffix=suffix))
    # packets 12 to 22 are the second connection, the INVALID one on its tuple included
    assert found == source[11:22]


@pytest.mark.parametrize("level", ["all", "notable"])
def test_compressed_and_reordered(replayed, extract, tmp_path, level):
    plain = frames(SAMPLES / "tftp.pcap")
    for suffix in ("zst", "xz", "gz"):
        found = frames(extract(replayed(f"tftp.pcap.{suffix}", level), "-c", "FROM conns", suffix=".pcap"))
        assert found == plain
    # the same frames in the opposite order of the file, compressed
    raw = (SAMPLES / "tftp.pcap").read_bytes()
    records, at = [], 24
    while at < len(raw):
        size = 16 + int.from_bytes(raw[at + 8 : at + 12], "little")
        records.append(raw[at : at + size])
        at += size
    (tmp_path / "back.pcap.gz").write_bytes(gzip.compress(raw[:24] + b"".join(reversed(records))))
    ctreplay.replay(tmp_path / "back.pcap.gz", tmp_path / "back.ctreplay", packets=level)
    assert frames(extract(tmp_path / "back.ctreplay", "-c", "FROM conns", suffix=".pcap")) == plain


@pytest.mark.parametrize("level", ["all", "notable"])
def test_fragments_come_with_their_datagram(replayed, extract, level):
    dataset = replayed("fragments.pcap", level)
    everything = replayed("fragments.pcap")
    rows = (
        open_dataset(everything)
        .execute("SELECT packet, conn_id FROM packets WHERE conn_id IS NOT NULL ORDER BY packet")
        .fetchall()
    )
    alone = frames(SAMPLES / "fragments.pcap")
    total = 0
    for conn_id in sorted({row[1] for row in rows}):
        found = frames(extract(dataset, conn_id))
        completing = [alone[packet - 1] for packet, conn in rows if conn == conn_id]
        assert set(completing) <= set(found)
        assert found == sorted(found, key=lambda frame: frame[0])
        total += len(found)
    # all but the datagram that never was completed and the duplicate
    assert total > len(rows) and len(alone) - 6 <= total <= len(alone)


def test_fragments_against_tshark(replayed, extract):
    if TSHARK is None:
        pytest.skip("tshark is not installed")
    found = extract(replayed("fragments.pcap"), "-c", "SELECT conn_id FROM conns WHERE family = 'ipv4'")
    rows = tshark(found, "ip.flags.mf", "ip.frag_offset", "ip.reassembled_in")
    held = [row for row in rows if row[0] in ("1", "True")]
    assert held
    done = subprocess.run(
        ["tshark", "-r", str(found), "-Y", "udp.length or icmp"], capture_output=True, text=True, check=True
    )
    assert done.stdout


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
def test_wireshark_shows_comments_and_interfaces(replayed, extract):
    path = extract(replayed("invalid_then_rst.pcap", "notable"), 12, "--annotate")
    rows = tshark(path, "frame.number", "frame.comment", "tcp.flags.reset")
    assert len(rows) == 11
    invalid = [row for row in rows if "INVALID" in row[1]]
    assert len(invalid) == 1 and "tcp_seq_over_upper_bound" in invalid[0][1] and "by 1932416 bytes" in invalid[0][1]
    assert all(row[1].startswith("ctreplay: packet ") for row in rows)
    path = extract(replayed("two_interfaces.pcapng"), "-c", "FROM conns")
    rows = tshark(path, "frame.interface_name", "frame.time_epoch")
    original = tshark(SAMPLES / "two_interfaces.pcapng", "frame.interface_name", "frame.time_epoch")
    assert rows == original
    assert {row[0] for row in rows} == {"inside", "outside"}


def test_related(replayed, extract):
    for level in ("all", "notable"):
        dataset = replayed("ping_unreachable.pcap", level)
        assert len(frames(extract(dataset, 9))) == 1
        assert len(frames(extract(dataset, 9, "--related"))) == 2


def test_children_of_a_helper(run_ctreplay, tmp_path):
    target = tmp_path / "ftp.ctreplay"
    done = run_ctreplay(SAMPLES / "ftp_active.pcap", "-o", target, "--helper", "ftp", "-q")
    assert done.returncode == 0, done.stderr
    db = open_dataset(target)
    children = db.execute("SELECT count(*) FROM connections WHERE master_conn_id = 1").fetchone()[0]
    assert children > 0
    counts = {}
    for words in ((), ("--related",)):
        done = run_ctreplay("extract", target, "1", *words, "-o", tmp_path / "x.pcapng", "--force")
        assert done.returncode == 0, done.stderr
        counts[words] = len(frames(tmp_path / "x.pcapng"))
    assert counts["--related",] > counts[()]


def test_packets_of_a_query(replayed, extract):
    dataset = replayed("invalid_then_rst.pcap", "notable")
    source = frames(SAMPLES / "invalid_then_rst.pcap")
    assert frames(extract(dataset, "--query", "invalid_then_rst")) == [source[18]]
    assert frames(extract(dataset, "--query", "invalid_then_rst", "--connections")) == source[11:22]
    assert frames(extract(dataset, "-c", "SELECT unnest([3, 1]) AS packet")) == [source[0], source[2]]
    assert frames(extract(dataset, "-c", "SELECT 1 AS packet WHERE false")) == []


def test_errors(replayed, run_ctreplay, tmp_path):
    dataset = replayed("invalid_then_rst.pcap", "notable")
    for args, message in [
        ((dataset, "77", "-o", tmp_path / "x.pcap"), "no connection 77"),
        ((dataset, "-o", tmp_path / "x.pcap"), "nothing to extract"),
        ((dataset, "1", "-o", tmp_path / "x.txt"), ".pcapng or .pcap"),
        ((dataset, "1", "-o", tmp_path / "x.pcap", "--annotate"), "needs pcapng"),
        ((dataset, "-c", "SELECT 1 AS n", "-o", tmp_path / "x.pcap"), "no column packet or conn_id"),
        ((dataset, "-c", "SELECT 99999 AS packet", "-o", tmp_path / "x.pcap"), "there is no packet 99999"),
        ((dataset, "-c", "SELECT 'x' AS packet", "-o", tmp_path / "x.pcap"), "is no number"),
        ((tmp_path / "none", "1", "-o", tmp_path / "x.pcap"), "no such dataset"),
        ((dataset, "-c", "SELECT 1 AS packet", "-p", "a=b", "-o", tmp_path / "x.pcap"), "--param belongs to --query"),
        ((dataset, "1", "-o", tmp_path / "no" / "x.pcap"), "No such file"),
    ]:
        done = run_ctreplay("extract", *args)
        assert done.returncode == 2, args
        assert message in done.stderr and "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*.pcap*"))


def test_a_capture_that_changed_or_moved(run_ctreplay, tmp_path):
    capture = tmp_path / "x.pcap"
    shutil.copy(SAMPLES / "tftp.pcap", capture)
    for level in ("all", "notable"):
        ctreplay.replay(capture, tmp_path / f"{level}.ctreplay", packets=level)
    data = bytearray(capture.read_bytes())
    data[-1] ^= 1
    capture.write_bytes(data)
    for level in ("all", "notable"):
        done = run_ctreplay("extract", tmp_path / f"{level}.ctreplay", "1", "-o", tmp_path / "o.pcap")
        assert done.returncode == 2 and "no longer the capture" in done.stderr and "SHA-256" in done.stderr
        assert not (tmp_path / "o.pcap").exists()
    capture.unlink()
    done = run_ctreplay("extract", tmp_path / "all.ctreplay", "1", "-o", tmp_path / "o.pcap")
    assert done.returncode == 2 and "--capture" in done.stderr
    done = run_ctreplay(
        "extract", tmp_path / "all.ctreplay", "1", "-o", tmp_path / "o.pcap", "--capture", SAMPLES / "tftp.pcap"
    )
    assert done.returncode == 0, done.stderr


def test_never_over_the_capture_itself(run_ctreplay, tmp_path):
    capture = tmp_path / "x.pcap"
    shutil.copy(SAMPLES / "tftp.pcap", capture)
    ctreplay.replay(capture, tmp_path / "x.ctreplay")
    before = capture.read_bytes()
    for force in ((), ("--force",)):
        done = run_ctreplay("extract", tmp_path / "x.ctreplay", "1", "-o", capture, *force)
        assert done.returncode == 2
    assert capture.read_bytes() == before


def test_mixed_link_types_need_pcapng(run_ctreplay, tmp_path):
    import struct

    first = (SAMPLES / "tftp.pcap").read_bytes()
    raw, at, out = first, 24, b""
    while at < len(raw):
        seconds, fraction, caplen, wirelen = struct.unpack_from("<IIII", raw, at)
        out += (
            struct.pack("<IIII", seconds + 1000, fraction, caplen - 14, wirelen - 14) + raw[at + 30 : at + 16 + caplen]
        )
        at += 16 + caplen
    (tmp_path / "a.pcap").write_bytes(first)
    (tmp_path / "b.pcap").write_bytes(first[:20] + struct.pack("<I", 101) + out)
    ctreplay.replay([tmp_path / "a.pcap", tmp_path / "b.pcap"], tmp_path / "ab.ctreplay", packets="all")
    done = run_ctreplay("extract", tmp_path / "ab.ctreplay", "-c", "FROM conns", "-o", tmp_path / "o.pcap")
    assert done.returncode == 2 and "one link type" in done.stderr
    done = run_ctreplay("extract", tmp_path / "ab.ctreplay", "-c", "FROM conns", "-o", tmp_path / "o.pcapng")
    assert done.returncode == 0
    assert {frame[3] for frame in frames(tmp_path / "o.pcapng")} == {1, 101}
    assert len(frames(tmp_path / "o.pcapng")) == 36


def test_json(replayed, run_ctreplay, tmp_path):
    dataset = replayed("invalid_then_rst.pcap", "all")
    target = tmp_path / "out.pcapng"
    done = run_ctreplay("extract", dataset, 12, "-o", target, "--json")
    assert done.returncode == 0 and not done.stderr
    assert json.loads(done.stdout) == {"output": str(target), "packets": 11, "connections": 1}
    done = run_ctreplay("extract", dataset, 12, "-o", "-", "--json")
    assert done.returncode == 2 and not done.stdout and "stdout" in done.stderr


@pytest.mark.parametrize("place", ["nothing/x.pcap", "folder.pcap", "full.pcap"])
def test_an_output_that_cannot_be_written(replayed, tmp_path, place):
    """The message names it, not the temporary file beside it, and nothing of that stays."""
    (tmp_path / "folder.pcap").mkdir()
    before = sorted(tmp_path.iterdir())

    def small() -> None:
        # a limit of the file size stands for a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = subprocess.run(
        command("extract", replayed("invalid_then_rst.pcap"), 12, "-o", tmp_path / place, "--force"),
        env=environment(PYTHONDONTWRITEBYTECODE="1"), capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=small if place == "full.pcap" else None,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.strip().endswith(f": {tmp_path / place}"), done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("table", ["captures", "packets", "connections", "stats"])
def test_a_foreign_table_in_the_dataset(replayed, run_ctreplay, tmp_path, table):
    shutil.copytree(replayed("invalid_then_rst.pcap"), tmp_path / "x")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x" / f"{table}.parquet")
    done = run_ctreplay("extract", tmp_path / "x", 12, "-o", tmp_path / "out.pcap")
    assert done.returncode == 2 and f"{tmp_path / 'x'}: " in done.stderr and "cannot be read" in done.stderr


def test_standard_output(replayed, tmp_path):
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "ctreplay", "extract", str(replayed("tftp.pcap")), "1", "-o", "-"],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    (tmp_path / "o.pcapng").write_bytes(done.stdout)
    assert frames(tmp_path / "o.pcapng")
