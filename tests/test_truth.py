"""Against recorded answers of the kernel for real captures, where the material lies beside the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ctreplay
from tests.conftest import SHARED

TRUTH = SHARED / "truth"
# the large ones take minutes together: CTREPLAY_ALL_TRUTH=1 asks for them
_LIMIT = 10**9 if os.environ.get("CTREPLAY_ALL_TRUTH") else 40_000
# recorded with a reader that gave up where ours reads on: the frames are not the same
_OTHER_FRAMES = ("broken__bad_caplen", "broken__garbage_after", "broken__old_version")


def _cases() -> list[Path]:
    if not TRUTH.is_dir():
        return []
    return sorted(
        path
        for path in TRUTH.glob("*.jsonl.gz")
        if path.stat().st_size < _LIMIT and not path.name.startswith(_OTHER_FRAMES)
    )


CASES = _cases()


@pytest.mark.skipif(not CASES, reason="no shared/truth beside the project")
@pytest.mark.parametrize("truth", CASES, ids=lambda path: path.name.removesuffix(".jsonl.gz"))
def test_equals_the_kernel(truth: Path, tmp_path: Path) -> None:
    name = truth.name.removesuffix(".jsonl.gz").replace("broken__", "broken/")
    target = tmp_path / "run.ctreplay"
    ctreplay.replay(SHARED / "pcaps" / name, target, packets="all", sysctls={"nf_conntrack_checksum": 0})
    done = subprocess.run(
        [sys.executable, SHARED / "oracle" / "compare.py", truth, target], capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)
    assert found["differing"] == 0, found
    # a reset that ends an unreplied entry is counted in its DESTROY event, which the comparison does not look at
    others = {kind: count for kind, count in found["entry_diffs"].items() if kind != "counters"}
    if "cut" not in _summary(truth):
        assert not others, found


def _summary(truth: Path) -> dict[str, object]:
    import gzip

    with gzip.open(truth, "rt") as file:
        *_, last = file
    summary: dict[str, object] = json.loads(last)
    return summary
