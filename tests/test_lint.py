"""The code is clean by ruff and mypy, with the settings of pyproject.toml, and its map is whole."""

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


def test_the_architecture_names_every_room() -> None:
    """Every folder and module of the package, of those on its first level."""
    told = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "ctreplay"
    rooms = {f"{path.parent.name}/" for path in package.glob("*/*.py")}
    rooms |= {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert len(rooms) > 20
    assert not {room for room in rooms if f"`{room}" not in told and f"`{room.removesuffix('.py')}`" not in told}
