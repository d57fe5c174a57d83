"""What a first look at a file tells: when it begins, whether it is in order, and which parts have to be sorted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .inputs import CaptureFile

_PROBE_CHUNK = 65536


@dataclass(slots=True)
class Plan:
    """How to read a file in order.

    `packets` records seen, `min_ts` the earliest of them (ns), `whole` whether all of the file was looked at.
    `segments` is empty for a file in order, else (records, bytes, sorted) runs that follow each other in time.
    """

    packets: int = 0
    min_ts: int = 0
    whole: bool = False
    segments: list[tuple[int, int, bool]] = field(default_factory=list)


def scan(file: CaptureFile, whole: bool) -> Plan:
    """Look at the first record, or (`whole`) at all of them."""
    plan = Plan()
    reader = file.open([], _PROBE_CHUNK, threaded=False)
    try:
        if reader.step():
            plan.packets = 1
            plan.min_ts = reader.ts
    finally:
        reader.close()
    return plan
