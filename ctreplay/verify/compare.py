"""Holds a dataset against the kernel's answers, field by field.

Not judged, but counted: packets that this machine's IP layer refused although a router forwarded them, with everything
on their tuple (the kernel never confirmed such an entry), and UDP flows for whose two seconds the machine was too slow.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctreplay.tracker.codes import PROTOCOLS

from .answers import Ended, ExpectationEvent, KernelAnswer, LiveEntry

_IP_LAYER = "refused by this machine's IP layer"
_NOT_ITS_ADDRESS = "a helper reads addresses in payloads that this machine cannot take from a device"
_STATUS = 0x200F  # EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED, HELPER
_FLAGS = {"PERMANENT": 1, "INACTIVE": 2}
_ABOUT = ("proto", "src", "src_mask", "sport", "sport_mask", "dst", "dport", "helper", "class")
_NS = 1_000_000_000
_BOUNDS = ("seq", "ack", "seq_end", "seq_low", "seq_high", "ack_low", "ack_high", "margin")
Tuple = tuple[Any, frozenset[tuple[Any, Any]]]


@dataclass(slots=True)
class Difference:
    """One field that differs. `packet` is None for a difference in an entry's end. `why` holds the kernel's own
    log_invalid messages, `bounds` the numbers of ctreplay's window check."""

    packet: int | None
    flow: str
    field: str
    kernel: Any
    ctreplay: Any
    why: list[str] = dataclasses.field(default_factory=list)
    reason: str | None = None
    bounds: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """`packets` were compared, `not_judged` says how many were not, by reason; `connections` counts entries,
    `expectations` what helpers announced."""

    packets: int = 0
    connections: int = 0
    expectations: int = 0
    not_judged: Counter[str] = dataclasses.field(default_factory=Counter)
    differences: list[Difference] = dataclasses.field(default_factory=list)

    @property
    def differing_packets(self) -> int:
        return len({d.packet for d in self.differences if d.packet is not None})


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    for index, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):  # nanoseconds do not fit a datetime
            table = table.set_column(index, column.name, table.column(index).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _flow_text(row: dict[str, Any]) -> str:
    def end(which: str, port: str) -> str:
        address, number = row.get(which), row.get(port)
        if number is None:
            return str(address)
        return f"[{address}]:{number}" if ":" in str(address) else f"{address}:{number}"

    if row.get("src") is None:
        return "not IP"
    return f"{row.get('proto')} {end('src', 'sport')} > {end('dst', 'dport')}"


def _tuple(row: dict[str, Any]) -> Tuple:
    ends = (row.get("src"), row.get("sport")), (row.get("dst"), row.get("dport"))
    return row.get("proto"), frozenset(ends)


class _Comparison:
    def __init__(self, dataset: Path) -> None:
        self.report = Report()
        self.mine = {row["packet"]: row for row in _rows(dataset / "packets.parquet")}
        self.connections = {row["conn_id"]: row for row in _rows(dataset / "connections.parquet")}
        self.events: dict[int, list[dict[str, Any]]] = {}
        for row in _rows(dataset / "transitions.parquet"):
            if row["packet"] is not None:
                self.events.setdefault(row["packet"], []).append(row)
        self.expectations = {row["expectation_id"]: row for row in _rows(dataset / "expectations.parquet")}
        self.expectation_events: dict[int, list[dict[str, Any]]] = {}
        for row in _rows(dataset / "expectation_events.parquet"):
            told = row["event"] != "MATCH" and not self.expectations[row["expectation_id"]]["observed"]
            if row["packet"] is not None and told:
                self.expectation_events.setdefault(row["packet"], []).append(row)
        self.same_expectation: dict[int, int] = {}  # the kernel's number of an expectation -> expectation_id
        self.unused: dict[int, tuple[str, int]] = {}
        self.used: set[int] = set()
        self.assigned: dict[int, tuple[str | None, int | None]] = {}  # helper, and the kernel's number of the master
        self.killed: dict[int, int] = {}
        self.same: dict[int, int] = {}  # the kernel's number of an entry -> conn_id
        self.counters: dict[int, tuple[int, ...]] = {}
        self.expired: dict[int, int] = {}
        self.excluded: set[int] = set()
        self.unsure_packets: dict[int, str] = {}

    def run(self, answers: Sequence[KernelAnswer], entries: Iterable[LiveEntry], ended: Iterable[Ended]) -> Report:
        unsure = self._unsure(answers)
        for answer in answers:
            row = self.mine.get(answer.packet)
            self._follow(answer)
            if row is None:
                self._differ(answer, {}, "row", answer.ctstate, None)
                continue
            reason = unsure.get(_tuple(row)) if row.get("src") is not None else None
            reason = reason or self.unsure_packets.get(answer.packet)
            if reason is not None:
                self.report.not_judged[reason] += 1
                if answer.conn is not None:
                    self.excluded.add(answer.conn)
                continue
            self.report.packets += 1
            self._packet(answer, row)
        for last in ended:
            self._gone(last)
        left = list(entries)
        self.expired.update({e.conn: e.expired_ns for e in left if e.expired_ns is not None})
        self._ends({entry.conn: entry for entry in left if entry.expired_ns is None})
        self._expectations_ends()
        self.report.connections = len(self.same)
        self.report.expectations = len(self.same_expectation)
        return self.report

    def _unsure(self, answers: Sequence[KernelAnswer]) -> dict[Tuple, str]:
        found: dict[Tuple, str] = {}
        misread = any(answer.stand_in and answer.helper for answer in answers)
        for answer in answers:
            row = self.mine.get(answer.packet)
            if row is None or row.get("src") is None:
                continue
            if answer.stand_in and misread:
                found[_tuple(row)] = _NOT_ITS_ADDRESS
            elif answer.unconfirmed:
                found[_tuple(row)] = "refused by this machine's routing"
            elif answer.doubt:
                found[_tuple(row)] = "this machine was too slow for UDP's two seconds"
            elif answer.ctstate is None and not answer.absorbed and answer.unfit is None and row["ctstate"]:
                if row["ctstate"] == "INVALID":  # leaves no trace, so the rest of the flow can be judged
                    self.unsure_packets[answer.packet] = _IP_LAYER
                else:
                    found[_tuple(row)] = _IP_LAYER
        return found

    def _follow(self, answer: KernelAnswer) -> None:
        self._gone(answer)
        self.used.update(event.expectation for event in answer.expectations if event.event == "DESTROY")
        if answer.conn is not None and answer.left_ns is not None:
            self.assigned[answer.conn] = answer.helper, answer.master
        if answer.conn is not None and answer.counters is not None:
            self.counters[answer.conn] = answer.counters
        for event in answer.events:
            if event.conn is not None and event.counters is not None:
                self.counters[event.conn] = event.counters

    def _gone(self, ended: KernelAnswer | Ended) -> None:
        self.expired.update(ended.expired)
        self.killed.update(ended.killed)
        self.unused.update({number: (why, at) for number, at, why in ended.unused})

    def _differ(self, answer: KernelAnswer, row: dict[str, Any], name: str, kernel: Any, mine: Any) -> None:
        bounds = {key: row[key] for key in _BOUNDS if row.get(key) is not None}
        self.report.differences.append(
            Difference(answer.packet, _flow_text(row), name, kernel, mine, answer.why, row.get("reason"), bounds)
        )

    def _packet(self, answer: KernelAnswer, row: dict[str, Any]) -> None:
        if answer.ctstate != row["ctstate"]:
            self._differ(answer, row, "ctstate", answer.ctstate, row["ctstate"])
        elif answer.conn is not None:
            self._with_entry(answer, row)
        kernel = [(e.event, e.state, e.status & _STATUS) for e in answer.events]
        events = self.events.get(answer.packet, [])
        mine = [(e["event"], e["new_state"], (e["new_status"] or 0) & _STATUS) for e in events]
        if kernel != mine:
            self._differ(answer, row, "events", kernel, mine)
        for seen, event in zip(answer.events, events, strict=False):
            if seen.conn is not None and self.same.setdefault(seen.conn, event["conn_id"]) != event["conn_id"]:
                self._differ(answer, row, "event's entry", self.same[seen.conn], event["conn_id"])

        dropped = row["reason"] == "helper_dropped"
        if answer.dropped != dropped:
            self._differ(answer, row, "dropped", answer.dropped, dropped)
        self._announced(answer, row)

    def _announced(self, answer: KernelAnswer, row: dict[str, Any]) -> None:
        """Expectation events. The referee finds a refreshed timer only after the packet's other events."""
        events = sorted(self.expectation_events.get(answer.packet, []), key=lambda e: e["event"] == "REFRESH")
        seen = answer.expectations
        paired = [*zip(seen, events, strict=False)]
        kernel = [self._kernel_expectation(e) for e in seen]
        mine = [self._my_expectation(e) for e in events]
        for at, (one, _) in enumerate(paired):
            if one.about and kernel[at][-1] is None:  # a master that was never confirmed has no number
                mine[at] = (*mine[at][:-1], None)
        if kernel != mine:
            self._differ(answer, row, "expectations", kernel, mine)
        for one, event in paired:
            known = self.same_expectation.setdefault(one.expectation, event["expectation_id"])
            if known != event["expectation_id"]:
                self._differ(answer, row, "event's expectation", known, event["expectation_id"])

    def _kernel_expectation(self, event: ExpectationEvent) -> tuple[Any, ...]:
        if event.about is None:
            return event.event, event.timeout_s, event.flags
        proto, *rest, master = event.about
        return event.event, event.timeout_s, event.flags, PROTOCOLS.get(proto, str(proto)), *rest, self.same.get(master)

    def _my_expectation(self, event: dict[str, Any]) -> tuple[Any, ...]:
        flags = sum(_FLAGS[name] for name in (event["flags"] or "").split(",") if name)
        seconds = None if event["event"] == "DESTROY" else event["timeout_s"]
        if event["event"] != "NEW":
            return event["event"], seconds, flags
        row = self.expectations[event["expectation_id"]]
        return event["event"], seconds, flags, *(row[name] for name in _ABOUT), row["master_conn_id"]

    def _expectations_ends(self) -> None:
        for number, expectation_id in self.same_expectation.items():
            if number in self.used:
                continue
            row = self.expectations[expectation_id]
            kernel = self.unused.get(number, (None, None))
            mine = row["end_reason"], row["end_ts"]
            if kernel[0] == "master_gone" and mine[0] == "removed":
                kernel = mine[0], kernel[1]  # whether its helper took it or its end did, the kernel does not tell
            if kernel != mine:
                text = f"expectation {expectation_id} {_flow_text(row)}"
                self.report.differences.append(Difference(None, text, "expectation's end", kernel, mine))

    def _with_entry(self, answer: KernelAnswer, row: dict[str, Any]) -> None:
        assert answer.conn is not None
        if (answer.direction or None) != row["direction"]:
            self._differ(answer, row, "direction", answer.direction, row["direction"])
        known = self.same.setdefault(answer.conn, row["conn_id"])
        if known != row["conn_id"]:
            self._differ(answer, row, "entry", known, row["conn_id"])
        if answer.ctstate != "RELATED" and answer.state != row["state"]:
            self._differ(answer, row, "state", answer.state, row["state"])
        if (answer.refreshed is not None) != bool(row["refreshed"]):
            self._differ(answer, row, "refreshed", answer.refreshed is not None, row["refreshed"])
        elif answer.refreshed is not None and answer.refreshed != row["timeout_s"]:
            self._differ(answer, row, "timeout", answer.refreshed, row["timeout_s"])

    def _ends(self, alive: dict[int, LiveEntry]) -> None:
        for number, conn_id in self.same.items():
            row = self.connections.get(conn_id)
            if number in self.excluded:
                continue
            if row is None:
                self._end(None, conn_id, {}, "entry", "exists", "no row")
                continue
            mine = tuple(row[f"{side}_{unit}"] for side in ("orig", "reply") for unit in ("packets", "bytes"))
            kernel = self.counters.get(number)
            if kernel is not None and kernel != mine:
                self._end(None, conn_id, row, "counters", kernel, mine)
            helper, master = self.assigned.get(number, (row["helper"], None))
            if helper != row["helper"]:
                self._end(None, conn_id, row, "helper", helper, row["helper"])
            if number in self.assigned and master not in self.excluded:
                of = self.same.get(master) if master is not None else None
                if of != row["master_conn_id"]:
                    self._end(None, conn_id, row, "master", of, row["master_conn_id"])
            if number in alive:
                left = alive[number].left_ns // _NS
                got = row["timeout_left_s"] if row["end_reason"] == "capture_end" else row["end_reason"]
                if got != left:
                    self._end(None, conn_id, row, "time left at the end", left, got)
            elif number in self.expired:
                ours = (row["end_reason"], row["end_ts"])
                if ours != ("timeout", self.expired[number]):
                    self._end(None, conn_id, row, "expiry", ("timeout", self.expired[number]), ours)
            elif number in self.killed:
                ours = (row["end_reason"], row["end_ts"])
                if ours != ("master_gone", self.killed[number]):
                    self._end(None, conn_id, row, "end", ("master_gone", self.killed[number]), ours)
            elif row["end_reason"] in ("timeout", "capture_end"):
                self._end(None, conn_id, row, "end", "destroyed by a packet", row["end_reason"])

    def _end(self, packet: None, conn_id: int, row: dict[str, Any], name: str, kernel: Any, mine: Any) -> None:
        flow = {"proto": row.get("proto"), "src": row.get("orig_src"), "dst": row.get("orig_dst")}
        flow |= {"sport": row.get("orig_sport"), "dport": row.get("orig_dport")}
        text = f"entry {conn_id} {_flow_text(flow)}"
        self.report.differences.append(Difference(packet, text, name, kernel, mine))


def compare(
    dataset: Path | str,
    answers: Iterable[KernelAnswer],
    entries: Iterable[LiveEntry] = (),
    ended: Iterable[Ended] = (),
) -> Report:
    """Compare a dataset made with `--packets all` with the kernel's answers to the same packets.

    `entries` and `ended` may be a Recording's lists: they are read after `answers` is exhausted.
    """
    ordered = sorted(answers, key=lambda answer: answer.packet)
    return _Comparison(Path(dataset)).run(ordered, entries, ended)
