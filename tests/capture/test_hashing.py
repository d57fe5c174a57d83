"""The process that hashes beside the reading: the digest of the whole file, whatever is read of it."""

from __future__ import annotations

import gc
import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from builders import T0, epb, idb, pcap, rows_of, shb

from ctreplay import digests
from ctreplay.capture import merge, open_captures
from ctreplay.capture.inputs import InputFile
from ctreplay.capture.merge import CHUNK
from ctreplay.packet import Packet


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch):
    monkeypatch.setattr(digests, "LARGE", 0)


@pytest.fixture
def no_thread(monkeypatch):
    """The digest comes from the process or not at all."""

    def refuse(self, stopped):
        self.settle("hashed by the thread")

    monkeypatch.setattr(InputFile, "work", refuse)


def records(count, largest, seed=7):
    """Frames of all sizes, in order of time."""
    rng = random.Random(seed)
    return [(T0 + i * 1_001_000, rng.randbytes(rng.randrange(1, largest))) for i in range(count)]


def wide(data):
    """The same capture with a snap length of 1 MiB."""
    return data[:16] + (1 << 20).to_bytes(4, "little") + data[20:]


def check(path, expected):
    """The records are those of the file, and so is the digest."""
    with open_captures([path]) as source:
        assert source.hasher.process is not None
        assert [(row.ts, row.data) for row in rows_of(source)] == expected
        with open(path, "rb") as file:
            assert source.inputs[0].sha256() == hashlib.file_digest(file, "sha256").hexdigest()


