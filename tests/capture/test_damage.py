"""Damaged files: everything before the damage is there, and what can be found behind it; nothing raises."""

from __future__ import annotations

import lzma
import random
import struct

import pytest
from builders import T0, block, epb, frames, idb, option, pcap, read, shb

from ctreplay.capture.streams import FileStream
from tests.pure import run_pure


def cut_everywhere(tmp_path, data, ends, smallest):
    """Cut the file at every byte; the records that end before the cut must all be there."""
    path = tmp_path / "cut"
    for size in range(smallest, len(data)):
        path.write_bytes(data[:size])
        rows, source = read(path)
        whole = sum(1 for end in ends if end <= size)
        assert len(rows) == whole, size
        clean = size in ends or size == smallest
        assert bool(source.damage) != clean or size in ends, (size, source.damage)


def test_pcap_cut_at_every_byte(tmp_path):
    data = pcap(frames(6))
    rows, _ = (tmp_path / "whole").write_bytes(data), None
    rows, _ = read(tmp_path / "whole")
    cut_everywhere(tmp_path, data, [row.offset + row.caplen for row in rows], 24)


def test_pcapng_cut_at_every_byte(tmp_path):
    blocks = [shb(), idb()] + [epb(0, T0 // 1000 + i, b"%03d" % i) for i in range(5)]
    data = b"".join(blocks)
    ends, at = [], 0
    for one in blocks:
        at += len(one)
        ends.append(at)
    path = tmp_path / "cut"
    for size in range(12, len(data)):
        path.write_bytes(data[:size])
        rows, source = read(path)
        assert len(rows) == sum(1 for end in ends[2:] if end <= size), size
        assert bool(source.damage) == (size not in ends), size


def test_pcapng_goes_on_after_damage(tmp_path):
    good = [epb(0, 100 + i, b"%03d" % i) for i in range(6)]
    broken = bytearray(good[2])
    broken[4:8] = b"\xff\xff\xff\x7f"
    data = shb() + idb() + good[0] + good[1] + bytes(broken) + good[3] + b"garbage" + good[4] + good[5]
    (tmp_path / "n").write_bytes(data)
    rows, source = read(tmp_path / "n")
    assert [row.data for row in rows] == [b"000", b"001", b"003", b"004", b"005"]
    assert [(d.frame, d.recovered) for d in source.damage] == [(3, True), (4, True)]
    assert source.damage[0].offset == len(shb() + idb() + good[0] + good[1])
    assert source.damage[1].skipped_bytes == 7


def test_pcapng_bad_packets_are_noted_and_passed(tmp_path):
    lying = bytearray(epb(0, 5, b"abcd"))
    lying[20:24] = (200).to_bytes(4, "little")
    data = (
        shb() + epb(0, 1, b"none") + idb() + bytes(lying) + epb(7, 2, b"nope") + epb(0, 3, b"good") + block(6, b"tiny")
    )
    data += epb(0, 4, b"last")
    (tmp_path / "n").write_bytes(data)
    rows, source = read(tmp_path / "n")
    assert [row.data for row in rows] == [b"good", b"last"]
    assert len(source.damage) == 4


def test_pcapng_interfaces_keep_their_numbers(tmp_path):
    """Packets of a damaged description are noted, not taken for those of the next interface or the section before."""
    spoilt = idb(linktype=101, options=option(9, b"\x09"))[:-4] + bytes(4)
    first = shb() + spoilt + idb(linktype=113) + epb(0, 1, b"lost") + epb(1, 2, b"here")
    second = shb()[:-4] + bytes(4) + idb(linktype=276) + epb(0, 3, b"there")
    (tmp_path / "n").write_bytes(first + second)
    rows, source = read(tmp_path / "n")
    assert [(row.data, row.linktype, row.ts) for row in rows] == [(b"here", 113, 2000), (b"there", 276, 3000)]
    assert [fact.interface_id for fact in source.captures] == [1, 0]
    assert [damage.what for damage in source.damage] == [
        "the two lengths of a block differ",
        "a packet of interface 0, which is not described",
        "the two lengths of a block differ",
    ]


def test_damage_beyond_a_thousand_places_is_counted(tmp_path):
    (tmp_path / "n").write_bytes(shb() + idb() + epb(7, 1, b"nope") * 3500 + epb(0, 2, b"here"))
    rows, source = read(tmp_path / "n")
    assert [row.data for row in rows] == [b"here"] and len(source.damage) == 1001
    last = source.damage[-1]
    assert (last.what, last.recovered) == ("2,500 more damaged places, not listed one by one", True)
    assert sum(damage.skipped_bytes for damage in source.damage) == 3500 * len(epb(7, 1, b"nope"))


@pytest.mark.parametrize("garbage", [b"\xff" * 50, bytes(range(100))])
def test_pcap_goes_on_when_a_chain_is_found(tmp_path, garbage):
    records = frames(12)
    first, second = pcap(records[:5]), pcap(records[5:])[24:]
    (tmp_path / "p").write_bytes(first + garbage + second)
    rows, source = read(tmp_path / "p")
    assert [row.ts for row in rows] == [ts for ts, _ in records]
    damage = source.damage[0]
    assert (damage.frame, damage.offset, damage.recovered, damage.skipped_bytes) == (
        6,
        len(first),
        True,
        len(garbage),
    )


@pytest.mark.parametrize("behind", [0, 5])
def test_zeros_of_a_lost_file_end_are_no_records(tmp_path, behind):
    records = frames(5 + behind)
    data = pcap(records[:5]) + bytes(5000) + pcap(records[5:])[24:]
    (tmp_path / "p").write_bytes(data)
    rows, source = read(tmp_path / "p")
    assert [row.ts for row in rows] == [ts for ts, _ in records]
    assert "zeros" in source.damage[0].what and source.damage[0].recovered == (behind > 0)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_files_one_behind_the_other(tmp_path, order, nano):
    """As `cat` leaves them: the second header is no packet of the year 2055, and says how to read what follows."""
    first = pcap(frames(3))
    second = pcap([(ts + 10**9, data) for ts, data in frames(4)], order=order, nano=nano, linktype=101)
    path = tmp_path / "p"
    path.write_bytes(first + first + second)
    rows, source = read(path)
    assert [(row.ts, row.data) for row in rows] == sorted([*frames(3), *frames(3)]) + [
        (ts + 10**9, data) for ts, data in frames(4)
    ]
    assert [row.linktype for row in rows] == [1] * 6 + [101] * 4
    assert [(fact.packets, fact.byte_order) for fact in source.captures] == [
        (6, "little"),
        (4, "big" if order == ">" else "little"),
    ]
    assert [damage.offset for damage in source.damage] == [len(first), 2 * len(first)]
    for size in range(len(first) + 1, len(first) + 24):
        path.write_bytes((first + second)[:size])
        rows, source = read(path)
        assert len(rows) == 3 and not source.damage[0].recovered


def test_absurd_length_stops_without_memory(tmp_path):
    import resource

    data = pcap(frames(3)) + T0.to_bytes(8, "little") + b"\xff\xff\xff\x0f" * 2 + bytes(64)
    (tmp_path / "p").write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows, source = read(tmp_path / "p")
    assert len(rows) == 3 and not source.damage[0].recovered
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_random_bytes_never_raise(tmp_path):
    dice = random.Random(7)
    originals = [pcap(frames(8)), shb() + idb() + b"".join(epb(0, 50 + i, bytes(40)) for i in range(8))]
    for turn in range(400):
        data = bytearray(originals[turn % 2])
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(24 if turn % 2 == 0 else 12, len(data))] = dice.randrange(256)
        (tmp_path / "x").write_bytes(data)
        rows, _ = read(tmp_path / "x")
        assert all(len(row.data) == row.caplen for row in rows)


def test_a_false_length_is_the_same_for_every_window(tmp_path):
    """A block of unknown type, longer than the window of a first look and than the file: what follows it is found, also
    when the records behind have to be sorted by what the first look saw.
    """
    # the unknown type, and a length that is not that at its end
    false = (0x77).to_bytes(4, "little") + (45612).to_bytes(4, "little") + bytes(24) + (36).to_bytes(4, "little")
    (tmp_path / "n").write_bytes(shb() + idb() + epb(0, 9, b"a") + false + epb(0, 7, b"b") + epb(0, 8, b"c"))
    rows, source = read(tmp_path / "n")
    assert [(row.frame, row.data) for row in rows] == [(2, b"b"), (3, b"c"), (1, b"a")]
    assert [(damage.frame, damage.recovered) for damage in source.damage] == [(2, True)] and source.late == 0


def test_counts_that_are_not_possible(tmp_path):
    """Sound captures have such statistics, too: nothing is known then."""
    counters = b"".join(option(code, value.to_bytes(8, "little")) for code, value in ((4, 2**64 - 1), (5, 2**63)))
    statistics = block(5, bytes(12) + counters)
    (tmp_path / "n").write_bytes(shb() + idb() + epb(0, 9, b"a") + statistics + epb(0, 10, b"b"))
    rows, source = read(tmp_path / "n")
    assert [row.data for row in rows] == [b"a", b"b"]
    assert (source.captures[0].kernel_received, source.captures[0].kernel_drops) == (None, None)
    assert not source.damage


def test_many_false_lengths_are_read_once(tmp_path, monkeypatch):
    """Each of them is a block of a megabyte that the window has to hold: it is not moved for every one of them."""
    false = (6).to_bytes(4, "little") + (1 << 20).to_bytes(4, "little") + bytes(32)
    (tmp_path / "n").write_bytes(shb() + idb() + epb(0, 9, b"a") + false * 100_000 + epb(0, 10, b"b"))
    reads = []
    inner = FileStream.read_into
    monkeypatch.setattr(FileStream, "read_into", lambda stream, view: reads.append(len(view)) or inner(stream, view))
    rows, source = read(tmp_path / "n")
    assert [row.data for row in rows] == [b"a", b"b"] and len(source.damage) == 1
    assert len(reads) < 30


def test_many_lengths_beyond_the_end(tmp_path):
    """Each behind a few records, in a file whose snap length allows them: found one by one, in plain Python too."""
    record = struct.pack("<IIII", T0 // 10**9, 5, 1, 1) + b"E"
    false = struct.pack("<IIII", T0 // 10**9, 0xFFFFFFFF, 0x0F000000, 0x0F000000)
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x10000000, 1)
    path = tmp_path / "n"
    path.write_bytes(head + (record * 4 + false) * 3000)
    rows, source = read(path)
    assert len(rows) == 12000 and len(source.damage) == 1001
    count = "import sys; from tests.capture.builders import read; print(len(read(sys.argv[1])[0]))"
    assert int(run_pure(f"sys.path.insert(0, ROOT); {count}", str(path))) == 12000


def test_nothing_before_the_damage_of_an_xz_stream_is_lost(tmp_path):
    rng = random.Random(5)
    data = pcap([(T0 + i, rng.randbytes(400)) for i in range(3000)])
    packed = bytearray(lzma.compress(data))
    packed[len(packed) // 2] ^= 0x55
    (tmp_path / "a.xz").write_bytes(packed)
    unpacked, one_by_one = lzma.LZMADecompressor(), b""
    with pytest.raises(lzma.LZMAError):
        for at in range(len(packed)):
            one_by_one += unpacked.decompress(packed[at : at + 1])
    there = sum(a == b for a, b in zip(data, one_by_one, strict=False))
    rows, source = read(tmp_path / "a.xz")
    assert len(rows) >= there // 416 - 1
    assert "the xz stream is damaged" in source.damage[-1].what
