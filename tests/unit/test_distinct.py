"""Addresses numbered in the order in which they first occur."""

from __future__ import annotations

from ctreplay.dataset.distinct import Distinct


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
