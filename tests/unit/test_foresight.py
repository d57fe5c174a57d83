"""Looking ahead finds the tuple that the lookup will ask for, or none; never anything that changes a row."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ctreplay import engine as engine_module
from ctreplay.build import compiled
from ctreplay.capture import open_captures
from ctreplay.capture.write import PcapngWriter
from ctreplay.dataset.rows import RowSink
from ctreplay.engine import PACKETS_ALL, Engine
from ctreplay.foresight import Foresight
from ctreplay.packet import Packet
from ctreplay.tracker import sysctl
from ctreplay.tracker.settings import Settings
from ctreplay.tracker.table import Table

pytestmark = pytest.mark.skipif(not compiled(), reason="nothing looks ahead in plain Python")

MANY = 5000
V4 = 0x0800
V6 = 0x86DD
LINKS = {
    "ethernet": (1, lambda kind: bytes(12) + struct.pack("!H", kind)),
    "vlan": (1, lambda kind: bytes(12) + struct.pack("!HHH", 0x8100, 7, kind)),
    "raw": (101, lambda kind: b""),
    "cooked": (113, lambda kind: bytes(14) + struct.pack("!H", kind)),
    "cooked2": (276, lambda kind: struct.pack("!H", kind) + bytes(18)),
}


def ip(kind: int, proto: int = 17, *, number: int = 0, options: bytes = b"", fragment: int = 0) -> bytes:
    ports = struct.pack("!HHHH", 1024 + number, 53, 16, 0) + bytes(8)
    if kind == V4:
        size = 20 + len(options) + len(ports)
        head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, size, number & 0xFFFF, fragment, 64, proto, 0)
        return head + struct.pack("!II", 0x0A000000 + number, 0x0B000001) + options + ports
    head = struct.pack("!IHBB", 6 << 28, len(ports), proto, 64)
    return head + struct.pack("!QQQQ", 0xFD << 56, number, 0xFD << 56, 1 << 40) + ports


def capture(path: Path, linktype: int, frames: list[bytes], cut: int | None = None) -> Path:
    out = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 0x40000, linktype)
    for n, frame in enumerate(frames):
        data = frame[:cut]
        out += struct.pack("<IIII", 1, n, len(data), len(frame)) + data
    path.write_bytes(out)
    return path


def foreseen(path: Path) -> Packet | None:
    """What is known of the second frame while the first one is the current one."""
    table = Table()
    table.count = MANY
    with open_captures([path]) as source:
        current = Packet()
        assert source.advance(current)
        found = Foresight(table)
        found.packet.sport = -1
        assert source.current is not None
        found.look(source.current)
        return found.packet if found.packet.sport >= 0 else None


@pytest.mark.parametrize("kind", [V4, V6])
@pytest.mark.parametrize("link", LINKS)
def test_the_tuple_of_the_next_frame(tmp_path: Path, link: str, kind: int) -> None:
    linktype, header = LINKS[link]
    path = capture(tmp_path / "x.pcap", linktype, [header(kind) + ip(kind, number=n) for n in (1, 2)])
    engine = Engine(Settings(sysctl.defaults()), RowSink(lambda *_: None), PACKETS_ALL)
    with open_captures([path]) as source:
        assert engine.run(source, 5) == 2
    found, right = foreseen(path), engine.packet
    assert found is not None
    for name in ("proto", "src_hi", "src_lo", "dst_hi", "dst_lo", "sport", "dport"):
        assert getattr(found, name) == getattr(right, name), name


def test_pcapng(tmp_path: Path) -> None:
    with open(tmp_path / "x.pcapng", "wb") as file:
        writer = PcapngWriter(file)
        interface = writer.interface(101)
        for n in (1, 2):
            data = ip(V4, number=n)
            writer.write(interface, n, data, len(data))
    found = foreseen(tmp_path / "x.pcapng")
    assert found is not None and (found.proto, found.sport, found.dport) == (17, 1026, 53)


@pytest.mark.parametrize("kind", [V4, V6])
@pytest.mark.parametrize("link", LINKS)
def test_every_cut(tmp_path: Path, link: str, kind: int) -> None:
    linktype, header = LINKS[link]
    frames = [header(kind) + ip(kind, number=n) for n in (1, 2)]
    ports_end = len(frames[0]) - 12
    for cut in range(1, len(frames[0])):
        found = foreseen(capture(tmp_path / "x.pcap", linktype, frames, cut))
        assert found is None or cut >= ports_end, cut


@pytest.mark.parametrize(
    "packet",
    [ip(V4, 1), ip(V4, options=bytes(4)), ip(V4, fragment=0x2000), ip(V4, fragment=9), ip(V6, 44), ip(V6, 0)],
)
def test_what_is_not_plain_is_left_alone(tmp_path: Path, packet: bytes) -> None:
    assert foreseen(capture(tmp_path / "x.pcap", 101, [ip(V4), packet])) is None


def test_rows_are_the_same_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two captures merged by time, more live entries than the threshold, every entry met again."""
    frames = [ip(V4 if n % 7 else V6, number=n % 7000) for n in range(21_000)]
    paths = [capture(tmp_path / f"{n}.pcap", 101, frames[n::2]) for n in (0, 1)]
    seen = []
    for ahead in (True, False):
        if not ahead:
            monkeypatch.setattr(engine_module, "compiled", lambda: False)
        batches: list[tuple[str, int, list[bytes]]] = []

        def flush(table: str, columns: dict[str, memoryview], n: int, found: list[object] = batches) -> None:
            names = sorted(set(columns) - {"extra", "rows"})
            found.append((table, n, [columns[name].cast("B").tobytes() for name in names]))

        engine = Engine(Settings(sysctl.defaults()), RowSink(flush), PACKETS_ALL)
        assert (engine.foresight is not None) == ahead
        with open_captures(paths) as source:
            assert engine.run(source, 1 << 20) == len(frames)
        assert engine.tracker.table.count == 7000
        engine.tracker.finish()
        engine.sink.finish()
        seen.append(batches)
    assert seen[0] == seen[1] and len(seen[0]) >= 3
