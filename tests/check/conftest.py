"""Running ctreplay as users do, over small captures written here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("check", ..., cwd=…)`: a real process, with a cache of this test's own."""

    def call(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GITHUB_")}
        environment = clean | {"XDG_CACHE_HOME": str(tmp_path / "cache-home"), "COLUMNS": "120", "PYTHONUTF8": "1"}
        return subprocess.run(
            [sys.executable, "-m", "ctreplay", *map(str, arguments)],
            cwd=cwd or tmp_path,
            env=environment | env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call
