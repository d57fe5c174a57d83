"""Rows of expectations.parquet and expectation_events.parquet: few, so plain Python."""

from __future__ import annotations

from typing import Any

from ctreplay.dataset.addresstext import address_text
from ctreplay.dataset.rows import RowSink
from ctreplay.helpers.expectations import INACTIVE, PERMANENT, Expectation
from ctreplay.tracker.codes import PROTOCOLS

_BATCH = 16384
_SECOND = 1_000_000_000
_FLAGS = {0: None, PERMANENT: "PERMANENT", INACTIVE: "INACTIVE", PERMANENT | INACTIVE: "PERMANENT,INACTIVE"}


def flags_text(flags: int) -> str | None:
    """PERMANENT,INACTIVE as conntrack prints them; None without any."""
    return _FLAGS[flags & (PERMANENT | INACTIVE)]


class ExpectationRows:
    """The `Journal` of the expectation table that writes the dataset."""

    def __init__(self, sink: RowSink, observed: bool) -> None:
        self.sink = sink
        self.observed = observed
        self.rows: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.live: dict[int, dict[str, Any]] = {}
        self.event_count = 0

    def created(self, exp: Expectation, ts: int, packet: int) -> None:
        """EXP_NEW."""
        self.live[exp.number] = {
            "expectation_id": exp.number,
            "master_conn_id": exp.master.conn_id,
            "helper": exp.helper,
            "class": exp.kind,
            "flags": flags_text(exp.flags),
            "proto": PROTOCOLS.get(exp.proto, str(exp.proto)),
            "src": address_text(exp.src, exp.family),
            "src_mask": address_text(exp.src_mask, exp.family),
            "sport": exp.sport,
            "sport_mask": exp.sport_mask,
            "dst": address_text(exp.dst, exp.family),
            "dport": exp.dport,
            "created_ts": ts,
            "created_packet": packet,
            "timeout_s": exp.timeout_s,
            "text": exp.text,
            "family": "ipv4" if exp.family == 4 else "ipv6",
            "zone": exp.zone,
            "child_helper": getattr(exp.child, "name", None),
            "observed": self.observed,
        }
        self.event(exp, "NEW", ts, packet, exp.timeout_s, None)

    def refreshed(self, exp: Expectation, ts: int, packet: int) -> None:
        """The timeout was set anew."""
        self.event(exp, "REFRESH", ts, packet, (exp.deadline - ts) // _SECOND, None)

    def ended(self, exp: Expectation, ts: int, packet: int, why: str) -> None:
        """EXP_DESTROY."""
        row = self.live.pop(exp.number)
        row["end_ts"] = ts
        row["end_packet"] = packet or None
        row["end_reason"] = why
        row["child_conn_id"] = exp.child_conn_id or None
        self.rows.append(row)
        if len(self.rows) >= _BATCH:
            self.sink.flush("expectations", {"rows": self.rows}, len(self.rows))
            self.rows = []
        self.event(exp, "DESTROY", ts, packet, max(0, exp.deadline - ts) // _SECOND, why)

    def matched(self, exp: Expectation, ts: int, packet: int) -> None:
        """A connection opened and the expectation stays."""
        self.live[exp.number]["child_conn_id"] = exp.child_conn_id
        self.event(exp, "MATCH", ts, packet, max(0, exp.deadline - ts) // _SECOND, "matched")

    def event(self, exp: Expectation, what: str, ts: int, packet: int, timeout_s: int, why: str | None) -> None:
        """A row of expectation_events."""
        self.event_count += 1
        transitions = self.sink.transitions
        self.events.append(
            {
                "event_id": self.event_count,
                "ts": ts,
                "packet": packet or None,
                "expectation_id": exp.number,
                "event": what,
                "timeout_s": timeout_s,
                "flags": flags_text(exp.flags),
                "reason": why,
                "after_transition_id": transitions.flushed + transitions.n,
                "child_conn_id": exp.child_conn_id if why == "matched" else None,
            }
        )
        if len(self.events) >= _BATCH:
            self.sink.flush("expectation_events", {"rows": self.events}, len(self.events))
            self.events = []

    def finish(self) -> None:
        """End of the capture: those still live are written without an end."""
        self.rows.extend(self.live.values())
        for table, rows in (("expectations", self.rows), ("expectation_events", self.events)):
            if rows:
                self.sink.flush(table, {"rows": rows}, len(rows))
        self.rows = []
        self.events = []
        self.live = {}
