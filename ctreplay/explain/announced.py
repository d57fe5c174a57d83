"""What announced a connection that a helper expected: the packet and its words."""

from __future__ import annotations

from typing import Any

from ctreplay.helpers.expectations import Expectation


class Announced:
    """A journal of expectations that keeps which packet announced which connection."""

    def __init__(self, observed: bool) -> None:
        self.observed = observed
        self.by_child: dict[int, dict[str, Any]] = {}

    def created(self, exp: Expectation, ts: int, packet: int) -> None:
        """EXP_NEW."""

    def refreshed(self, exp: Expectation, ts: int, packet: int) -> None:
        """The timeout was set anew."""

    def matched(self, exp: Expectation, ts: int, packet: int) -> None:
        """A connection, `exp.child_conn_id`, opened."""
        self.by_child[exp.child_conn_id] = {
            "packet": exp.created_packet,
            "text": exp.text,
            "helper": exp.helper,
            "conn_id": exp.master.conn_id,
            "observed": self.observed,
        }

    def ended(self, exp: Expectation, ts: int, packet: int, why: str) -> None:
        """EXP_DESTROY."""
        if why == "matched":
            self.matched(exp, ts, packet)


def because(one: dict[str, Any]) -> str:
    """`RELATED because packet 17 said PORT 10,0,0,5,156,64 (helper ftp, entry 1)`, or that it would be."""
    said = f"because packet {one['packet']} said {one['text']}"
    if one["observed"]:
        return f"NEW, but with the helper {one['helper']} it would be RELATED {said} (entry {one['conn_id']})"
    return f"RELATED {said} (helper {one['helper']}, entry {one['conn_id']})"
