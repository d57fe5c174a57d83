"""`ctreplay list --diff T1 T2`: what came, went and changed between two moments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ctreplay.cli.common import fail, note
from ctreplay.cli.origin import instant, journey
from ctreplay.dataset.rows import RowSink
from ctreplay.text.flow import ASSURED, SEEN_REPLY, Flow
from ctreplay.text.line import line
from ctreplay.text.objects import flow_object
from ctreplay.timetravel.instant import show
from ctreplay.tracker import codes
from ctreplay.tracker.entry import Entry

if TYPE_CHECKING:
    from ctreplay.text.filters import Filters
    from ctreplay.timetravel.origin import Origin


class Ends(RowSink):
    """Remembers when and why entries ended."""

    def __init__(self) -> None:
        super().__init__(lambda _table, _columns, _rows: None)
        self.ends: dict[int, tuple[int, str]] = {}

    def connection(self, e: Entry, why: int, end_ts: int, left: int) -> int:
        """An entry ended."""
        self.ends[e.conn_id] = (end_ts, codes.WHY[why])
        return 0


def changes(before: Flow, after: Flow) -> list[str]:
    """What is different, for people; counters alone count as traffic. Empty: nothing happened to the entry."""
    found = []
    if before.state != after.state:
        found.append(f"{before.state} -> {after.state}")
    for bit, name in ((SEEN_REPLY, "replied"), (ASSURED, "assured")):
        if after.status & bit and not before.status & bit:
            found.append(name)
    if before.mark != after.mark:
        found.append(f"mark {before.mark} -> {after.mark}")
    if before.helper != after.helper:
        found.append(f"helper {after.helper}")
    if before.counters is not None and after.counters is not None and before.counters != after.counters:
        sent, received = after.counters[0] - before.counters[0], after.counters[2] - before.counters[2]
        found.append(f"packets +{sent} original, +{received} reply")
    return found


def show_differences(origin: Origin, moments: tuple[str, str], options: set[str], filters: Filters) -> None:
    """Both tables by one replay, compared by entry."""
    from ctreplay.cli.tables import snapshot

    first, second = (instant(text, "--diff") for text in moments)

    def work(travel: Any) -> tuple[list[Flow], list[Flow], dict[int, tuple[int, str]], list[int], bool]:
        travel.to(first)
        before, clock, packets = snapshot(origin, travel), travel.now, travel.packets
        travel.engine.sink.ends.clear()
        travel.to(second)
        backwards = travel.now < clock or travel.packets < packets or second_is_before(travel, clock)
        return before, snapshot(origin, travel), travel.engine.sink.ends, [clock, travel.now], backwards

    def second_is_before(travel: Any, clock: int) -> bool:
        if travel.first_ts is None or second.kind == "end":
            return False
        if second.kind == "packet":
            return bool(second.value < travel.packets)
        return bool(second.at(travel.first_ts) < clock)

    before, after, ends, clocks, backwards = journey(origin, work, sink=Ends)
    if backwards:
        fail(f"--diff {moments[0]} {moments[1]}: the second moment lies before the first")
    report(
        {f.conn_id: f for f in before if filters(f)},
        {f.conn_id: f for f in after if filters(f)},
        ends,
        options,
    )
    note(f"from {show(clocks[0])} to {show(clocks[1])}")


def report(
    before: dict[int, Flow], after: dict[int, Flow], ends: dict[int, tuple[int, str]], options: set[str]
) -> None:
    """Lines in the order of conn_id: `+` came, `-` went, `~` changed."""
    came = went = changed = 0
    objects = []
    for conn_id in sorted(before.keys() | after.keys()):
        old, new = before.get(conn_id), after.get(conn_id)
        flow = new or old
        assert flow is not None
        words: list[str] = []
        if old is None:
            sign = "+"
            came += 1
        elif new is None:
            sign = "-"
            went += 1
            if conn_id in ends:
                words = [f"{ends[conn_id][1]} at {show(ends[conn_id][0])}"]
        else:
            sign, words = "~", changes(old, new)
            if not words:
                continue
            changed += 1
        if "json" in options:
            objects.append(
                {"change": {"+": "came", "-": "went", "~": "changed"}[sign], "what": words, **flow_object(flow)}
            )
        else:
            tail = f"  ({'; '.join(words)})" if words else ""
            sys.stdout.write(f"{sign} {line(flow, options)}{tail}\n")
    if "json" in options:
        from ctreplay.cli.tables import write_json

        write_json(objects)
    note(f"{came} came, {went} went, {changed} changed")
