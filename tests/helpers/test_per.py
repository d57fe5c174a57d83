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


# extension bit, a, three additions: the first and the third are there
_ADDED = bytes.fromhex("c150")


def _with(**how: int) -> per.Sequence:
    return per.Sequence((per.must("a", per.Bool()),), more=((2, "b", per.Int(0, 255)),), **how)


def test_additions_nobody_asks_for_are_passed_over() -> None:
    assert per.read(_with(known=3), _ADDED + b"\x02\xff\xff\x01\x07") == {"a": True, "b": 7}


def test_additions_the_kernel_does_not_know_count_as_present() -> None:
    # the second addition is not there, and yet it is passed over
    assert per.read(_with(known=1), _ADDED + b"\x02\xff\xff" + b"\x01\x00" + b"\x01\x07") == {"a": True, "b": 7}
    with pytest.raises(per.PerError):
        per.read(_with(known=1), _ADDED + b"\x02\xff\xff" + b"\x01\x07")


def test_the_last_addition_that_is_looked_at() -> None:
    kind = per.Sequence((per.must("first", _with(known=3, last=0)), per.must("next", per.Int(0, 255))), False)
    assert per.read(kind, _ADDED + b"\x01\xff" + b"\x2a") == {"first": {"a": True}, "next": 42}


def test_at_most_32_additions() -> None:
    thirty_two = bytes.fromhex("9f00000000")
    assert per.read(per.Sequence((), known=32), thirty_two) == {}
    with pytest.raises(per.PerError, match="more additions"):
        per.read(per.Sequence((), known=40), bytes.fromhex("a00000000000"))


def test_a_bitmap_that_ends_with_the_fourth_octet_is_read_from_its_first_bit() -> None:
    # ten bits, and 30 additions, none of them there: the last two of the ten are taken for the first two of these
    kind = per.Sequence(per.flags(2), known=30, more=((1, "b", per.Int(0, 255)),))
    assert per.read(kind, bytes.fromhex("e740000000") + b"\x01\x07") == {"flag0": True, "flag1": True, "b": 7}


def test_where_the_kernel_stops() -> None:
    choice = per.Choice((("known", per.Int(0, 255)), ("stop", None)), more=((0, "stop", None),))
    kind = per.Sequence((per.must("c", choice), per.must("next", per.Int(0, 255))), False)
    assert per.read(kind, b"\x00\x01\x02") == {"c": ("known", 1), "next": 2}
    assert per.read(kind, b"\x40\x02") == {"c": ("stop", None), "next": 2}
    assert per.read(kind, b"\x80\x02") == {"c": ("stop", None), "next": 2}


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
