"""The PER reader: known encodings, every value that the encoder writes, every truncation, any bytes."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctreplay.helpers import h225_types, h245_types, per
from tests.helpers.per_encode import encode, kept, random_value

TYPES = {
    "h245": h245_types.MESSAGE,
    "open": h245_types.OPEN_CHANNEL,
    "q931": h225_types.USER_INFORMATION,
    "ras": h225_types.RAS_MESSAGE,
}


def test_numbers_by_range() -> None:
    assert per.read(per.Int(1, 8), b"\xa0") == 6
    assert per.read(per.Int(0, 255), b"\x07") == 7
    assert per.read(per.Int(1, 65535), b"\x00\x04") == 5
    # three octets of number behind a length of two bits
    assert per.read(per.Int(0, 0xFFFFFFFF), b"\x80\x01\x00\x00") == 65536


def test_an_address() -> None:
    assert per.read(h225_types.ADDRESS, b"\x00\x0a\x00\x00\x01\x06\xb8") == (
        "ip4",
        {"network": b"\x0a\x00\x00\x01", "port": 1720},
    )


def test_unknown_additions_are_passed_over() -> None:
    kind = per.Sequence((per.must("a", per.Bool()),), more=((2, "b", per.Int(0, 255)),))
    # extension bit, a, three additions: the first and the third are there
    bits = "1" + "1" + "0000010" + "101"
    data = int(bits.ljust(16, "0"), 2).to_bytes(2, "big") + b"\x02\xff\xff" + b"\x01\x07"
    assert per.read(kind, data) == {"a": True, "b": 7}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("seed", range(60))
def test_reads_what_the_encoder_writes(name: str, seed: int) -> None:
    rng = random.Random(seed)
    value = random_value(rng, TYPES[name], rng.choice((0.1, 0.4, 0.8)))
    data = encode(TYPES[name], value)
    # as in the kernel, something must follow a length or lifetime at the very end
    assert per.read(TYPES[name], data + bytes(8)) == kept(TYPES[name], value)
    for n in range(len(data)):
        try:
            per.read(TYPES[name], data[:n])
        except per.PerError:
            continue


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(TYPES)))
def test_any_bytes(data: bytes, name: str) -> None:
    try:
        per.read(TYPES[name], data)
    except per.PerError:
        return


def test_a_large_count_ends_with_the_data() -> None:
    began = time.process_time()
    with pytest.raises(per.PerError):
        per.read(per.ListOf(per.Bool()), b"\xbf\xff" + bytes(60))
    with pytest.raises(per.PerError):
        per.read(per.ListOf(h225_types.ADDRESS), b"\xbf\xff" + bytes(60000))
    assert time.process_time() - began < 1
