"""Asks this machine's kernel about every scenario (or those named) and writes `kernel.jsonl` beside its packets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ctreplay.verify import CannotVerify, record_packets
from ctreplay.verify.answers import to_row

from .packets import load

HERE = Path(__file__).parent


def record(folder: Path) -> None:
    scenario = load(folder)
    recording = record_packets(
        [(number, ts, data) for number, (ts, data) in enumerate(scenario.packets, 1)], scenario.sysctls
    )
    answers = sorted(recording, key=lambda answer: answer.packet)
    if any(answer.doubt for answer in answers):
        raise CannotVerify("this machine was too slow; record again")
    rows = [{"type": "kernel", "release": recording.release.split("-")[0], "sysctls": scenario.sysctls}]
    rows += [to_row(answer) for answer in answers] + [to_row(entry) for entry in recording.entries]
    (folder / "kernel.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def scenarios() -> list[Path]:
    return sorted(path.parent for path in HERE.glob("*/packets.txt"))


def main(names: list[str]) -> int:
    for folder in scenarios():
        if not names or folder.name in names:
            try:
                record(folder)
            except (CannotVerify, ValueError) as error:
                print(f"{folder.name}: {error}", file=sys.stderr)
                return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
