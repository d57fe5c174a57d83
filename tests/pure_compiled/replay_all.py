"""Replays each capture of a list into a folder of its own, those that are none left out; for builds to compare."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from ctreplay.build import compiled
from ctreplay.capture import CaptureError
from ctreplay.replaying import replay_to


def main(jobs: list[tuple[str, dict[str, int]]], target: str, must_be_compiled: bool) -> None:
    assert compiled() == must_be_compiled
    for number, (path, sysctls) in enumerate(jobs):
        with contextlib.suppress(CaptureError):
            replay_to([path], Path(target) / str(number), sysctls=sysctls, packets="all")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], False)