def test_several_files(tmp_path, no_thread):
    found = records(300, 1500)
    paths = [tmp_path / name for name in ("a.pcap", "b.pcap", "c.pcap")]
    for number, path in enumerate(paths):
        path.write_bytes(pcap(found[number::3]))
    with open_captures(paths) as source:
        assert [(row.ts, row.data) for row in rows_of(source)] == found
        digests = [one.sha256() for one in source.inputs]
    assert digests == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_pcapng(tmp_path, no_thread):
    found = records(3000, 1500)
    data = shb() + idb() + b"".join(epb(0, ts // 1000, frame) for ts, frame in found)
    (tmp_path / "a.pcapng").write_bytes(data)
    check(tmp_path / "a.pcapng", found)


@pytest.mark.parametrize("at", [0, 1, 700, 1399])
def test_a_frame_larger_than_the_window(tmp_path, no_thread, at):
    found = records(1400, 1500)
    found[at] = (found[at][0], random.Random(1).randbytes(2 * CHUNK + 4711))
    (tmp_path / "a.pcap").write_bytes(wide(pcap(found)))
    check(tmp_path / "a.pcap", found)


def test_frames_about_as_large_as_what_is_read_at_a_time(tmp_path, no_thread):
    found = records(60, CHUNK)
    (tmp_path / "a.pcap").write_bytes(wide(pcap(found)))
    check(tmp_path / "a.pcap", found)


def test_a_file_out_of_order(tmp_path, no_thread):
    found = records(4000, 1500)
    found[3000], found[3001] = found[3001], found[3000]
    (tmp_path / "a.pcap").write_bytes(pcap(found))
    check(tmp_path / "a.pcap", sorted(found))


def test_what_is_not_read_is_hashed_too(tmp_path, no_thread):
    data = pcap(records(3000, 1500))
    (tmp_path / "a.pcap").write_bytes(data[:100_000] + b"\xff" * 900_000)
    with open(tmp_path / "a.pcap", "rb") as file:
        expected = hashlib.file_digest(file, "sha256").hexdigest()
    with open_captures([tmp_path / "a.pcap"]) as source:
        assert 0 < len(rows_of(source)) < 3000 and source.damage
        assert source.inputs[0].sha256() == expected


@pytest.mark.parametrize("after", [0, 1, 1500])
def test_the_digest_before_all_is_read(tmp_path, no_thread, after):
    """As who travels to an instant in the middle asks for it; reading can go on."""
    found = records(3000, 1500)
    (tmp_path / "a.pcap").write_bytes(pcap(found))
    record = Packet()
    got = []
    with open_captures([tmp_path / "a.pcap"]) as source:
        for _ in range(after):
            assert source.advance(record)
            got.append(bytes(record.buf[record.start : record.start + record.caplen]))
        assert source.inputs[0].sha256(60) == hashlib.sha256((tmp_path / "a.pcap").read_bytes()).hexdigest()
        while source.advance(record):
            got.append(bytes(record.buf[record.start : record.start + record.caplen]))
    assert got == [frame for _, frame in found]


@pytest.mark.parametrize("after", [0, 900, 2990])
def test_when_the_process_dies_the_file_is_read_again(tmp_path, after):
    found = records(3000, 1500)
    (tmp_path / "a.pcap").write_bytes(pcap(found))
    record = Packet()
    got = []
    with open_captures([tmp_path / "a.pcap"]) as source:
        while source.advance(record):
            got.append(bytes(record.buf[record.start : record.start + record.caplen]))
            if len(got) == after + 1:
                os.kill(source.hasher.process.pid, signal.SIGKILL)
        assert got == [frame for _, frame in found]
        assert source.inputs[0].sha256() == hashlib.sha256((tmp_path / "a.pcap").read_bytes()).hexdigest()


@pytest.fixture
def begun(monkeypatch):
    """Starts with a command line as the program does; the process, which nobody else starts."""

    def start(*words):
        digests.begin(list(map(str, words)))
        return digests._begun[-1] if digests._begun else None

    monkeypatch.setattr(subprocess, "Popen", None)
    yield start
    digests.begun([])


@pytest.mark.parametrize("before", [[], ["replay"], ["-q"], ["replay", "--packets", "all"], ["-j", "2"], ["-j2"]])
def test_begun_before_all_else(tmp_path, no_thread, begun, before):
    found = records(900, 1500)
    paths = [tmp_path / name for name in ("a.pcap", "b.pcap")]
    for number, path in enumerate(paths):
        path.write_bytes(pcap(found[number::2]))
    process = begun(*before, *paths, "-o", tmp_path / "out")
    with open_captures(paths) as source:
        assert process is not None and source.hasher.process is process
        digests_found = [one.sha256() for one in source.inputs]
    assert digests_found == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_begun_with_a_file_that_cannot_be_read(tmp_path, begun):
    """As one that shrinks: whoever waits reads what is there."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(records(9, 100)))
    process = begun(path)
    os.kill(process.pid, signal.SIGKILL)
    with open_captures([path]) as source:
        assert source.hasher.process is process
        assert source.inputs[0].sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "words",
    [
        ["list", "a.pcap"], ["explain", "a.pcap"], ["-j", "1", "a.pcap"], ["-j1", "a.pcap"], ["a.pcap", "--jobs=1"],
        ["b.pcap"], ["."], ["-"], ["\0"], [], ["replay"],
    ],
)  # fmt: skip
def test_nothing_begins_for_what_needs_no_digest(tmp_path, monkeypatch, begun, words):
    monkeypatch.setattr(digests, "LARGE", 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pcap").write_bytes(pcap(records(9, 100)))
    assert begun(*words) is None


def test_other_files_than_the_inputs_are_given_up(tmp_path, begun):
    for name in ("a.pcap", "b.pcap"):
        (tmp_path / name).write_bytes(pcap(records(9, 100)))
    process = begun(tmp_path / "a.pcap", "--sysctl-file", tmp_path / "b.pcap")
    assert digests.begun([str(tmp_path / "a.pcap")]) is None and process.ended
    process = begun(tmp_path / "a.pcap")
    with open_captures([tmp_path / "a.pcap"], hashing="turns") as source:
        assert source.hasher.process is None and process.ended


def test_no_process_to_be_had(tmp_path, monkeypatch, begun):
    def fork():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    (tmp_path / "a.pcap").write_bytes(pcap(records(9, 100)))
    monkeypatch.setattr(os, "fork", fork)
    assert begun(tmp_path / "a.pcap") is None


def test_one_core_has_nothing_begun(tmp_path, monkeypatch, begun):
    (tmp_path / "a.pcap").write_bytes(pcap(records(9, 100)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert begun(tmp_path / "a.pcap") is None


def test_the_program_begins_with_it(tmp_path):
    """A replay of a large file has its digest from the process that was there before everything else."""
    path = tmp_path / "a.pcap"
    with open(path, "wb") as file:
        file.write(pcap(records(2000, 1500)))
        file.truncate(1 << 26)
    code = (
        "from ctreplay.capture.inputs import InputFile; from ctreplay.capture import hashing;"
        "InputFile.work = hashing.Hasher._start = None; from ctreplay.__main__ import program; program()"
    )
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-c", code, path, "-q", "-o", out], check=True)
    with open(path, "rb") as file:
        assert json.loads((out / "run.json").read_text())["inputs"][0]["sha256"] == (
            hashlib.file_digest(file, "sha256").hexdigest()
        )


class Meanwhile:
    """What happens to a file after the first records of it were replayed."""

    def __init__(self, path, pack=bytes, count=20000):
        self.path = path
        self.records = records(count, 400)
        self.data = pack(pcap(self.records))
        path.write_bytes(self.data)

    def grows(self):
        with open(self.path, "ab") as file:
            file.write(bytes(70000))

    def shrinks(self):
        os.truncate(self.path, 1_500_000)

    def is_replaced(self):
        other = self.path.with_name("other")
        other.write_bytes(bytes(len(self.data)))
        other.rename(self.path)

    def run(self, what, hashing="beside"):
        record = Packet()
        got = []
        with open_captures([self.path], hashing=hashing) as source:
            while source.advance(record):
                if not got:
                    getattr(self, what)()
                got.append(bytes(record.buf[record.start : record.start + record.caplen]))
            return got, source.inputs[0].sha256(), source.inputs[0].changed(), source.damage


@pytest.mark.parametrize("hashing", ["beside", "turns", "asked"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_grows(tmp_path, monkeypatch, hashing, pack):
    """It is replayed as far as it was there at first: of these bytes are size and digest."""
    monkeypatch.setattr(digests, "LARGE", 0 if hashing == "beside" else 1 << 40)
    file = Meanwhile(tmp_path / "a", pack)
    got, digest, changed, damage = file.run("grows", hashing)
    assert got == [frame for _, frame in file.records] and damage == []
    assert digest == hashlib.sha256(file.data).hexdigest()
    assert f"its first {len(file.data):,} bytes" in changed


@pytest.mark.parametrize("hashing", ["beside", "turns"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_is_cut(tmp_path, monkeypatch, hashing, pack):
    monkeypatch.setattr(digests, "LARGE", 0 if hashing == "beside" else 1 << 40)
    file = Meanwhile(tmp_path / "a", pack)
    got, digest, _, (damage,) = file.run("shrinks", hashing)
    assert 0 < len(got) < len(file.records) and got == [frame for _, frame in file.records[: len(got)]]
    assert "was cut from" in damage.what and not damage.recovered
    # as it was before, or none
    assert digest in (None, hashlib.sha256(file.data).hexdigest())


def test_a_file_that_is_cut_between_two_records(tmp_path):
    file = Meanwhile(tmp_path / "a.pcap")
    file.shrinks = lambda: os.truncate(file.path, len(pcap(file.records[:10000])))
    got, _, _, (damage,) = file.run("shrinks")
    assert 10000 <= len(got) < len(file.records) and "was cut from" in damage.what


@pytest.mark.parametrize("hashing", ["beside", "turns"])
def test_a_file_that_is_replaced(tmp_path, monkeypatch, hashing):
    """Nothing is taken from the file that has its name now, its digest neither."""
    monkeypatch.setattr(digests, "LARGE", 1 << 40)
    file = Meanwhile(tmp_path / "a.pcap")
    got, digest, changed, damage = file.run("is_replaced", hashing)
    assert got == [frame for _, frame in file.records] and damage == []
    assert digest in (None, hashlib.sha256(file.data).hexdigest()) and "another file" in changed


@pytest.mark.parametrize("held", [0, 256])
def test_files_replaced_before_their_turn(tmp_path, monkeypatch, held):
    monkeypatch.setattr(merge, "HELD_FILES", held)
    first, second = records(20, 400), [(ts + 10**12, frame) for ts, frame in records(20000, 400)]
    (tmp_path / "a.pcap").write_bytes(pcap(first))
    (tmp_path / "b.pcap").write_bytes(pcap(second))
    record = Packet()
    got = 0
    with open_captures([tmp_path]) as source:
        while source.advance(record):
            got += 1
            if got == 1:
                (tmp_path / "c").write_bytes(pcap(second[:30]))
                (tmp_path / "c").rename(tmp_path / "b.pcap")
        assert got == 20 and ["another file" in one.what for one in source.damage] == [True]


def test_nothing_stays_open(tmp_path, no_thread):
    found = records(1000, 1500)
    (tmp_path / "a.pcap").write_bytes(pcap(found))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        check(tmp_path / "a.pcap", found)
    with open_captures([tmp_path / "a.pcap"]):
        pass
    for _ in range(100):
        # a thread waits for the process to end
        gc.collect()
        if len(os.listdir("/proc/self/fd")) <= before:
            return
        time.sleep(0.05)
    raise AssertionError(os.listdir("/proc/self/fd"))
