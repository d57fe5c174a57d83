"""Spoilt captures through the whole program, for a bounded time: a clear refusal or a dataset whose sums agree."""

from __future__ import annotations

import os
import random
import shutil
import struct
import time
from pathlib import Path

from ctreplay.capture import CaptureError
from ctreplay.replaying import replay_to
from tests.capture.builders import block, epb, idb, option, pad, shb

from .program import SAMPLES, run
from .test_dataset import check_sums

SECONDS = float(os.environ.get("CTREPLAY_FUZZ_SECONDS", "6"))
SEED = int(os.environ.get("CTREPLAY_FUZZ_SEED", "1"))
FILES = [p for p in sorted(SAMPLES.iterdir()) if p.suffix in (".pcap", ".pcapng", ".gz", ".xz", ".zst")]

LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")


def records(data: bytes) -> list[bytes]:
    """The records of a little-endian pcap."""
    at, found = 24, []
    while at + 16 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        found.append(data[at : at + 16 + size])
        at += 16 + size
    return found


def as_pcapng(rng: random.Random, data: bytes) -> bytes:
    """The records of a little-endian pcap in a pcapng file, among blocks of every kind."""
    (linktype,) = struct.unpack_from("<I", data, 20)
    out = shb() + idb(linktype=linktype & 0xFFFF) + idb(linktype=linktype & 0xFFFF)
    for n, record in enumerate(records(data)):
        seconds, fraction = struct.unpack_from("<II", record)
        body, ticks = record[16:], seconds * 1_000_000 + fraction % 1_000_000
        kind = rng.random()
        if kind < 0.06:
            counters = b"".join(option(code, rng.randbytes(8)) for code in (4, 5, 6, 7))
            out += block(5, struct.pack("<III", n % 2, ticks >> 32, ticks & 0xFFFFFFFF) + counters)
        elif kind < 0.1:
            out += block(rng.choice((4, 10, 0x77, 0x40000BAD)), rng.randbytes(4 * rng.randrange(2, 60)))
        elif kind < 0.14:
            out += block(3, struct.pack("<I", len(body)) + pad(body))
        elif kind < 0.2:
            head = struct.pack("<HHIIII", n % 2, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(body), len(body))
            out += block(2, head + pad(body))
        else:
            out += epb(n % 2, ticks, body, options=option(1, b"comment") if kind > 0.9 else b"")
    return out


def spoil(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    kind = rng.choice(["bytes", "bytes", "head", "cut", "hole", "twice", "order", "length", "time", "link"])
    if kind == "order" and data[:4] in LITTLE:
        rows = records(data)
        rng.shuffle(rows)
        return data[:24] + b"".join(rows)
    if kind == "cut":
        return data[: rng.randrange(len(data))]
    at = rng.randrange(len(out))
    if kind == "hole":
        del out[at : at + rng.choice([1, 4, 17, 500])]
    elif kind == "twice":
        out[at:at] = out[max(0, at - 300) : at]
    elif kind == "head":
        out[rng.randrange(min(40, len(out)))] = rng.randrange(256)
    elif kind == "link" and len(out) > 24:
        out[20:24] = struct.pack(
            "<I", rng.choice([0, 6, 9, 10, 12, 50, 51, 104, 105, 107, 113, 127, 192, 239, 276, 999])
        )
    elif kind in ("length", "time"):
        # some aligned word becomes a number that hurts
        at = at & ~3
        out[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 65536, 262145]))
    else:
        for _ in range(rng.choice([1, 3, 20])):
            out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def test_spoilt_captures(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    end = time.monotonic() + SECONDS
    rounds = refused = 0
    while time.monotonic() < end:
        source = rng.choice(FILES)
        data = source.read_bytes()[: rng.choice([3_000, 20_000])]
        if data[:4] in LITTLE and rng.random() < 0.4:
            data = as_pcapng(rng, data)
        for _ in range(rng.choice([1, 1, 2, 4])):
            data = spoil(rng, data) or b"\0"
        path = tmp_path / "spoilt"
        path.write_bytes(data)
        sysctls = {"nf_conntrack_checksum": rng.randrange(2), "nf_conntrack_max": rng.choice([0, 0, 10])}
        rounds += 1
        try:
            replay_to([path], tmp_path / "out", sysctls=sysctls, packets="all", force=True)
        except CaptureError as error:
            refused += 1
            assert str(path) in str(error)
            continue
        except Exception:
            shutil.copy(path, "/tmp/ctreplay-fuzz-failure")
            raise
        try:
            check_sums(tmp_path / "out")
        except AssertionError:
            shutil.copy(path, "/tmp/ctreplay-fuzz-failure")
            raise
    assert rounds > 5 and refused < rounds


def test_spoilt_captures_through_the_program(tmp_path: Path) -> None:
    """A few, with the screen: the exit code is one of the defined, and no traceback."""
    rng = random.Random(SEED + 1)
    for n in range(4):
        path = tmp_path / f"spoilt{n}.pcap"
        path.write_bytes(spoil(rng, spoil(rng, rng.choice(FILES).read_bytes()[:20_000])) or b"\0")
        done = run(path, "--strict", "-o", tmp_path / f"out{n}", "--packets", "all")
        assert done.returncode in (0, 2, 3), done.stderr
        assert "Traceback" not in done.stderr + done.stdout
        assert (tmp_path / f"out{n}").exists() == (done.returncode != 2)
