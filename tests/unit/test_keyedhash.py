"""Hashes of what an attacker chooses: no pattern in addresses and ports makes many of them equal, whatever the keys."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctreplay import keyedhash
from ctreplay.dataset.distinct import Distinct
from ctreplay.packet import Packet
from ctreplay.tracker.queues import Queues
from ctreplay.tracker.table import Table
from tests.pure import run_pure_json

WORDS = st.integers(0, (1 << 64) - 1)
ADDRESSES = {"src_hi": 64, "src_lo": 64, "dst_hi": 64, "dst_lo": 64}
TUPLE = {**ADDRESSES, "sport": 16, "dport": 16}
FRAGMENT = {**ADDRESSES, "frag_id": 32}
RANKED = {"high": 64, "low": 64, "tail": 32}
PATTERN = 8
KEYS = random.Random(4).getrandbits(64), random.Random(5).getrandbits(64)


def packet(values: dict[str, int]) -> Packet:
    p = Packet()
    p.family = 6
    p.proto = 17
    for name, value in values.items():
        setattr(p, name, value)
    return p


def of_tuple(values: dict[str, int], table: Table) -> int:
    return table.hash_of(packet(values))


def of_fragment(values: dict[str, int], queues: Queues) -> int:
    return queues.hash_of(packet(values))


def of_ranked(values: dict[str, int], distinct: Distinct) -> int:
    return distinct.hash(*values.values(), *KEYS)


def families(words: dict[str, int], rng: random.Random) -> Iterator[tuple[tuple[object, ...], list[dict[str, int]]]]:
    """256 keys each: the same pattern of bits changes two words, at any two places."""
    for one, other in combinations(words, 2):
        base = {name: rng.getrandbits(bits) for name, bits in words.items()}
        for first in range(0, words[one] - PATTERN + 1, PATTERN // 2):
            for second in range(0, words[other] - PATTERN + 1, PATTERN // 2):
                keys = [
                    base | {one: base[one] ^ pattern << first, other: base[other] ^ pattern << second}
                    for pattern in range(1 << PATTERN)
                ]
                yield (one, first, other, second), keys


@pytest.mark.parametrize(
    ("words", "hash_", "made"),
    [(TUPLE, of_tuple, Table), (FRAGMENT, of_fragment, Queues), (RANKED, of_ranked, Distinct)],
    ids=["table", "queues", "distinct"],
)
def test_what_changes_two_words(
    words: dict[str, int], hash_: Callable[[dict[str, int], object], int], made: type
) -> None:
    has = made()
    for place, keys in families(words, random.Random(1)):
        # of random numbers two are alike once in 100,000 such families
        assert len({hash_(key, has) & 0xFFFFFFFF for key in keys}) >= len(keys) - 1, place


@pytest.mark.skipif(os.environ.get("CTREPLAY_PURE") == "1", reason="nothing is compiled to compare with")
def test_compiled_and_plain_are_equal() -> None:
    rng = random.Random(2)
    edges = [0, 1, (1 << 64) - 1, 1 << 63, 1 << 32, (1 << 32) - 1]
    rows = [[rng.choice([*edges, rng.getrandbits(64)]) for _ in range(5)] for _ in range(500)]
    code = """
from ctreplay.dataset.distinct import Distinct
print(json.dumps([Distinct().hash(*row) for row in json.loads(sys.argv[1])]))
"""
    plain = run_pure_json("import json, sys" + code, json.dumps(rows))
    distinct = Distinct()
    assert [distinct.hash(*row) for row in rows] == plain


@given(WORDS, WORDS)
def test_fold(a: int, b: int) -> None:
    low, high = a * b % (1 << 64), a * b >> 64
    assert keyedhash.fold(a, b) == low ^ high


def test_both_directions_have_one_hash() -> None:
    table = Table()
    rng = random.Random(3)
    for _ in range(100):
        one = {name: rng.getrandbits(bits) for name, bits in TUPLE.items()}
        back = {
            "src_hi": one["dst_hi"], "src_lo": one["dst_lo"], "dst_hi": one["src_hi"], "dst_lo": one["src_lo"],
            "sport": one["dport"], "dport": one["sport"],
        }  # fmt: skip
        assert of_tuple(one, table) == of_tuple(back, table)
        assert of_tuple(one | {"sport": one["sport"] ^ 1}, table) != of_tuple(one, table)
