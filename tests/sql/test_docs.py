"""Every command and program of docs/sql.md and of README's Python section runs as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "sample_pcaps", path / "sample_pcaps", ignore=shutil.ignore_patterns("record"))
    return path


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)


def test_sql_page(folder: Path) -> None:
    text = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    program = f'ctreplay() {{ "{sys.executable}" -m ctreplay "$@"; }}\nset -e\n'
    for block in blocks(text, "sh"):
        done = subprocess.run(
            ["bash", "-c", program + block],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (block, done.stderr)
    for block in blocks(text, "python"):
        subprocess.run([sys.executable, "-c", block], cwd=folder, check=True)


def test_readme_python(folder: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (block for block in blocks(text, "python") if "import ctreplay" in block)
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("44 ")
