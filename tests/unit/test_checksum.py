"""The Internet checksum's sum against RFC 1071 written out, and its one bounds check."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctreplay.decode.checksum import Checksum
from ctreplay.packet import Packet


def reference(data: bytes) -> int:
    total = 0
    for i in range(0, len(data), 2):
        total += int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packet(data: bytes) -> Packet:
    p = Packet()
    p.buf = data
    return p


@given(data=st.binary(max_size=80), before=st.integers(0, 5), after=st.integers(0, 5))
@example(data=b"\xff" * 7, before=1, after=0)
@example(data=b"\xff" * 65535, before=0, after=0)
def test_sum(data: bytes, before: int, after: int) -> None:
    whole = b"\xa5" * before + data + b"\x5a" * after
    assert Checksum().total(packet(whole), before, len(data)) == reference(data)


@pytest.mark.parametrize(("at", "size"), [(0, 11), (-1, 4), (8, 3), (0, -1), (11, 0)])
def test_bytes_that_are_not_there(at: int, size: int) -> None:
    with pytest.raises(IndexError):
        Checksum().total(packet(bytes(10)), at, size)
