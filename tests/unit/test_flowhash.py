"""Community IDs of a batch, by the processor's SHA-1 and without it, against those made one by one."""

from __future__ import annotations

import base64
import hashlib
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctreplay.dataset import sha1
from ctreplay.dataset.community_id import ICMP_PAIRS, ICMPV6_PAIRS, community_id
from ctreplay.dataset.flowhash import FlowHash

PORTS = st.integers(0, 65535) | st.sampled_from([0, 8 << 8, 3 << 8 | 1, 128 << 8, 129 << 8, 5 << 8 | 2])
ADDRESSES = st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), bytes(15) + b"\1"])
ROWS = st.tuples(st.sampled_from([4, 6]), ADDRESSES, ADDRESSES, st.sampled_from([1, 6, 17, 47, 58, 132]), PORTS, PORTS)


@pytest.mark.parametrize("fast", [False, True])
@given(st.lists(ROWS, min_size=1, max_size=20))
def test_like_one_by_one(fast: bool, rows: list[tuple[int, bytes, bytes, int, int, int]]) -> None:
    n = len(rows)
    text = bytearray(34 * n)
    hashes = FlowHash({1: ICMP_PAIRS, 58: ICMPV6_PAIRS}, text)
    # where the processor has none this is the same test again
    hashes.fast = fast and hashes.fast
    src, dst = (b"".join(row[side] for row in rows) for side in (1, 2))
    family, proto = array("b", [row[0] for row in rows]), bytearray(row[3] for row in rows)
    sport, dport = (array("H", [row[side] for row in rows]) for side in (4, 5))
    hashes.fill(src, dst, proto, family, sport, dport, n)
    for i, row in enumerate(rows):
        skip = 0 if row[0] == 6 else 12
        ports = (row[5] >> 8, row[5] & 255) if row[3] in (1, 58) else (row[4], row[5])
        wanted = community_id(row[3], row[1][skip:], row[2][skip:], *ports)
        assert text[34 * i : 34 * i + 4] == (30).to_bytes(4, "little")
        assert text[34 * i + 4 : 34 * i + 34].decode() == wanted


@pytest.mark.parametrize("short", ["src", "dst", "proto", "family", "sport", "dport", "out"])
def test_no_more_rows_than_there_are(short: str) -> None:
    rows = {"src": bytes(32), "dst": bytes(32), "proto": bytes(2), "family": array("b", [4, 4])}
    rows |= {"sport": array("H", [1, 2]), "dport": array("H", [1, 2])}
    out = bytearray(68)
    if short == "out":
        del out[-1]
    else:
        rows[short] = rows[short][:-1]
    with pytest.raises(IndexError, match="2 rows"):
        FlowHash({1: ICMP_PAIRS, 58: ICMPV6_PAIRS}, out).fill(*rows.values(), 2)


@given(st.binary(max_size=55))
def test_plain_form(message: bytes) -> None:
    block, out = memoryview(bytearray(message.ljust(64, b"x"))), memoryview(bytearray(32))
    sha1.text(block, len(message), out, 3, sha1.extensions())
    assert bytes(out[3:31]) == base64.b64encode(hashlib.sha1(message).digest())
    assert not any(out[:3]) and not out[31]
