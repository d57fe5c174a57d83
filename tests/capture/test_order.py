"""Whatever the files and their order, the records come as a full stable sort would give them."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
import struct
from pathlib import Path

import pytest
from builders import T0, epb, facts_of, frames, idb, pcap, read, rows_of, shb
from hypothesis import given, settings
from hypothesis import strategies as st
from pure import run_pure_json

import ctreplay.capture.scan as scan_module
from ctreplay.capture import OutOfOrder, open_captures
from ctreplay.capture.record import Record
from ctreplay.capture.scan import scan


def write_files(folder, files):
    """Files of (ns, payload) lists as pcap, pcapng and gzip in turn; what a sort of all records gives."""
    paths, want = [], []
    for number, records in enumerate(files):
        path = folder / f"{number:04d}"
        if number % 3 == 1:
            options = struct.pack("<HHBxxx", 9, 1, 9)
            data = shb() + idb(options=options) + b"".join(epb(0, ts, payload) for ts, payload in records)
        else:
            data = pcap(records, nano=True)
            if number % 3 == 2:
                data = gzip.compress(data, 1)
        path.write_bytes(data)
        paths.append(path)
        want += [(ts, number, frame + 1, payload) for frame, (ts, payload) in enumerate(records)]
    want.sort(key=lambda row: row[:3])
    return paths, want


def check(paths, want):
    rows, source = read(*paths)
    assert [(row.ts, row.frame, row.data) for row in rows] == [(ts, frame, data) for ts, _, frame, data in want]
    assert [row.number for row in rows] == list(range(1, len(want) + 1))
    assert not source.damage and source.late == 0
    assert sum(fact.packets for fact in source.captures) == len(want)
    return source


def payload(dice, i):
    return struct.pack(">I", i) + bytes(dice.randrange(0, 90))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), max_size=25), min_size=1, max_size=6), st.integers(0, 2**32))
def test_any_files_any_order(tmp_path_factory, files, seed):
    dice = random.Random(seed)
    folder = tmp_path_factory.mktemp("m")
    paths, want = write_files(folder, [[(T0 + ts, payload(dice, ts)) for ts in one] for one in files])
    check(paths, want)


@pytest.mark.parametrize("kind", ["jitter", "step", "shuffled", "swapped halves", "one late"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_disorder_in_large_files(tmp_path, monkeypatch, kind, number):
    import ctreplay.capture.merge as merge_module

    # the first look ends early, so that the disorder is met while reading and a restart is needed
    monkeypatch.setattr(merge_module, "LOOK", 1)
    dice = random.Random(3)
    count = 20000
    times = [T0 + i * 1000 for i in range(count)]
    if kind == "jitter":
        times = times[:5000] + [t + dice.randrange(-4000, 4000) for t in times[5000:]]
    elif kind == "step":
        times = times[:12000] + [t - 3_000_000 for t in times[12000:]]
    elif kind == "shuffled":
        times = times[:2000] + dice.sample(times[2000:], count - 2000)
    elif kind == "swapped halves":
        times = times[10000:] + times[:10000]
    else:
        times = [*times[:-1], T0]
    files = [[], [], []]
    files[number] = [(ts, payload(dice, i)) for i, ts in enumerate(times)]
    files[0 if number else 1] = [(T0 + i * 7777, b"other") for i in range(500)]
    paths, want = write_files(tmp_path, files)
    source = check(paths, want)
    back = [(a - b) for a, b in itertools.pairwise(times) if b < a]
    fact = next(fact for fact in source.captures if fact.path == str(paths[number]))
    assert (fact.reordered, fact.max_backstep_ns) == (len(back), max(back))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_segments_larger_than_the_arena_are_read_in_place(tmp_path, pack):
    code = """
