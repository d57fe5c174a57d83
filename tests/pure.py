"""Runs code against the uncompiled sources: an import hook in a child process refuses extension modules of
ctreplay.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_PRELUDE = """
import importlib.machinery, sys
class Sources:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] != "ctreplay":
            return None
        import importlib.machinery as m
        finder = m.FileFinder
        for entry in (path or [ROOT]):
            spec = finder(str(entry), (m.SourceFileLoader, m.SOURCE_SUFFIXES)).find_spec(name)
            if spec is not None:
                return spec
        return None
sys.meta_path.insert(0, Sources)
"""


def run_pure(code: str, *args: str, timeout: float = 120) -> str:
    """Standard output of `code` run with only the .py files of ctreplay; `sys.argv[1:]` is `args`.

    Raises AssertionError with the standard error when it fails.
    """
    prelude = f"ROOT = {str(ROOT)!r}\n{_PRELUDE}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(
        [sys.executable, "-c", prelude + code, *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_pure_json(code: str, *args: str, timeout: float = 120) -> Any:
    """Like `run_pure`, for code that prints one JSON value."""
    return json.loads(run_pure(code, *args, timeout=timeout))
