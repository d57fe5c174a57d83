"""Validity bits, places, lists and distinct addresses against what Arrow makes of plain Python values."""

from __future__ import annotations

import ipaddress
import socket
from array import array

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctreplay.dataset import convert, validity
from ctreplay.dataset.distinct import Distinct

sizes = [0, 1, 7, 8, 9, 64, 65]


def column(code: str, values: list[int]) -> memoryview:
    return memoryview(array(code, values))


@given(st.lists(st.sampled_from([-1, 0, 1, 1 << 62]), max_size=70), st.sampled_from([0, -1]))
def test_one_value_is_null(values, absent):
    found = convert.nullable(column("q", values), len(values), absent)
    assert found.equals(pa.array([None if v == absent else v for v in values], pa.int64()))
    assert found.null_count == values.count(absent)
    found.validate(full=True)


@pytest.mark.parametrize("code", ["b", "h", "B", "H"])
@given(st.lists(st.integers(-1, 7), max_size=70))
def test_names(code, values):
    names = ["", "a", "b", "a", "c"]
    values = values if code in "bh" else [max(v, 0) for v in values]
    found = convert.named(column(code, values), len(values), names)
    found.validate(full=True)
    assert found.to_pylist() == [names[v] or None if 0 <= v < len(names) else None for v in values]


@pytest.mark.parametrize("code", ["b", "h"])
@given(st.lists(st.integers(-1, 120), max_size=70))
def test_marked_codes(code, values):
    n = len(values)
    valid = convert.where(column(code, values), n, convert.marking([0, 5, 119]))
    found = convert.booleans(n, valid)
    assert found.to_pylist() == [v in (0, 5, 119) for v in values]
    assert valid.nulls == n - sum(found.to_pylist())


@pytest.mark.parametrize("n", sizes)
def test_flags(n):
    values = array("I", [i * 0x10001 for i in range(n)])
    marks, bits = bytearray(n), bytearray((n + 7) // 8)
    validity.flagged(values, n, 0x20004, marks)
    count = validity.pack(marks, n, bits)
    wanted = [bool(v & 0x20004) for v in values]
    assert [bool(bits[i >> 3] >> (i & 7) & 1) for i in range(n)] == wanted
    assert count == sum(wanted)


@given(st.lists(st.integers(-1, 255), max_size=70))
def test_eight_of_sixteen_bits(values):
    n = len(values)
    flags = column("h", values)
    found = convert.octets_of(flags, n, 0, convert.where(flags, n, convert.marking(range(256))))
    assert found.equals(pa.array([None if v < 0 else v for v in values], pa.uint8()))
    ports = column("H", [(v & 0xFF) << 8 | 3 for v in values])
    assert convert.octets_of(ports, n, 8, convert.EVERY).to_pylist() == [v & 0xFF for v in values]


@given(st.lists(st.integers(0, 127), max_size=70))
def test_lists_of_names(values):
    found = convert.changes(column("b", values), len(values))
    found.validate(full=True)
    names = convert._CHANGES
    assert found.to_pylist() == [[name for bit, name in enumerate(names) if v >> bit & 1] for v in values]


ADDRESSES = st.one_of(st.integers(0xFFFF << 32, (0xFFFF << 32) + 9), st.integers(0, 5), st.integers(0, (1 << 128) - 1))


@given(st.lists(st.tuples(ADDRESSES, ADDRESSES, st.booleans()), max_size=70))
def test_addresses_share_a_dictionary_and_those_without_count_for_nothing(rows):
    n = len(rows)
    keys = [b"".join(row[side].to_bytes(16, "big") for row in rows) for side in range(2)]
    bits = sum(row[2] << i for i, row in enumerate(rows)).to_bytes(n // 8 + 1, "little")
    valid = convert.Valid(pa.py_buffer(bits), n - sum(row[2] for row in rows))
    found = convert.addresses(keys[0], keys[1], n, valid)
    assert found[0].dictionary.equals(found[1].dictionary)

    def text(key: int) -> str:
        mapped = ipaddress.IPv6Address(key).ipv4_mapped
        return str(mapped) if mapped else socket.inet_ntop(socket.AF_INET6, key.to_bytes(16, "big"))

    for side in range(2):
        found[side].validate(full=True)
        assert found[side].to_pylist() == [text(row[side]) if row[2] else None for row in rows]
    assert len(found[0].dictionary) == len({row[side] for row in rows if row[2] for side in range(2)})


def test_many_distinct_keys_keep_their_numbers():
    distinct = Distinct()
    keys = [(i * 7919 << 40 & (1 << 64) - 1, i // 3, i % 3) for i in range(5000)]
    assert [distinct.number(*key) for key in keys] == list(range(5000))
    assert [distinct.number(*key) for key in keys] == list(range(5000))
    assert distinct.found == 5000
    assert list(zip(distinct.high[:5000], distinct.low[:5000], distinct.tail[:5000], strict=True)) == keys


def test_a_key_of_zeros_is_a_key():
    distinct = Distinct()
    assert [distinct.number(0, 0, 1), distinct.number(0, 0, 0), distinct.number(0, 0, 1)] == [0, 1, 0]


def test_small_texts():
    assert convert.texts(["b", None, "a", "b"]).to_pylist() == ["b", None, "a", "b"]
    assert convert.texts([]).type == pa.dictionary(pa.int32(), pa.string())
