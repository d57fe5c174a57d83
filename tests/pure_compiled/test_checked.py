"""A build with every bounds check gives the same rows and finds no access out of bounds, on spoilt captures neither."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ctreplay.dataset.schema import TABLES
from tests.replay.program import rows
from tests.replay.test_fuzz import spoil
from tests.traffic import generate, pcap

from .replay_all import main
from .test_equal import ROOT, SAMPLES, VARIANTS

pytestmark = pytest.mark.skipif(os.environ.get("CTREPLAY_PURE") == "1", reason="plain Python has all checks")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project compiled with CTREPLAY_CHECKED=1."""
    target = tmp_path_factory.mktemp("checked")
    for name in ("ctreplay", "tests"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "queries", "sample_pcaps"):
        (target / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=target, env={**os.environ, "CTREPLAY_CHECKED": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return target


def run(checked: Path, *words: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(checked)}
    done = subprocess.run(
        [sys.executable, *words], cwd=checked, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_frames_in_buffers_of_their_own_size(checked: Path) -> None:
    """There a read behind the frame is one behind the buffer."""
    run(checked, "-c", "import ctreplay.engine, os; assert ctreplay.engine.__file__.startswith(os.getcwd())")
    run(checked, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/unit", "tests/property/test_frames.py")


def test_same_rows_and_no_access_out_of_bounds(checked: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    jobs = [(str(path), VARIANTS[n % 3]) for n, path in enumerate(SAMPLES)]
    for seed, sysctls in enumerate(VARIANTS):
        packets = sorted(generate(2000 + seed, 1500, bad_checksums=0.1), key=lambda row: row[0])
        jobs.append((str(pcap.write(tmp_path / f"{seed}.pcap", packets)), sysctls))
    small = [path for path in SAMPLES if path.stat().st_size < 200_000]
    for n in range(80):
        path = rng.choice(small)
        spoilt = tmp_path / f"spoilt{n}{path.suffix}"
        spoilt.write_bytes(spoil(rng, path.read_bytes()))
        jobs.append((str(spoilt), VARIANTS[n % len(VARIANTS)]))
    main(jobs, str(tmp_path / "usual"), True)
    call = "main(json.loads(sys.argv[1]), sys.argv[2], True)"
    code = f"import json, sys; from tests.pure_compiled.replay_all import main; {call}"
    run(checked, "-c", code, json.dumps(jobs), str(tmp_path / "checked"))
    compared = 0
    for number, (name, sysctls) in enumerate(jobs):
        usual, other = (tmp_path / way / str(number) for way in ("usual", "checked"))
        assert usual.exists() == other.exists(), name
        if usual.exists():
            compared += 1
            for table in TABLES:
                assert rows(usual / f"{table}.parquet") == rows(other / f"{table}.parquet"), (name, sysctls, table)
    assert compared > len(SAMPLES) + len(VARIANTS) + 30
