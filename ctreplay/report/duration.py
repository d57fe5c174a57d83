"""Spans of time as people say them."""

from __future__ import annotations


def duration(ns: int) -> str:
    """Nanoseconds as people say them."""
    seconds = ns / 1e9
    for limit, size, unit in (
        (1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h"),
    ):  # fmt: skip
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} days"
