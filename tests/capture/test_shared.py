"""All shared captures are read, as their table says and as tshark reads them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from builders import read

from ctreplay.capture import CaptureError
from tests.conftest import SHARED

PCAPS = SHARED / "pcaps"


def table():
    """Rows of the README of the shared captures: (path, packets)."""
    rows = re.findall(r"^\| `([^`]+)` \|(?:[^|]*\|){3} (\d+) \|", (PCAPS / "README.md").read_text(), re.MULTILINE)
    return [(PCAPS / name, int(count)) for name, count in rows]


@pytest.mark.skipif(not PCAPS.is_dir(), reason="the shared captures are not here")
def test_shared_captures_hold_the_packets_their_table_says():
    # behind their damage two files hold more records, which are found again
    more = {"garbage_after_8_packets.pcap": 123, "bad_caplen_after_6_packets.pcap": 13}
    listed = table()
    assert len(listed) > 50
    for path, count in listed:
        try:
            rows, source = read(path)
        except CaptureError as error:
            assert path.suffix == ".snoop" and "snoop" in error.message
            continue
        assert len(rows) == more.get(path.name, count), path
        assert "broken" in path.parts or not source.damage, path
        assert [row.ts for row in rows] == sorted(row.ts for row in rows), path


@pytest.mark.skipif(not PCAPS.is_dir() or not shutil.which("tshark"), reason="needs the shared captures and tshark")
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
    command = ["tshark", "-n", "-r", str(PCAPS / name), "-T", "fields"]
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
    rows, _ = read(PCAPS / name)
    assert sorted((row.frame, row.ts, row.caplen, row.wirelen) for row in rows) == want
