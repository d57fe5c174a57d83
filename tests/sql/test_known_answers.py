"""Queries over captures made so that every row of the answer is known."""

from __future__ import annotations

from typing import Any

import pytest

import ctreplay
from ctreplay.sql import library
from ctreplay.sql.execute import query_named
from tests.check import captures as c
from tests.traffic.build import ACK, RST, SYN

Timed = list[tuple[float, bytes]]


@pytest.fixture
def ask(tmp_path):
    """Rows of a query over packets of which each has its second."""

    def answer(packets: Timed, name: str, helpers: tuple[str, ...] = (), **parameters: Any) -> list[dict[str, Any]]:
        stamped = sorted((c.T0 + round(at * c.SECOND), data) for at, data in packets)
        target = tmp_path / "known.ctreplay"
        capture = c.pcap(tmp_path / "known.pcap", stamped)
        ctreplay.replay(capture, target, packets="all", helpers=list(helpers), force=True)
        result = query_named([target], library.load(name), {key: str(value) for key, value in parameters.items()})
        return [row for batch in result.batches for row in batch.to_pylist()]

    return answer


def opened(at: float, one: c.Tcp) -> Timed:
    return [(at, one.send(True, SYN)), (at + 0.01, one.send(False, SYN | ACK)), (at + 0.02, one.send(True, ACK))]


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_rst_origin_shows_the_reset_of_its_example(ask):
    first, second = c.Tcp(40000, 443), c.Tcp(40001, 443)
    packets = [*opened(0, first), *opened(1, second)]
    packets += [(2, second.send(False, RST | ACK)), (3, first.send(False, RST | ACK))]
    assert columns(ask(packets, "rst_origin"), "example", "packet", "resets", "age_s") == [(1, 8, 2, 2.0)]
