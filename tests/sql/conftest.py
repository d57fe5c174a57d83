"""Datasets of the sample captures, replayed once a session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ctreplay

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_pcaps"

Replayed = Callable[..., Path]


@pytest.fixture(scope="session")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Dataset of a sample, by name, with all packets or the notable ones."""
    done: dict[tuple[str, str], Path] = {}

    def replay(name: str, packets: str = "all") -> Path:
        if (name, packets) not in done:
            stem = name.partition(".")[0]
            target = tmp_path_factory.mktemp(packets, numbered=True) / f"{stem}.ctreplay"
            ctreplay.replay(SAMPLES / name, target, packets=packets)
            done[name, packets] = target
        return done[name, packets]

    return replay


@pytest.fixture(scope="session")
def run_ctreplay() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command itself, in a process of its own."""

    def run(*args: object, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        import os

        return subprocess.run(
            [sys.executable, "-m", "ctreplay", *map(str, args)],
            input=stdin, text=True, capture_output=True, check=False, timeout=120, env=os.environ | env,
        )  # fmt: skip

    return run
