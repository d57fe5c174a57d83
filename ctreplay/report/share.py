"""Percentages for people."""

from __future__ import annotations


def share(part: int, whole: int) -> str:
    """A percentage; 0 and 100 are none and all."""
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "under 1 %"
    if 99 < percent < 100:
        return "over 99 %"
    return f"{percent:.0f} %"
