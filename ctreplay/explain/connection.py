"""The life of a connection: its packets and transitions in order, what was idle, who ended it, what was odd."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ctreplay.engine import PACKETS_ALL
from ctreplay.explain.announced import Announced
from ctreplay.explain.observe import Happened, Step, Tuple, Watch
from ctreplay.explain.packet import verdict
from ctreplay.explain.sentences import flag_names
from ctreplay.explain.wireshark import conversation, frames
from ctreplay.timetravel.instant import END
from ctreplay.timetravel.origin import Origin
from ctreplay.timetravel.travel import Travel
from ctreplay.tracker import codes

_SECOND = 1_000_000_000
# an idle time worth a line of its own
_GAP = 5 * _SECOND
# plain packets kept before and after anything that happens
_AROUND = 2
# fewer plain packets than this are not folded
_FEW = 3
_MOST_EVENTFUL = 400
# why an entry goes for lack of room
_FULL = {"early_drop": "early drop: the table was full", "gc": "the garbage collector: the table was full"}
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
Item = dict[str, Any]


class Life:
    """Turns what a `Watch` sees into the rungs of the ladder; plain packets are folded unless `everything`.

    With `conn_id` packets, bytes, gaps and oddities are those of that entry's life, as `of_one_life` cuts the ladder.
    """

    def __init__(self, everything: bool, conn_id: int | None = None) -> None:
        self.everything = everything
        self.conn_id = conn_id
        self.counting = True
        self.items: list[Item] = []
        self.waiting: deque[Item] = deque()
        self.fold: Item | None = None
        self.few: list[Item] = []
        self.after = 0
        self.last_ts: int | None = None
        self.deadline: int | None = None
        self.eventful = 0
        self.lives: list[Item] = []
        self.live: Item | None = None
        self.ending: Item | None = None
        self.fins: list[tuple[int, int]] = []
        self.clear()

    def clear(self) -> None:
        """Nothing counted yet."""
        self.packets = [0, 0]
        self.bytes = [0, 0]
        self.frames: list[int] = []
        self.captures: set[int] = set()
        self.gaps: list[tuple[int, int, int]] = []
        self.oddities: list[Item] = []
        self.reasons: dict[str, int] = {}

    def take(self, item: Step | Happened) -> None:
        """The next thing that happened."""
        if isinstance(item, Happened):
            self.timer(item)
        else:
            self.step(item)

    def timer(self, h: Happened) -> None:
        """Not a packet of its own: the entry expired, went because the table was full, or its helper ended it."""
        self.flush()
        idle = h.ts - self.last_ts if self.last_ts is not None else 0
        gone: Item = {"ts_ns": h.ts, "conn_id": h.conn_id, "state": h.old_state, "idle_ns": idle}
        if h.why == "timeout":
            self.items.append({"kind": "expired"} | gone)
        elif h.why in _FULL:
            self.items.append({"kind": "evicted"} | gone | {"reason": h.why, "for_packet": h.packet or None})
        else:
            self.items.append({"kind": "ended"} | gone | {"reason": h.why, "by_packet": h.packet or None})
        self.end(h, None)

    def step(self, s: Step) -> None:
        """A packet of the connection."""
        gap = s.now - self.last_ts if self.last_ts is not None else 0
        if gap >= _GAP:
            self.flush()
            left = self.deadline - s.now if self.deadline is not None and self.live is not None else None
            self.items.append({"kind": "idle", "ts_ns": s.now, "idle_ns": gap, "left_ns": left})
            self.after = _AROUND
            if self.counting:
                self.gaps.append((gap, self.last_ts or 0, s.packet))
        self.last_ts = s.now
        if s.conn_id is not None:
            self.deadline = s.deadline
        for h in s.happened:
            if h.event == "NEW":
                self.begin(h, s)
            elif h.event == "DESTROY":
                self.end(h, s)
        if self.counting:
            self.count(s)
        self.odd(s)
        if s.flags is not None and s.flags & _FIN and s.ctstate != "INVALID":
            self.fins.append((s.packet, s.direction))
        rung = self.rung(s)
        if s.happened or s.reason or not self.items:
            self.eventful += 1
            if self.everything or self.eventful <= _MOST_EVENTFUL:
                self.flush()
                self.items.append(rung)
                self.after = _AROUND
                return
        self.plain(rung)

    def count(self, s: Step) -> None:
        """One more packet of what is counted."""
        self.captures.add(s.capture)
        if len(self.frames) < 1000:
            self.frames.append(s.frame)
        self.packets[s.direction] += 1
        self.bytes[s.direction] += s.length
        if s.reason:
            self.reasons[s.reason] = self.reasons.get(s.reason, 0) + 1

    def plain(self, rung: Item) -> None:
        """A packet at which nothing happened."""
        if self.everything or self.after > 0:
            self.after -= 1
            self.items.append(rung)
            return
        self.waiting.append(rung)
        if len(self.waiting) > _AROUND:
            self.add_to_fold(self.waiting.popleft())

    def add_to_fold(self, rung: Item) -> None:
        """Only counted, once there are more than a few."""
        if len(self.few) <= _FEW:
            self.few.append(rung)
        if self.fold is None:
            self.fold = {"kind": "folded", "ts_ns": rung["ts_ns"], "first_packet": rung["packet"], "original": 0,
                         "reply": 0, "bytes": 0, "max_gap_ns": 0, "notable": 0}  # fmt: skip
        else:
            self.fold["max_gap_ns"] = max(self.fold["max_gap_ns"], rung["ts_ns"] - self.fold["last_ts_ns"])
        self.fold[rung["direction"]] += 1
        self.fold["bytes"] += rung["length"]
        self.fold["notable"] += bool(rung["reason"] or rung["happened"])
        self.fold["last_ts_ns"], self.fold["last_packet"] = rung["ts_ns"], rung["packet"]
        self.fold["state"] = rung["state"]

    def flush(self) -> None:
        """Put what is folded and waiting onto the ladder."""
        if self.fold is not None:
            self.items.extend(self.few if len(self.few) <= _FEW else [self.fold])
            self.few = []
        self.items.extend(self.waiting)
        self.waiting.clear()
        self.fold = None

    def rung(self, s: Step) -> Item:
        """A packet on the ladder."""
        return {
            "kind": "packet",
            "packet": s.packet,
            "frame": s.frame,
            "capture": s.capture,
            "ts_ns": s.ts,
            "direction": codes.DIRECTIONS[s.direction],
            "what": "ICMP error" if s.icmp_error else flag_names(s.flags) if s.flags is not None else "",
            "seq": s.seq if s.flags is not None else None,
            "ack": s.ack if s.flags is not None and s.flags & _ACK else None,
            "payload": s.payload,
            "length": s.length,
            "window": s.window if s.flags is not None else None,
            "verdict": verdict(s),
            "ctstate": s.ctstate or None,
            "reason": s.reason or None,
            "margin": s.margin or None,
            "conn_id": s.conn_id,
            "state_before": s.old_state,
            "state": s.state,
            "timeout_s": None if s.deadline is None else max(s.deadline - s.now, 0) / _SECOND,
            "refreshed": s.refreshed,
            "happened": [
                {"event": h.event, "conn_id": h.conn_id, "changes": h.changes, "reason": h.why or None}
                for h in s.happened
            ],
        }

    def begin(self, h: Happened, s: Step) -> None:
        """A new entry."""
        self.live = {"conn_id": h.conn_id, "first_packet": s.packet, "from_ts_ns": h.ts, "midstream": False,
                     "expected": "related" in h.changes, "direction": codes.DIRECTIONS[s.direction]}  # fmt: skip
        self.lives.append(self.live)
        self.fins = []
        if self.conn_id is not None and len(self.lives) > 1:
            self.counting = h.conn_id == self.conn_id
            if self.counting:
                self.clear()

    def end(self, h: Happened, s: Step | None) -> None:
        """The entry is gone."""
        if self.live is None:
            return
        last = self.ending
        self.live |= {
            "to_ts_ns": h.ts,
            "end_reason": h.why or None,
            "end_packet": h.packet or None,
            "state": h.old_state,
        }
        self.live["ended_by"] = self.ender(h, s, last)
        self.live = None
        self.ending = None

    def ender(self, h: Happened, s: Step | None, rst: Item | None) -> str:
        """Who ended the connection, in words."""
        who = {0: "the original side", 1: "the reply side"}
        if h.why == "reset" and s is not None:
            return f"{who[s.direction]}: RST in packet {s.packet}, before any reply was seen"
        if rst is not None:
            return f"{who[rst['direction']]}: RST in packet {rst['packet']}"
        if self.fins:
            number, direction = self.fins[0]
            both = {d for _, d in self.fins} == {0, 1}
            return f"{who[direction]}: first FIN in packet {number}" + ("" if both else ", the other side never closed")
        if h.why == "timeout":
            return "nobody: its timeout ran out"
        if h.why == "reopened" and s is not None:
            return f"{who[s.direction]}: opened it anew in packet {s.packet}"
        if h.why == "deleted":
            return f"its control connection: packet {h.packet} ended the call"
        return _FULL.get(h.why, "the end of its control connection" if h.why == "master_gone" else h.why)

    def closing(self) -> str:
        """Who began to close a connection that outlived the capture."""
        alive = "its entry was alive when the capture ended"
        if self.ending is not None:
            side = codes.DIRECTIONS[self.ending["direction"]]
            return f"the {side} side: RST in packet {self.ending['packet']}; {alive}"
        if self.fins:
            return f"the {codes.DIRECTIONS[self.fins[0][1]]} side: first FIN in packet {self.fins[0][0]}; {alive}"
        return f"nobody: {alive}"

    def odd(self, s: Step) -> None:
        """Things that should not be in a plain connection."""
        # of several RSTs the first; one that destroyed its entry ended that one, not the next
        if (
            self.live is not None
            and self.ending is None
            and s.flags is not None
            and s.flags & _RST
            and s.ctstate not in ("INVALID", "")
            and s.state == "CLOSE"
        ):
            self.ending = {"packet": s.packet, "direction": s.direction}
        if s.reason == "tcp_midstream" and self.live is not None:
            self.live["midstream"] = True
        texts = {
            "tcp_midstream": "picked up mid-stream: no SYN was seen, the window checks never refuse",
            "tcp_ignored_in_state": f"{flag_names(s.flags or 0)} ignored in {s.old_state}",
            "tcp_reopened": "tuple used again: the old entry was destroyed and a new one opened",
            "tcp_resync": "SYN ACK answered a SYN ignored before: tracking started afresh",
            "tcp_challenge_ack": "challenge ACK swallowed in LAST_ACK",
            "tcp_rst_not_exact": "RST not at the expected sequence number: state kept, timeout shortened",
            "tcp_syn_retransmitted": "SYN repeated without an answer",
        }
        text = texts.get(s.reason)
        if text is None and s.ctstate == "INVALID":
            ended = next((one for one in reversed(self.lives) if "to_ts_ns" in one), None)
            text = f"INVALID: {s.reason}"
            if s.tuple_conn_id is None and self.live is None and ended is not None:
                text = f"late packets after the entry was gone: {s.reason}"
        if text is None and (s.icmp_error or s.reason == "icmp_error"):
            text = "ICMP error about it" + (f": {s.icmp_message}" if s.icmp_message else "")
        if text is None or not self.counting:
            return
        for one in self.oddities:
            if one["text"] == text:
                one["count"] += 1
                one["last_packet"] = s.packet
                return
        if len(self.oddities) < 50:
            self.oddities.append({"text": text, "packet": s.packet, "last_packet": s.packet, "count": 1})


def explain_connection(
    journey: Callable[..., Any], origin: Origin, one: Tuple, conn_id: int | None, everything: bool
) -> dict[str, Any]:
    """The whole answer, as `--json` gives it; with `conn_id` only that entry's life and what came late for it."""
    lives: list[Life] = []

    def sink() -> Watch:
        lives.clear()
        lives.append(Life(everything, conn_id))
        return Watch(one, lives[0].take)

    def work(travel: Travel) -> tuple[int, dict[str, Any] | None, Announced]:
        announced = travel.helpers.table.journal = Announced(travel.helpers.observe)
        travel.to(END)
        left = None
        watch: Watch = travel.engine.sink  # type: ignore[assignment]
        for e in travel.engine.tracker.table.entries():
            if e.conn_id in watch.conn_ids:
                left = {"conn_id": e.conn_id, "timeout_left_s": (e.deadline - travel.now) / _SECOND}
        return travel.now, left, announced

    end, left, announced = journey(origin, work, sink=sink, level=PACKETS_ALL)
    life = lives[0]
    life.flush()
    if life.live is not None:
        life.live |= {"end_reason": "capture_end", "ended_by": life.closing()}
        if left is not None:
            life.live["timeout_left_s"] = left["timeout_left_s"]
    for entry in life.lives:
        entry["expected_by"] = announced.by_child.get(entry["conn_id"])
    items, shown = life.items, life.lives
    if conn_id is not None and len(shown) > 1:
        items, shown = of_one_life(life, conn_id)
    return {
        "family": f"ipv{one.family}",
        "proto": codes.PROTOCOLS.get(one.proto, str(one.proto)),
        "src": one.source(),
        "dst": one.destination(),
        "sport": one.sport,
        "dport": one.dport,
        "conn_id": conn_id,
        "entries": shown,
        "other_entries": [o["conn_id"] for o in life.lives if o not in shown],
        "packets": {"original": life.packets[0], "reply": life.packets[1]},
        "bytes": {"original": life.bytes[0], "reply": life.bytes[1]},
        "reasons": life.reasons,
        "longest_idle": [
            {"idle_ns": gap, "from_ts_ns": since, "before_packet": number}
            for gap, since, number in sorted(life.gaps, reverse=True)[:3]
        ],
        "oddities": life.oddities,
        "ladder": items,
        "folded": any(item["kind"] == "folded" for item in items),
        "wireshark": conversation(one.family, one.proto, one.source(), one.destination(), (one.sport, one.dport)),
        "wireshark_frames": frames(life.frames) if len(life.frames) <= 40 and len(life.captures) == 1 else None,
        "capture_end_ts_ns": end,
    }


def of_one_life(life: Life, conn_id: int) -> tuple[list[Item], list[Item]]:
    """The part of the ladder from an entry's first packet to the next entry's."""
    number = next((i for i, one in enumerate(life.lives) if one["conn_id"] == conn_id), None)
    if number is None:
        return life.items, life.lives
    # what came before any entry is shown with the first
    first = life.lives[number]["first_packet"] if number else 0
    after = life.lives[number + 1]["first_packet"] if number + 1 < len(life.lives) else None
    start = life.lives[number]["from_ts_ns"] if number else life.items[0]["ts_ns"]
    stop = life.lives[number + 1]["from_ts_ns"] if number + 1 < len(life.lives) else None
    found = []
    for item in life.items:
        if "packet" in item:
            inside = item["packet"] >= first and (after is None or item["packet"] <= after)
        else:
            inside = item["ts_ns"] >= start and (stop is None or item["ts_ns"] <= stop)
        if inside:
            found.append(item)
    return found, [life.lives[number]]
