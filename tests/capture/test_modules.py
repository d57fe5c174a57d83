"""Compiled classes hold exactly the attributes their `.pxd` declares; all shared captures are read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from builders import read

from ctreplay.capture import CaptureError

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "pcaps"
if not SHARED.is_dir():
    SHARED = Path("/work/shared/pcaps")


def declared(pxd):
    """Class name → attributes of a .pxd."""
    found: dict[str, set[str]] = {}
    for line in pxd.read_text().splitlines():
        if opened := re.match(r"cdef class (\w+)", line):
            current = found.setdefault(opened[1], set())
        elif (attribute := re.match(r"    cdef (?:public |readonly )?[^(]*?(\w+)$", line)) and found:
            current.add(attribute[1])
    return found


@pytest.mark.parametrize("pxd", sorted((ROOT / "ctreplay" / "capture").glob("*.pxd")), ids=lambda path: path.stem)
def test_slots_equal_the_declared_attributes(pxd):
    source = pxd.with_suffix(".py").read_text()
    for name, attributes in declared(pxd).items():
        body = source.split(f"class {name}", 1)[1].split("\nclass ", 1)[0]
        slots = re.search(r"__slots__ = \((.*?)\)", body, re.DOTALL)
        assert slots is not None, name
        assert set(re.findall(r'"(\w+)"', slots[1])) == attributes, name


def table():
    """Rows of the README of the shared captures: (path, packets)."""
    if not (SHARED / "README.md").is_file():
        return []
    rows = re.findall(r"^\| `([^`]+)` \|(?:[^|]*\|){3} (\d+) \|", (SHARED / "README.md").read_text(), re.MULTILINE)
    return [(SHARED / name, int(count)) for name, count in rows]


@pytest.mark.skipif(not table(), reason="the shared captures are not here")
def test_shared_captures_hold_the_packets_their_table_says():
    # behind their damage two files hold more records, which are found again
    more = {"garbage_after_8_packets.pcap": 123, "bad_caplen_after_6_packets.pcap": 13}
    for path, count in table():
        try:
            rows, source = read(path)
        except CaptureError as error:
            assert path.suffix == ".snoop" and "snoop" in error.message
            continue
        assert len(rows) == more.get(path.name, count), path
        assert "broken" in path.parts or not source.damage, path
        assert [row.ts for row in rows] == sorted(row.ts for row in rows), path


@pytest.mark.skipif(not table() or not shutil.which("tshark"), reason="needs the shared captures and tshark")
@pytest.mark.parametrize(
    "name",
    [
        "pcapng_multi_interface_steam.pcapng",
        "vpn_timestamps_backwards_547s.pcap",
        "format_pcapng_bigendian_old_packet_block.pcapng",
        "tcp_urgent_17_days_bigendian.pcap",
    ],
)
def test_times_and_lengths_as_tshark_reads_them(name):
    fields = ["frame.number", "frame.time_epoch", "frame.cap_len", "frame.len"]
    command = ["tshark", "-n", "-r", str(SHARED / name), "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    out = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin"}
    ).stdout
    want = []
    for line in out.splitlines():
        number, when, caplen, length = line.split("\t")
        seconds, fraction = when.split(".")
        want.append((int(number), int(seconds) * 10**9 + int(fraction.ljust(9, "0")), int(caplen), int(length)))
    rows, _ = read(SHARED / name)
    assert sorted((row.frame, row.ts, row.caplen, row.wirelen) for row in rows) == want
