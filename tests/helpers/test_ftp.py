"""FTP lines as the helper reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctreplay.helpers import ftp

HOST = 10 << 24 | 5
LINES = [
    (b"PORT 10,0,0,5,156,64\r\n", False, 4, (HOST, 40000)),
    (b"port 10,0,0,5,156,64\r\n", False, 4, (HOST, 40000)),
    (b"PORT 10,0,0,5,300,1\r\n", False, 4, (HOST, (300 << 8 | 1) & 0xFFFF)),
    (b"EPRT |1|10.0.0.5|40000|\r\n", False, 4, (HOST, 40000)),
    (b"EPRT |2|2001:db8::5|40000|\r\n", False, 6, (0x20010DB8 << 96 | 5, 40000)),
    (b"227 Entering Passive Mode (10,0,0,5,156,64).\r\n", True, 4, (HOST, 40000)),
    (b"227 =10,0,0,5,156,64\r\n", True, 4, (HOST, 40000)),
    (b"229 Entering Extended Passive Mode (|||40000|)\r\n", True, 4, (None, 40000)),
    (b"229 x (!!!40000!)\r\n", True, 6, (None, 40000)),
]
REFUSED = [
    (b"PORT 10,0,0,5,156,64\n", False, 4),
    (b"PORT\t10,0,0,5,156,64\r\n", False, 4),
    (b"EPRT |2|2001:db8::5|40000|\r\n", False, 4),
    (b"EPRT |1|10.0.0.5|0|\r\n", False, 4),
    (b"229 Entering Extended Passive Mode (|||0|)\r\n", True, 4),
    (b"229 Entering Extended Passive Mode (|x|40000|)\r\n", True, 4),
    (b"227 no numbers here\r\n", True, 4),
]


@pytest.mark.parametrize(("line", "reply", "family", "found"), LINES)
def test_announcements(line: bytes, reply: bool, family: int, found: object) -> None:
    assert ftp.command(line, reply, family) == found


@pytest.mark.parametrize(("line", "reply", "family"), REFUSED)
def test_malformed_announcements_drop_the_packet(line: bytes, reply: bool, family: int) -> None:
    assert ftp.command(line, reply, family) == "partial"


@pytest.mark.parametrize(("line", "reply", "family", "found"), LINES)
def test_every_truncation_is_partial_until_the_number_is_whole(
    line: bytes, reply: bool, family: int, found: tuple[int | None, int]
) -> None:
    for n in range(1, len(line)):
        got = ftp.command(line[:n], reply, family)
        assert got == "partial" or got == found, line[:n]
    # nothing, or a single character of the command, could still become it
    assert ftp.command(line[:1], reply, family) == "partial"


@pytest.mark.parametrize("line", [b"USER x\r\n", b"RETR PORT 1,2,3,4,5,6\r\n", b"226 done\r\n", b"\r\n"])
def test_other_lines(line: bytes) -> None:
    assert ftp.command(line, False, 4) is None
    assert ftp.command(line, True, 4) is None


def test_lines_remembers_two_and_replaces_the_older() -> None:
    lines = ftp.Lines()
    lines.remember(False, 100)
    lines.remember(False, 200)
    lines.remember(False, 150)
    assert lines.after_newline[False] == [150, 200]
    lines.remember(False, 120)
    assert lines.after_newline[False] == [150, 200]
    assert not lines.known(True, 150)


def test_lines_compare_sequence_numbers_modulo_32_bits() -> None:
    lines = ftp.Lines()
    lines.remember(False, 0xFFFFFFF0)
    lines.remember(False, 0x10)
    lines.remember(False, 0x20)
    assert sorted(lines.after_newline[False]) == [0x10, 0x20]


@given(st.binary(max_size=400), st.booleans(), st.sampled_from([4, 6]))
def test_any_bytes(data: bytes, reply: bool, family: int) -> None:
    for prefix in (b"", b"PORT ", b"EPRT |1|", b"EPRT |2|", b"227 ", b"229 ("):
        found = ftp.command(prefix + data, reply, family)
        assert found is None or found == "partial" or 0 <= found[1] < 65536
