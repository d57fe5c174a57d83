"""The code is clean by ruff and mypy, with the settings of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-cache", "."],
        ["mypy", "--cache-dir", "{tmp}"],
    ],
    ids=["ruff", "mypy"],
)
def test_clean(command: list[str], tmp_path: Path) -> None:
    pytest.importorskip(command[0], reason=f"{command[0]} is not installed: pip install -e '.[test]'")
    words = [word.format(tmp=tmp_path) for word in command]
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
