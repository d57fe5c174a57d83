"""Mutated control sessions, and texts at their edges, whose every answer the kernel (6.18) gave: recorded by
`tests.helpers.record`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import ctreplay
from tests.helpers import edges
from tests.helpers.kernel_compare import compare
from tests.traffic import pcap

GOLDEN = Path(__file__).parent / "golden"
KINDS = sorted(path.name.removesuffix(".pcap.gz") for path in GOLDEN.glob("*.pcap.gz"))


def test_every_helper_is_there() -> None:
    whole = ["amanda", "ftp", "irc", "pptp", "pptp_calls", "q931", "ras", "sane", "sip", "tftp"]
    assert sorted(whole + [f"damaged_{kind}" for kind in edges.DAMAGED]) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_as_the_kernel(kind: str, tmp_path: Path) -> None:
    dataset = tmp_path / "out.ctreplay"
    helper = kind.removeprefix("damaged_").partition("_")[0]
    run = ctreplay.replay(GOLDEN / f"{kind}.pcap.gz", dataset, helpers=[helper], packets="all")
    summary, shown = compare(str(GOLDEN / f"{kind}.jsonl.gz"), str(dataset))
    assert summary["differences"] == {}, shown
    assert summary["expectation_events"] > 5
    assert run["helper_hints"] == []


@pytest.mark.parametrize("kind", sorted(edges.TEXTS))
def test_edges_as_the_kernel(kind: str, tmp_path: Path) -> None:
    dataset = tmp_path / "out.ctreplay"
    capture = pcap.write(tmp_path / "edges.pcap", edges.generate(kind))
    ctreplay.replay(capture, dataset, helpers=[kind.partition("_")[0]], packets="all")
    summary, shown = compare(str(GOLDEN / f"edges_{kind}.jsonl.gz"), str(dataset))
    assert summary["differences"] == {}, shown
    assert summary["expectation_events"] > 5
