"""Running ctreplay as users do, over small captures written here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ctreplay.cli import main

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("check", ..., cwd=…, NAME=value)`: the command line inside this process, with a cache of this test's own."""
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        words = list(map(str, arguments))
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(cwd or tmp_path)
            patch.setattr(sys, "argv", ["ctreplay", *words])
            for name, value in env.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(left.value.code or 0), out, err)

    return call


@pytest.fixture
def process(tmp_path: Path) -> Run:
    """The same in a process of its own."""

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
