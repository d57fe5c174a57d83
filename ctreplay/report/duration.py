"""Spans of time as people say them."""

from __future__ import annotations

# below so many seconds → seconds of the unit, unit
_UNITS = (
    (1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h"),
    (float("inf"), 86400, "days"),
)  # fmt: skip


def duration(ns: int) -> str:
    """Nanoseconds as people say them."""
    seconds = ns / 1e9
    size, unit = next((size, unit) for limit, size, unit in _UNITS if seconds < limit)
    count = seconds / size
    return f"{count:.3g} {unit}" if count < 999.5 else f"{count:,.0f} {unit}"
