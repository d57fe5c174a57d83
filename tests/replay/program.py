"""Runs the program as a person would, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_pcaps"
CODES = {0, 2, 3}


def environment(**more: str) -> dict[str, str]:
    # unbuffered, output that cannot be written fails where it is printed and not at the end
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"} | more


def command(*words: Any) -> list[str]:
    return [sys.executable, "-m", "ctreplay", *map(str, words)]


def at_a_terminal() -> None:
    """For who is started by tests that a shell or nohup has told to ignore interrupts or hang-ups."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def run(*words: Any, cwd: Path | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    """`ctreplay WORDS…`; standard output and error as text."""
    env = environment(**more.pop("env", {}))
    return subprocess.run(
        command(*words), cwd=cwd, capture_output=True, text=True, env=env, timeout=60, check=False, **more
    )


def rows(path: Path) -> pa.Table:
    """A table's rows; what a dictionary holds besides them is no matter."""
    table = pq.read_table(path)
    for n, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(n, field.name, table[n].cast(pa.string()))
    return table


def leftovers(folder: Path) -> list[str]:
    """Everything in a folder that could be taken for a dataset or was left behind."""
    return sorted(path.name for path in folder.iterdir())
