"""Every scenario through the tracker, against the kernel's recorded answer. Runs everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctreplay.replaying import replay_to
from ctreplay.verify.answers import KernelAnswer, LiveEntry, from_row
from ctreplay.verify.compare import compare
from tests.traffic import pcap

from .packets import load
from .record import scenarios


@pytest.mark.parametrize("folder", scenarios(), ids=lambda folder: folder.name)
def test_scenario(folder: Path, tmp_path: Path) -> None:
    scenario = load(folder)
    head, *rows = [json.loads(line) for line in (folder / "kernel.jsonl").read_text().splitlines()]
    assert head["sysctls"] == scenario.sysctls, "packets.txt changed: python -m tests.kernel.record " + folder.name
    recorded = [from_row(row) for row in rows]
    answers = [row for row in recorded if isinstance(row, KernelAnswer)]
    assert len(answers) == len(scenario.packets), "packets.txt changed: python -m tests.kernel.record " + folder.name
    capture = pcap.write(tmp_path / "scenario.pcap", scenario.packets)
    replay_to([capture], tmp_path / "out", packets="all", sysctls=scenario.sysctls)
    report = compare(tmp_path / "out", answers, [row for row in recorded if isinstance(row, LiveEntry)])
    assert not report.differences
    assert not report.not_judged
    assert report.packets == len(scenario.packets)
    assert (folder / "README.md").read_text().startswith("# ")
