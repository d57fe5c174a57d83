"""The kernel's own log lines, as recorded with the scenarios, against what `explain` says it would have logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctreplay.dataset.rows import RowSink
from ctreplay.engine import PACKETS_ALL
from ctreplay.explain.observe import Step, Tuple, Watch, describe
from ctreplay.explain.wording import wording
from ctreplay.timetravel.instant import END
from ctreplay.timetravel.origin import find
from ctreplay.timetravel.travel import Travel, travel
from tests.kernel.packets import load
from tests.kernel.record import scenarios
from tests.traffic import pcap

# lines with numbers of the packet that are not reproduced
UNKNOWN = {
    "sctp_vtag",
    "sctp_chunks",
    "icmp_error_destination",
    "icmp_redirect",
    "tuple_not_invertible",
    "udplite_checksum",
}


class Everything(RowSink):
    """A `Watch` per tuple."""

    def __init__(self) -> None:
        super().__init__(lambda _table, _columns, _rows: None)
        self.steps: dict[int, Step] = {}
        self.watches: dict[Tuple, Watch] = {}

    def take(self, item: Any) -> None:
        if isinstance(item, Step):
            self.steps[item.packet] = item

    def transition(self, change: Any) -> int:
        for watch in self.watches.values():
            watch.transition(change)
        return 0

    def packet(self, p: Any, w: Any, reason: int, tuple_entry: Any, now: int) -> int:
        if w is None or w.tuple_fault or w.l4_fault:
            self.steps[p.number] = describe(p, w, reason, tuple_entry, now, 0)
            return 0
        one = Tuple.of_packet(w)
        back = Tuple(one.family, one.proto, one.dst, one.src, one.dport, one.sport)
        known = self.watches.get(one) or self.watches.get(back)
        if known is None:
            known = self.watches[one] = Watch(one, self.take)
        known.packet(p, w, reason, tuple_entry, now)
        return 0


@pytest.mark.parametrize("folder", scenarios(), ids=lambda folder: folder.name)
def test_as_the_kernel_logs(folder: Path, tmp_path: Path) -> None:
    scenario = load(folder)
    rows = [json.loads(line) for line in (folder / "kernel.jsonl").read_text().splitlines()]
    logged = {row["packet"]: row["why"][0] for row in rows if row.get("why")}
    capture = pcap.write(tmp_path / "scenario.pcap", scenario.packets)

    def work(one: Travel) -> dict[int, Step]:
        one.to(END)
        steps: dict[int, Step] = one.engine.sink.steps  # type: ignore[attr-defined]
        return steps

    steps = travel(find([capture], scenario.sysctls), work, sink=Everything, level=PACKETS_ALL)
    ours = {number: wording(step) for number, step in steps.items()}
    for number, step in steps.items():
        if step.reason in UNKNOWN:
            assert ours[number] is None
        else:
            assert ours[number] == logged.get(number), f"packet {number}: {step.reason}"
