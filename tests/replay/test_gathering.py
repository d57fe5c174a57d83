"""Frames are decoded several at a time: the rows are those of one at a time, wherever their bytes are moved."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ctreplay.capture import CaptureError, OutOfOrder, open_captures
from ctreplay.capture.until import Until
from ctreplay.capture.write import PcapngWriter
from ctreplay.dataset.columns import LAYOUTS
from ctreplay.dataset.rows import RowSink
from ctreplay.dataset.tables import in_memory
from ctreplay.engine import PACKETS_ALL, Engine
from ctreplay.packet import Packet
from ctreplay.tracker import sysctl
from ctreplay.tracker.settings import Settings
from tests.capture.builders import T0, pcap
from tests.traffic import build as b
from tests.traffic import generate

from .program import SAMPLES
from .test_fuzz import spoil

CAPTURES = sorted(p for p in SAMPLES.iterdir() if p.suffix in (".pcap", ".pcapng", ".gz", ".zst", ".xz"))
S = 10**9


def rows(paths: list[Path], singly: bool) -> tuple[Any, ...]:
    """All rows, the counters, the damage."""
    with open_captures([str(path) for path in paths]) as captures:
        while True:
            batches: list[Any] = []

            def flush(table: str, columns: dict[str, Any], n: int, found: list[Any] = batches) -> None:
                streamed = table in LAYOUTS
                found.append((table, pq.read_table(in_memory(table, columns, n)) if streamed else columns["rows"]))

            engine = Engine(Settings(sysctl.defaults()), RowSink(flush), PACKETS_ALL)
            # a source that says nothing of the next frame
            source = Until(captures) if singly else captures
            try:
                count = engine.run(source, 1 << 30)
                break
            except OutOfOrder:
                captures.restart()
        engine.tracker.finish()
        engine.sink.finish()
        quality = engine.quality
        return (
            count, batches, list(engine.tracker.reason_counts), engine.late, engine.fragments, quality.checked,
            quality.duplicates, quality.undecodable_counts, [str(one) for one in captures.damage],
        )  # fmt: skip


def agree(*paths: Path) -> int:
    """The number of records, after both ways gave the same."""
    one, many = rows(list(paths), True), rows(list(paths), False)
    assert one == many
    count: int = one[0]
    return count


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_samples(path: Path) -> None:
    assert agree(path) > 0


def test_merged_by_time() -> None:
    assert agree(*CAPTURES[:12], *CAPTURES[20:]) > 2000


def frames(seed: int, count: int) -> list[tuple[int, bytes]]:
    """Frames of very different sizes, some cut so short that they are tracked as a padded copy."""
    rng = random.Random(seed)
    traffic = sorted(generate(seed, count), key=lambda row: row[0])
    found = []
    for ts, frame in traffic:
        cut = rng.choice((0, 0, 0, rng.randrange(1, 60)))
        found.append((ts, frame[:cut] if cut else frame + bytes(rng.choice((0, 0, 9000, rng.randrange(70_000))))))
    return found


@pytest.mark.parametrize("order", ["in order", "disordered"])
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_windows_of_files_larger_than_them(tmp_path: Path, form: str, order: str) -> None:
    found = frames(3, 400)
    if order == "disordered":
        random.Random(5).shuffle(found)
    path = tmp_path / f"x.{form}"
    if form == "pcap":
        path.write_bytes(pcap(found, linktype=101, nano=True))
    else:
        with path.open("wb") as file:
            writer = PcapngWriter(file)
            interfaces = [writer.interface(101), writer.interface(101)]
            for n, (ts, data) in enumerate(found):
                writer.write(interfaces[n % 3 // 2], ts, data, len(data))
    assert path.stat().st_size > 1 << 20
    assert agree(path) == len(found)


def test_spoilt_files(tmp_path: Path) -> None:
    rng = random.Random(11)
    data = pcap(frames(7, 300), linktype=101, nano=True)
    for n in range(40):
        path = tmp_path / f"{n}.pcap"
        path.write_bytes(spoil(rng, data[:24]) + data[24:] if n < 3 else data[:24] + spoil(rng, data[24:]))
        try:
            agree(path)
        except Exception as error:
            # refused at the first look, either way
            assert type(error) is CaptureError, n


def test_the_packets_decoded_ahead_are_those_tracked(tmp_path: Path) -> None:
    """All entries of a table too large for the caches are met again, among the frames of a second capture."""
    packets = [
        b.ipv4(bytes((10, 0, n >> 8, n & 255)), bytes((11, 0, 0, 1)), 17, b.udp(1024 + n, 53, b"x"))
        for n in range(6000)
    ]
    paths = []
    for k in (0, 1):
        path = tmp_path / f"{k}.pcap"
        half = [(T0 + n * 1000, packets[n % 6000]) for n in range(k, 18_000, 2)]
        path.write_bytes(pcap(half, linktype=101, nano=True))
        paths.append(path)
    assert agree(*paths) == 18_000


def test_not_more_than_asked_for(tmp_path: Path) -> None:
    """The first packet after a stop is the next one of the capture."""
    path = tmp_path / "x.pcap"
    udp = b.ipv4(bytes((10, 0, 0, 1)), bytes((11, 0, 0, 1)), 17, b.udp(1, 53, b"x"))
    path.write_bytes(pcap([(T0 + n * S, udp) for n in range(50)], linktype=101))
    engine = Engine(Settings(sysctl.defaults()), RowSink(lambda *_: None), PACKETS_ALL)
    with open_captures([str(path)]) as captures:
        assert engine.run(captures, 7) == 7
        record = Packet()
        assert captures.advance(record) and record.number == 8
        assert engine.run(captures, 100) == 42
