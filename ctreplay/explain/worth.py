"""What is worth explaining: for each reason the first packets, and the connections with most of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from ctreplay import reasons
from ctreplay.dataset.rows import RowSink
from ctreplay.engine import PACKETS_ALL
from ctreplay.explain.find import endpoint, spelled
from ctreplay.explain.observe import Tuple
from ctreplay.explain.screen import Page
from ctreplay.packet import Packet
from ctreplay.timetravel.instant import END
from ctreplay.timetravel.origin import Origin
from ctreplay.timetravel.travel import Travel
from ctreplay.tracker import codes
from ctreplay.tracker.entry import Entry

# what tells most comes first; undecodable frames are no riddles
_ORDER = ("invalid", "dropped", "ignored", "note", "fragment")
_PORTS = (6, 17, 132, 136)
_MOST_TUPLES = 100_000
_SHOWN = 8


class Notable(RowSink):
    """Counts reasons and the tuples that carry them."""

    def __init__(self) -> None:
        super().__init__(lambda _table, _columns, _rows: None)
        self.reasons: dict[int, list[int]] = {}
        self.tuples: dict[Tuple, list[int]] = {}

    def packet(self, p: Packet, w: Packet | None, reason: int, tuple_entry: Entry | None, now: int) -> int:
        """A packet, of interest with a reason."""
        if not reason or w is None:
            return 0
        known = self.reasons.setdefault(reason, [0, p.number])
        known[0] += 1
        if reasons.CLASSES[reason] not in ("invalid", "ignored", "dropped") or w.l4_fault or w.tuple_fault:
            return 0
        held = w.entry if w.entry is not None else tuple_entry
        one = Tuple.of_entry(held) if held is not None and held.proto == w.proto else Tuple.of_packet(w)
        if one in self.tuples or len(self.tuples) < _MOST_TUPLES:
            count = self.tuples.setdefault(one, [0, held.conn_id if held is not None else 0])
            count[0] += 1
        return 0


def worth_explaining(journey: Callable[..., Any], origin: Origin, again: str) -> dict[str, Any]:
    """Ready commands, the most telling first; `again` is how each begins."""

    def work(travel: Travel) -> Notable:
        travel.to(END)
        sink: Notable = travel.engine.sink  # type: ignore[assignment]
        return sink

    # what is only noted of accepted packets is not among the notable ones
    sink = journey(origin, work, sink=Notable, level=PACKETS_ALL)
    ranked = sorted(sink.reasons.items(), key=lambda one: (_ORDER.index(reasons.CLASSES[one[0]])
                    if reasons.CLASSES[one[0]] in _ORDER else 9, -one[1][0]))  # fmt: skip
    packets = [
        {
            "reason": reasons.NAMES[number],
            "class": reasons.CLASSES[number],
            "packets": count,
            "meaning": reasons.MEANINGS[number],
            "command": f"{again} --packet {first}",
        }
        for number, (count, first) in ranked
    ]
    connections = []
    for one, (count, conn_id) in sorted(sink.tuples.items(), key=lambda pair: -pair[1][0])[:_SHOWN]:
        what = str(conn_id) if conn_id else " ".join(map(shlex.quote, spelled(one)))
        with_ports = one.proto in _PORTS
        connections.append(
            {
                "proto": codes.PROTOCOLS.get(one.proto, str(one.proto)),
                "src": endpoint(one.source(), one.sport if with_ports else None),
                "dst": endpoint(one.destination(), one.dport if with_ports else None),
                "conn_id": conn_id or None,
                "packets": count,
                "command": f"{again} {what}",
            }
        )
    return {"packets": packets, "connections": connections}


def worth_page(found: dict[str, Any], page: Page) -> list[str]:
    """The commands, each with what it explains."""
    if not found["packets"]:
        page.text("Nothing special in this capture: no packet was INVALID, ignored, dropped or noted.")
        page.text("Any packet can be explained with --packet N, any connection by its conn_id or ends.")
        return page.lines
    page.head("Packets worth explaining, the first of each kind")
    for one in found["packets"]:
        page.text(f"{one['packets']:,} x {one['reason']} ({one['class']}): {one['meaning']}", "      ", "  ")
        page.line(f"      {one['command']}")
    if found["connections"]:
        page.gap()
        page.head("Connections with most packets INVALID, ignored or dropped")
        for one in found["connections"]:
            page.text(f"{one['packets']:,} in {one['proto']} {one['src']} -> {one['dst']}", "      ", "  ")
            page.line(f"      {one['command']}")
    return page.lines
