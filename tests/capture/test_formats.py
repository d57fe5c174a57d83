"""Every format and variant, built byte by byte, gives exactly the records it holds."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import struct
import threading
import time

import pytest
from backports import zstd
from builders import T0, block, epb, frames, idb, option, pad, pcap, read, rows_of, shb

from ctreplay import digests
from ctreplay.capture import CaptureError, open_captures
from ctreplay.capture.write import PcapngWriter, PcapWriter


def check_records(rows, records, skip=0):
    assert [(row.number, row.frame) for row in rows] == [(i + 1, i + 1) for i in range(len(records))]
    assert [(row.ts, row.data) for row in rows] == list(records)
    assert all(row.wirelen == row.caplen + skip for row in rows)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_variants(tmp_path, order, nano):
    records = frames(50, step=1_000_001 if nano else 1_001_000)
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(records, order=order, nano=nano))
    rows, source = read(path)
    check_records(rows, records, 4)
    fact = source.captures[0]
    assert (fact.byte_order, fact.resolution) == (
        "little" if order == "<" else "big",
        "1 ns" if nano else "1 us",
    )
    assert (fact.packets, fact.truncated, fact.first_ts, fact.last_ts) == (50, 50, T0, records[-1][0])
    assert fact.captured_bytes == sum(len(data) for _, data in records)
    assert path.read_bytes()[rows[7].offset : rows[7].offset + rows[7].caplen] == records[7][1]


def test_kuznetsov_header(tmp_path):
    records = frames(9)
    (tmp_path / "k").write_bytes(pcap(records, magic=0xA1B2CD34, extra=b"\x07\0\0\0\x08\0\x01\0"))
    check_records(read(tmp_path / "k")[0], records, 4)


@pytest.mark.parametrize(("version", "swap"), [((2, 2), True), ((2, 3), True), ((2, 3), False), ((543, 0), True)])
def test_swapped_lengths(tmp_path, version, swap):
    records = frames(9)
    (tmp_path / "old").write_bytes(pcap(records, version=version, swap=swap))
    check_records(read(tmp_path / "old")[0], records, 4)


def test_fcs_bits_and_fraction_carry(tmp_path):
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 0x24000001)
    data += struct.pack("<IIII", 100, 2_500_000, 4, 4) + b"abcd"
    (tmp_path / "f").write_bytes(data)
    rows, source = read(tmp_path / "f")
    assert (rows[0].ts, rows[0].linktype, source.captures[0].linktype_name) == (
        102_500_000_000,
        1,
        "ETHERNET",
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_interfaces_and_resolutions(tmp_path, order):
    tick = 0x0123_5678_9ABC
    cases = [
        (6, tick * 1000),
        (9, tick),
        (3, tick * 10**6),
        (12, tick // 1000),
        (0x80 | 20, (tick * 10**9) >> 20),
        (0x80 | 40, (tick * 10**9) >> 40),
        (0x80 | 63, (tick * 10**9) >> 63),
        (0x80 | 10, (tick * 10**9) >> 10),
    ]
    data = shb(order)
    for number, (resolution, _) in enumerate(cases):
        options = option(2, b"eth%d" % number, order) + option(9, bytes([resolution]), order) + option(0, b"", order)
        data += idb(order, linktype=100 + number, options=options)
    offset = option(9, b"\x09", order) + option(14, struct.pack(order + "q", -5), order)
    data += idb(order, options=offset)
    for number in range(len(cases)):
        data += epb(number, tick, b"x" * (number + 1), order, wirelen=99)
    data += epb(len(cases), tick + 7_000_000_000, b"offset", order)
    (tmp_path / "n").write_bytes(data)
    rows, source = read(tmp_path / "n")
    by_frame = sorted(rows, key=lambda row: row.frame)
    assert [row.ts for row in by_frame] == [want for _, want in cases] + [tick + 2_000_000_000]
    assert [row.linktype for row in by_frame[:-1]] == [100 + i for i in range(len(cases))]
    assert [row.data for row in by_frame[:3]] == [b"x", b"xx", b"xxx"]
    assert [fact.interface_name for fact in source.captures[:2]] == ["eth0", "eth1"]
    assert source.captures[0].truncated == 1
    assert not source.damage


def test_pcapng_all_packet_blocks_and_statistics(tmp_path):
    data = shb(options=option(1, b"section")) + idb(snaplen=5) + block(0x0BAD, b"unknown!")
    data += block(3, struct.pack("<I", 9) + pad(b"simpl"))
    data += epb(0, 10, b"one", options=option(2, b"\0\0\0\1") + option(1, b"hello") + option(1, b"again"))
    data += block(2, struct.pack("<HHIIII", 0, 3, 0, 11, 3, 8) + pad(b"old"))
    data += block(3, struct.pack("<I", 2) + pad(b"s2"))
    counters = b"".join(option(code, struct.pack("<Q", value)) for code, value in ((4, 100), (5, 7), (6, 90), (7, 3)))
    data += block(5, struct.pack("<III", 0, 0, 0) + counters)
    (tmp_path / "n").write_bytes(data)
    rows, source = read(tmp_path / "n")
    assert [(r.ts, r.caplen, r.wirelen, r.data) for r in rows] == [
        (0, 5, 9, b"simpl"),
        (10_000, 3, 3, b"one"),
        (11_000, 3, 8, b"old"),
        (11_000, 2, 2, b"s2"),
    ]
    fact = source.captures[0]
    assert (fact.kernel_received, fact.kernel_drops) == (100, 7 + 3)
    assert not source.damage


def test_pcapng_sections_of_both_byte_orders(tmp_path):
    data = shb("<") + idb("<", linktype=1) + epb(0, 5, b"a", "<")
    data += shb(">") + idb(">", linktype=113) + idb(">", linktype=0) + epb(1, 6, b"b", ">") + epb(0, 7, b"c", ">")
    (tmp_path / "n").write_bytes(data)
    rows, source = read(tmp_path / "n")
    assert [(r.frame, r.linktype, r.capture, r.data) for r in rows] == [
        (1, 1, 0, b"a"),
        (2, 0, 2, b"b"),
        (3, 113, 1, b"c"),
    ]
    assert [fact.byte_order for fact in source.captures] == ["little", "big", "big"]


def test_time_beyond_the_range_is_noted(tmp_path):
    data = shb() + idb() + epb(0, 5, b"a") + epb(0, 2**64 - 1, b"b") + epb(0, 9, b"c")
    (tmp_path / "n").write_bytes(data)
    rows, source = read(tmp_path / "n")
    assert [(r.ts, r.data) for r in rows] == [(5000, b"a"), (5000, b"b"), (9000, b"c")]
    assert "timestamp" in source.damage[0].what


def zst(data: bytes) -> bytes:
    return zstd.compress(data)


@pytest.mark.parametrize("pack", [gzip.compress, zst, lzma.compress, bz2.compress])
def test_compression_members_and_truncation(tmp_path, pack):
    records = frames(4000)
    plain = pcap(records)
    whole = pack(plain)
    (tmp_path / "one").write_bytes(whole)
    (tmp_path / "many").write_bytes(b"".join(pack(plain[i : i + 50000]) for i in range(0, len(plain), 50000)))
    for name in ("one", "many"):
        rows, source = read(tmp_path / name)
        check_records(rows, records, 4)
        assert not source.damage
    if pack is bz2.compress:
        whole = pack(plain[:100_000]) + pack(plain[100_000:])
    (tmp_path / "cut").write_bytes(whole[: len(whole) * 2 // 3])
    rows, source = read(tmp_path / "cut")
    check_records(rows, records[: len(rows)], 4)
    assert len(source.damage) == 1 and "ends early" in source.damage[0].what
    assert rows


def test_pipe_is_a_stream_and_hashed(tmp_path):
    data = gzip.compress(pcap(frames(20000)))

    class Trickle(io.RawIOBase):
        """Gives few bytes at a time, as a pipe does."""

        def __init__(self) -> None:
            self.inner = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, view) -> int:
            return self.inner.readinto(memoryview(view)[:777])

    source = open_captures(["-"], stdin=Trickle())
    rows = rows_of(source)
    check_records(rows, frames(20000), 4)
    assert source.inputs[0].sha256() == hashlib.sha256(data).hexdigest()
    assert source.inputs[0].size == len(data) and source.progress() == (len(data), None)


def test_sha256_progress_and_facts_of_files(tmp_path):
    data = pcap(frames(100))
    (tmp_path / "a").write_bytes(data)
    _, source = read(tmp_path / "a")
    assert source.inputs[0].sha256() == hashlib.sha256(data).hexdigest()
    assert source.progress() == (len(data), len(data))


def test_writers_are_read_back(tmp_path):
    records = frames(20, step=1_234_567)
    with open(tmp_path / "a", "wb") as file:
        writer = PcapWriter(file, 1)
        for ts, data in records:
            writer.write(ts, data, len(data) + 4)
    check_records(read(tmp_path / "a")[0], records, 4)
    with open(tmp_path / "b", "wb") as file:
        ng = PcapngWriter(file, comment="made here")
        ng.interface(276, name="any")
        ng.interface(1, name="eth0")
        for ts, data in records:
            ng.write(1, ts, data, len(data) + 4, ["one", "two"])
    rows, source = read(tmp_path / "b")
    check_records(rows, records, 4)
    assert {row.linktype for row in rows} == {1}
    assert source.captures[1].interface_name == "eth0"
    written = (tmp_path / "b").read_bytes()
    assert all(written.count(option(1, text)) == len(records) for text in (b"one", b"two"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"snoop\0\0\0\0\0\0\2", "snoop"),
        (b"hello world\n" * 9, "text"),
        (bytes(100), "magic"),
        (gzip.compress(b"just text here\n"), "text (inside gzip)"),
        (b"PK\x03\x04aaaa", "zip"),
    ],
)
def test_what_is_no_capture_is_named(tmp_path, content, what):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CaptureError, match="not a capture") as error:
        open_captures([tmp_path / "x"])
    assert what in error.value.message and error.value.path == str(tmp_path / "x")


def test_directories_globs_and_missing_files(tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "b.pcap").write_bytes(pcap(frames(3)))
    (tmp_path / "d" / "e" / "a.gz").write_bytes(gzip.compress(pcap(frames(2))))
    (tmp_path / "d" / "notes.txt").write_text("nothing")
    rows, source = read(tmp_path / "d")
    assert len(rows) == 5 and [one.path for one in source.skipped] == [str(tmp_path / "d" / "notes.txt")]
    rows, _ = read(tmp_path / "d" / "*.pcap")
    assert len(rows) == 3
    rows, _ = read(tmp_path / "d" / "b.pcap", tmp_path / "d" / "e", tmp_path / "d", tmp_path / "d" / "*.pcap")
    assert len(rows) == 5
    for path, what in ((tmp_path / "nope", "does not exist"), (tmp_path / "*.zzz", "matches")):
        with pytest.raises(CaptureError, match=what):
            open_captures([path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CaptureError, match="no captures"):
        open_captures([tmp_path / "empty"])


def test_the_same_file_is_read_once(tmp_path):
    """By whatever name and in whatever order; that it was named again is kept."""
    folder = tmp_path / "d"
    folder.mkdir()
    one, hard, soft = folder / "x.pcap", tmp_path / "hard.pcap", tmp_path / "soft.pcap"
    one.write_bytes(pcap(frames(3)))
    (folder / "same.pcap").write_bytes(pcap(frames(3)))
    hard.hardlink_to(one)
    soft.symlink_to(one)
    for given, again in (
        ([one, one], [one]), ([one, hard, soft], [hard, soft]), ([soft, one], [one]), ([folder, one], [one]),
        ([one, folder], [one]), ([folder, folder], [folder / "same.pcap", one]), ([folder / "*.pcap", hard], [hard]),
    ):  # fmt: skip
        with open_captures(given) as source:
            assert len(source.inputs) == (1 if folder not in given and folder / "*.pcap" not in given else 2)
            assert [two.path for two in source.repeated] == [str(path) for path in again], given
        rows, _ = read(*given)
        assert len(rows) == 3 * len(source.inputs)
    with open_captures([one, one], once=False) as source:
        assert len(source.inputs) == 2 and source.repeated == []
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_bytes, args=(pcap(frames(3)),), daemon=True).start()
    with pytest.raises(CaptureError, match="only once"):
        open_captures([fifo, fifo])


@pytest.mark.parametrize("program", ["import os; os._exit(7)", "import os; os.kill(os.getpid(), 7)"])
def test_sha256_when_its_process_dies(tmp_path, monkeypatch, program):
    """As it does when a file shrinks below it: the digest is that of the bytes that are there."""
    data = pcap(frames(9))
    (tmp_path / "x.pcap").write_bytes(data)
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(digests, "LARGE", 0)
    monkeypatch.setattr(digests, "__file__", str(tmp_path / "program.py"))
    with open_captures([tmp_path / "x.pcap"]) as source:
        assert source.hasher.process is not None
        assert source.inputs[0].sha256() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zst])
@pytest.mark.parametrize("damaged", [False, True])
def test_hashed_in_turn(tmp_path, pack, damaged):
    """Read to its end, a file is not read again for its digest; one that is damaged is."""
    data = pack(pcap(frames(30000)))
    if damaged:
        data = data[: len(data) // 2] + b"\xff" * 70_000_000 * (pack is bytes) + bytes(9)
    (tmp_path / "x").write_bytes(data)
    with open_captures([tmp_path / "x"], hashing="turns") as source:
        assert rows_of(source)
        assert source.inputs[0].stopped == (damaged and pack is bytes)
        assert source.inputs[0].sha256() == hashlib.sha256(data).hexdigest()


def test_a_pipe_that_does_not_block(tmp_path):
    """Nothing there yet is not its end."""
    data = pcap(frames(40))
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def write():
        for begin in range(0, len(data), 700):
            time.sleep(0.02)
            os.write(writing, data[begin : begin + 700])
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reading, "rb") as stdin, open_captures(["-"], stdin=stdin) as source:
        assert len(rows_of(source)) == 40 and not source.damage
    thread.join()


@pytest.mark.parametrize(
    ("offset", "ticks", "seconds"),
    [(9223372036, 0, None), (10**10, 0, None), (2**62, 0, None), (-(2**62), 0, None),
     (-(10**10), 11_700_000_000, 1.7e9)],
)  # fmt: skip
def test_any_offset_of_an_interface(tmp_path, offset, ticks, seconds):
    """A time beyond 64-bit nanoseconds is said, never replaced by one without the offset."""
    options = option(14, struct.pack("<q", offset)) + option(9, b"\0")
    data = shb() + idb(options=options) + epb(0, ticks or 1_700_000_000, b"x" * 20)
    (tmp_path / "a.pcapng").write_bytes(data)
    rows, source = read(tmp_path / "a.pcapng")
    assert len(rows) == 1
    if seconds is None:
        assert "beyond the range" in source.damage[0].what
    else:
        assert rows[0].ts == seconds * 10**9 and not source.damage


@pytest.mark.parametrize("before", [0, 300_000, 700_000])
@pytest.mark.parametrize("kind", ["enhanced", "obsolete"])
def test_a_long_packet_block_wherever_the_window_stands(tmp_path, before, kind):
    data = bytes(300_000)
    packet = epb(0, 5, data)
    if kind == "obsolete":
        packet = block(2, struct.pack("<HHIIII", 0, 0, 0, 5, len(data), len(data)) + data)
    unknown = block(0x123, bytes(before)) if before else b""
    (tmp_path / "a.pcapng").write_bytes(shb() + idb() + unknown + packet + epb(0, 6, b"y" * 30))
    rows, source = read(tmp_path / "a.pcapng")
    assert [len(row.data) for row in rows] == [300_000, 30] and not source.damage
