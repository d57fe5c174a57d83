"""A process that decompresses: the same records and the same words about damage as without it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from backports import zstd
from builders import T0, pcap, rows_of

from ctreplay import digests
from ctreplay.capture import open_captures
from ctreplay.capture.unpacking import UnpackingProcess

ROOT = Path(__file__).resolve().parents[2]
PACK = {"gz": gzip.compress, "zst": zstd.compress, "xz": lzma.compress, "bz2": bz2.compress}


def made(count=2500):
    rng = random.Random(3)
    return [(T0 + i * 1_001_000, bytes(rng.choices(b"abcdefgh", k=rng.randrange(1, 700)))) for i in range(count)]


def packed_in_parts(kind, data):
    """Members one after the other, so that damage does not make all of a bzip2 stream unreadable."""
    return b"".join(PACK[kind](data[i : i + 200_000]) for i in range(0, len(data), 200_000))


def replayed(path):
    """Records, damage and digest."""
    with open_captures([path]) as source:
        rows = [(row.ts, row.data) for row in rows_of(source)]
        damage = [(one.frame, one.offset, one.what) for one in source.damage]
        assert source.progress() == (path.stat().st_size, path.stat().st_size) or damage
        return rows, damage, source.inputs[0].sha256()


@pytest.fixture
def apart(monkeypatch):
    """Every file is large; counts the processes."""
    started = []
    init = UnpackingProcess.__init__

    def counted(self, *args):
        init(self, *args)
        started.append(self)

    def switch(on):
        monkeypatch.setattr(digests, "LARGE", 0 if on else 1 << 40)
        monkeypatch.setattr(UnpackingProcess, "__init__", counted)
        started.clear()
        return started

    return switch


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("cut", [None, 0.7])
def test_same_as_in_a_thread(tmp_path, apart, kind, cut):
    packed = packed_in_parts(kind, pcap(made()))
    path = tmp_path / f"a.pcap.{kind}"
    path.write_bytes(packed if cut is None else packed[: int(len(packed) * cut)])
    apart(False)
    expected = replayed(path)
    started = apart(True)
    assert replayed(path) == expected
    assert len(started) == 1
    if cut is None:
        assert expected[0] == made() and not expected[1]
    else:
        assert 0 < len(expected[0]) < 2500 and "ends early" in expected[1][0][2]


@pytest.mark.parametrize("kind", PACK)
def test_damaged_in_the_middle(tmp_path, apart, kind):
    packed = bytearray(packed_in_parts(kind, pcap(made())))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    path = tmp_path / f"a.pcap.{kind}"
    path.write_bytes(packed)
    apart(False)
    expected = replayed(path)
    started = apart(True)
    assert replayed(path) == expected
    assert len(started) == 1
    assert expected[1] and "damaged" in expected[1][0][2]


def test_out_of_order_is_sorted(tmp_path, apart):
    found = made()
    found[2000], found[2001] = found[2001], found[2000]
    path = tmp_path / "a.pcap.zst"
    path.write_bytes(zstd.compress(pcap(found)))
    apart(True)
    assert replayed(path)[0] == sorted(found)


def test_a_process_that_is_killed_is_no_damage(tmp_path, apart):
    """The capture is as whole as before: it can be replayed again."""
    path = tmp_path / "a.pcap.zst"
    path.write_bytes(zstd.compress(pcap(made(20_000))))
    started = apart(True)
    with open_captures([path]) as source:
        os.kill(started[0].process.pid, signal.SIGKILL)
        with pytest.raises(OSError, match=r"was killed \(signal 9\)"):
            rows_of(source)
        assert not source.damage


def test_closing_early_ends_the_process(tmp_path, apart):
    path = tmp_path / "a.pcap.zst"
    path.write_bytes(zstd.compress(pcap(made(20_000))))
    started = apart(True)
    with open_captures([path]):
        pass
    assert started[0].process.returncode is not None


def test_without_a_process_a_thread_unpacks(tmp_path, apart, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError("no process to be had")

    path = tmp_path / "a.pcap.zst"
    path.write_bytes(zstd.compress(pcap(made())))
    started = apart(True)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    rows, damage, digest = replayed(path)
    assert (rows, damage, started) == (made(), [], [])
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


REPLAY = """
import sys
from ctreplay import digests
digests.LARGE = int(sys.argv.pop(1))
from ctreplay.cli import main
main()
"""


@pytest.mark.parametrize("large", [0, 1 << 40], ids=["process", "thread"])
def test_memory_that_ends_is_no_damage(tmp_path, large):
    """The capture is whole: a dataset of half of it would pass for all that can be read."""
    data = pcap(made())
    half = len(data) // 2
    streamed = []
    for part in (data[:half], data[half:]):
        packer = zstd.ZstdCompressor()
        streamed.append(bytearray(packer.compress(part) + packer.flush()))
    # the second frame asks for a window of 512 MB
    streamed[1][5] = 19 << 3
    path = tmp_path / "a.pcap.zst"
    path.write_bytes(b"".join(streamed))

    def limited(kilobytes):
        words = [sys.executable, "-c", REPLAY, str(large), str(path), "-q", "-o", str(tmp_path / "out")]
        return subprocess.run(
            ["bash", "-c", f'ulimit -v {kilobytes}; exec "$@"', "-", *words],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    done = limited(600_000)
    assert done.returncode == 2 and "out of memory" in done.stderr and not (tmp_path / "out").exists()
    done = limited("unlimited")
    assert (done.returncode, done.stderr) == (0, "")
