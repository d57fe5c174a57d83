"""The list of samples: recorders register here, samples.toml says what each of their files shows."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Recorder = Callable[[Path], None]


class Sample(NamedTuple):
    """`files` maps a file name to what it shows; `record` writes them all into the folder it is given."""

    name: str
    files: dict[str, str]
    how: str
    queries: list[str]
    record: Recorder


SAMPLES: dict[str, Sample] = {}
_TEXTS = tomllib.loads(Path(__file__).with_name("samples.toml").read_text(encoding="utf-8"))


def sample(record: Recorder) -> Recorder:
    """Register a recorder under its function's name, which must have a section in samples.toml."""
    name = record.__name__
    SAMPLES[name] = Sample(name, record=record, **_TEXTS[name])
    return record
