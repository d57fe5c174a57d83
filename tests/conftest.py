"""Refuses to test old machine code, which would answer in place of its sources, and forgets who runs the tests."""

from __future__ import annotations

import importlib.machinery
import os
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ctreplay"
# real captures and the kernel's answers to them: beside the project, or further up from a worktree; not everywhere
SHARED = next((up / "shared" for up in ROOT.parents if (up / "shared" / "pcaps").is_dir()), ROOT.parent / "shared")
# C functions for other modules; the .py is their pure form
HEADERS = (PACKAGE / "octets.pxd", PACKAGE / "keyedhash.pxd", PACKAGE / "dataset" / "sha1.pxd")


@cache
def sources(source: Path) -> frozenset[Path]:
    """What a module is compiled from: itself, its .pxd, and every .pxd that one imports."""
    found: set[Path] = set()
    waiting = [source.with_suffix(".pxd")]
    while waiting:
        pxd = waiting.pop()
        if pxd in found or not pxd.exists():
            continue
        found.add(pxd)
        for name in re.findall(r"^(?:from|cimport) (ctreplay[\w.]*)", pxd.read_text(), re.MULTILINE):
            waiting.append(ROOT.joinpath(*name.split(".")).with_suffix(".pxd"))
    return frozenset({source, *found})


def complaints(package: Path = PACKAGE) -> list[str]:
    """Modules that should be compiled afresh, and why."""
    found = []
    for pxd in sorted(package.rglob("*.pxd")):
        if pxd in HEADERS:
            continue
        source = pxd.with_suffix(".py")
        if not source.exists():
            found.append(f"{pxd} has no module beside it")
            continue
        built = [
            path
            for suffix in importlib.machinery.EXTENSION_SUFFIXES
            if (path := source.with_name(source.stem + suffix)).exists()
        ]
        if not built:
            found.append(f"{source} is not compiled")
        elif newer := [p for p in sources(source) if p.stat().st_mtime > built[0].stat().st_mtime]:
            found.append(f"{built[0].name} is older than {newer[0]}")
    return found


def pytest_configure(config: pytest.Config) -> None:
    # tests say themselves how wide and how coloured a page is
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        os.environ.pop(name, None)
    if os.environ.get("CTREPLAY_PURE") == "1":
        return
    if found := complaints():
        lines = "\n  ".join(found[:5] + ["…"] * (len(found) > 5))
        pytest.exit(
            f"the tests would run other code than is written:\n  {lines}\n"
            "compile with: pip install -e . (or: python setup.py build_ext --inplace); "
            "CTREPLAY_PURE=1 tests the plain Python",
            returncode=4,
        )
