"""The captures in sample_pcaps/ are what their README says, small, readable and free of anything private."""

from __future__ import annotations

import gzip
import io
import ipaddress
import itertools
import lzma
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import dpkt
import pytest
from backports import zstd

from ctreplay.capture import OutOfOrder, open_captures
from ctreplay.capture.record import Record

FOLDER = Path(__file__).resolve().parents[2] / "sample_pcaps"
SUFFIXES = {".pcap", ".pcapng", ".gz", ".xz", ".zst"}
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in SUFFIXES)
ROW = re.compile(r"^\| `([^`]+)` \| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
DESCRIBED = {name: int(count) for name, count, *_ in ROW.findall((FOLDER / "README.md").read_text("utf-8"))}
INCOMPLETE = "truncated.pcap"  # its last record is cut off on purpose

# private, documentation (RFC 5737, 3849), shared (RFC 6598), link-local, multicast, broadcast, unspecified
ALLOWED = [
    ipaddress.ip_network(net)
    for net in (
        *("10.0.0.0/8", "172.16.0.0/12", "198.51.100.0/24", "203.0.113.0/24", "100.64.0.0/10", "224.0.0.0/4"),
        *("255.255.255.255/32", "2001:db8::/32", "fe80::/10", "ff00::/8", "::/128"),
    )
]


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".gz":
            return gzip.decompress(data)
        case ".xz":
            return lzma.decompress(data)
        case ".zst":
            return zstd.decompress(data)
    return data


def frames(path: Path) -> Iterator[bytes]:
    """Every frame, read by dpkt: a reader that is not ours."""
    data = unpacked(path)
    reader = dpkt.pcapng.Reader if data[:4] == b"\x0a\x0d\x0d\x0a" else dpkt.pcap.Reader
    for _, frame in reader(io.BytesIO(data)):
        yield bytes(frame)


def times(path: Path) -> list[int]:
    """Timestamps in nanoseconds, read by ours."""
    rec = Record()
    with open_captures([path]) as source:
        while True:
            found = []
            try:
                while source.advance(rec):
                    found.append(rec.ts)
                return found
            except OutOfOrder:
                source.restart()


def test_every_capture_is_described_and_every_description_has_its_capture() -> None:
    assert {path.name for path in FILES} == set(DESCRIBED)
    assert len(DESCRIBED) >= 30


def test_together_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in FILES) < 5_000_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_packet_count_and_order(path: Path) -> None:
    seen = times(path)
    assert len(seen) == DESCRIBED[path.name] > 0
    assert seen == sorted(seen)
    assert sum(1 for _ in frames(path)) == DESCRIBED[path.name] + (path.name == INCOMPLETE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_private(path: Path) -> None:
    for frame in frames(path):
        if len(frame) < 34:
            continue  # the cut-off record
        assert frame[6:10] == b"\x02\x00\x00\x00", "a source address that is no veth of the recorder"
        assert frame[:4] == b"\x02\x00\x00\x00" or frame[0] & 1
        at, kind = 12, int.from_bytes(frame[12:14])
        while kind in (0x8100, 0x88A8):
            at += 4
            kind = int.from_bytes(frame[at : at + 2])
        header = frame[at + 2 :]
        if kind == 0x0800:
            addresses = [header[12:16], header[16:20]]
        elif kind == 0x86DD:
            addresses = [header[8:24], header[24:40]]
        else:
            assert kind == 0x0806
            continue
        for address in map(ipaddress.ip_address, addresses):
            assert any(address in net for net in ALLOWED), address


def test_copies_of_one_capture_are_equal() -> None:
    plain = (FOLDER / "tftp.pcap").read_bytes()
    assert all(unpacked(FOLDER / f"tftp.pcap.{kind}") == plain for kind in ("gz", "xz", "zst"))


@pytest.mark.parametrize(
    ("name", "silences_s"),
    [
        ("idle_timeout.pcap", {340: 1, 400: 1}),
        ("idle_close_peaks.pcap", {10: 1, 50: 1}),
        ("keepalives.pcap", {60: 7}),
        ("late_packets.pcap", {90: 1, 200: 1}),
        ("sip_register_late.pcap", {60: 1, 240: 1}),
        ("udp_stale_entry.pcap", {20: 19}),
        ("udp_stream.pcap", {40: 1}),
    ],
)
def test_stretched_silences_are_as_long_as_stated(name: str, silences_s: dict[int, int]) -> None:
    seen = times(FOLDER / name)
    gaps = [(b - a) / 1e9 for a, b in itertools.pairwise(seen)]
    for seconds, count in silences_s.items():
        assert sum(abs(gap - seconds) < 1e-6 for gap in gaps) == count, seconds


def test_the_pcapng_keeps_both_sides_apart() -> None:
    data, at, per_interface = (FOLDER / "two_interfaces.pcapng").read_bytes(), 0, [0, 0]
    while at < len(data):
        kind, length, interface = struct.unpack_from("<III", data, at)
        if kind == 6:
            per_interface[interface] += 1
        at += length
    assert per_interface[0] == per_interface[1] > 0
