"""The plain form of the integers in a capture's bytes; the compiled one answers wherever packets are decoded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ctreplay import octets


@given(st.binary(min_size=8, max_size=40), st.data())
def test_integers(b: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(b) - 8))
    assert octets.be16(b, at) == int.from_bytes(b[at : at + 2], "big")
    assert octets.be32(b, at) == int.from_bytes(b[at : at + 4], "big")
    assert octets.le32(b, at) == int.from_bytes(b[at : at + 4], "little")
    assert octets.be64(b, at) == int.from_bytes(b[at : at + 8], "big")
    written = bytearray(b)
    octets.put64(written, at, octets.be64(b, len(b) - 8))
    assert written == b[:at] + b[-8:] + b[at + 8 :]