import json, sys
import ctreplay.capture.reorder as reorder
reorder._ARENA = 1000
reorder._SPAN = 4096
from builders import read
rows, source = read(sys.argv[1])
print(json.dumps([[row.ts, row.frame, row.offset, row.data.hex()] for row in rows]))
"""
    dice = random.Random(4)
    records = [(T0 + dice.randrange(0, 300), payload(dice, i)) for i in range(600)]
    plain = pcap(records, nano=True)
    (tmp_path / "a").write_bytes(pack(plain))
    got = run_pure_json(f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n" + code, str(tmp_path / "a"))
    want = sorted(range(600), key=lambda i: records[i][0])
    assert [row[1] for row in got] == [i + 1 for i in want]
    assert all(bytes.fromhex(row[3]) == records[i][1] for row, i in zip(got, want, strict=True))
    assert all(plain[row[2] : row[2] + len(row[3]) // 2].hex() == row[3] for row in got)


def test_out_of_order_is_raised_once_and_restart_sorts(tmp_path, monkeypatch):
    import ctreplay.capture.merge as merge_module

    monkeypatch.setattr(merge_module, "LOOK", 1)
    records = frames(1000)
    records[900], records[901] = records[901], records[900]
    (tmp_path / "a").write_bytes(pcap(records))
    source = open_captures([tmp_path / "a"])
    rec = Record()
    with pytest.raises(OutOfOrder) as caught:
        while source.advance(rec):
            pass
    assert (caught.value.frame, caught.value.backstep_ns) == (902, 1_000_000)
    source.restart()
    assert [row.ts for row in rows_of(source)] == sorted(ts for ts, _ in records)


def test_a_file_that_is_in_another_order_at_every_look(tmp_path, monkeypatch):
    """It is not read again for ever: what comes too late is delivered late, and counted."""
    import ctreplay.capture.merge as merge_module

    looks = []

    def no_disorder(file, limit):
        plan = scan(file, limit)
        plan.segments = []
        looks.append(limit)
        return plan

    monkeypatch.setattr(merge_module, "scan", no_disorder)
    records = frames(1000)
    records[900], records[901] = records[901], records[900]
    (tmp_path / "a").write_bytes(pcap(records))
    rows, source = read(tmp_path / "a")
    assert [row.frame for row in rows] == list(range(1, 1001))
    assert source.late == 1 and 1 < len(looks) < 10


def test_300_overlapping_files(tmp_path):
    dice = random.Random(1)
    files = []
    for number in range(300):
        start = T0 + dice.randrange(0, 10**6)
        files.append([(start + i * dice.randrange(1, 5000), payload(dice, number)) for i in range(3)])
        files[-1].sort(key=lambda one: one[0])
    check(*write_files(tmp_path, files))


def test_a_rotated_set_is_not_open_at_once(tmp_path):
    import os

    paths, _ = write_files(tmp_path, [[(T0 + n * 10**9 + i, b"data") for i in range(20)] for n in range(60)])
    source = open_captures(paths)
    rec = Record()
    highest = 0
    while source.advance(rec):
        highest = max(highest, len(os.listdir("/proc/self/fd")))
        assert source.active <= 2
    source.close()
    assert highest < 40


def test_pipe_window_sorts_jitter_and_counts_what_is_later():
    dice = random.Random(2)
    times = [T0 + i * 1000 + dice.randrange(0, 50_000) for i in range(50_000)]
    times[40_000] = T0
    data = pcap([(ts, payload(dice, i)) for i, ts in enumerate(times)], nano=True)
    source = open_captures(["-"], stdin=io.BytesIO(data))
    rows = rows_of(source)
    rest = [row.ts for row in rows if row.frame != 40_001]
    assert rest == sorted(times[:40_000] + times[40_001:]) and len(rows) == len(times)
    assert source.late == 1


def test_pipe_among_files(tmp_path):
    records = frames(300)
    (tmp_path / "a").write_bytes(pcap(list(reversed(records[::2]))))
    source = open_captures([tmp_path / "a", "-"], stdin=io.BytesIO(pcap(records[1::2])))
    assert [row.data for row in rows_of(source)] == [data for _, data in records]


PURE = """
import json, sys
import ctreplay.capture.pcap as module
assert module.__file__.endswith(".py")
from builders import facts_of, read
out = {}
for path in sys.argv[1:]:
    rows, source = read(path)
    out[path] = [[list(row[:-1]) + [row.data.hex()] for row in rows], facts_of(source),
                 [str(d) for d in source.damage]]
print(json.dumps(out))
"""


def as_json(path):
    rows, source = read(path)
    values = [[[*row[:-1], row.data.hex()] for row in rows], facts_of(source), [str(d) for d in source.damage]]
    return json.loads(json.dumps(values))


def test_compiled_and_pure_give_the_same_records(tmp_path):
    dice = random.Random(6)
    jittered = [(T0 + i * 1000 + dice.randrange(0, 5000), payload(dice, i)) for i in range(700)]
    paths, _ = write_files(tmp_path, [jittered, jittered, jittered])
    broken = bytearray(paths[1].read_bytes())
    for at in range(500, len(broken), 3001):
        broken[at] ^= 0xFF
    (tmp_path / "broken").write_bytes(broken)
    paths.append(tmp_path / "broken")
    got = run_pure_json(f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n" + PURE, *map(str, paths))
    for path in paths:
        assert got[str(path)] == as_json(path)


def test_scan_finds_the_finest_segments():
    stack = []
    for low, high, steady in (
        (0, 5, True),
        (5, 9, True),
        (8, 12, True),
        (20, 30, True),
        (13, 14, True),
        (31, 40, True),
    ):
        scan_module.push(stack, low, high, 10, 100, steady)
    assert scan_module.join(stack) == [(10, 100, True), (20, 200, False), (20, 200, False), (10, 100, True)]
