"""How fast a replay was: known only when all else is."""

from __future__ import annotations

from typing import Any


def pace(run: dict[str, Any]) -> dict[str, Any]:
    """Wall seconds and packets a second of a run.json; None where they are not known."""
    wall_s = run["wall_s"]
    return {"wall_s": wall_s, "packets_per_s": round(run["packets"] / wall_s) if wall_s else None}
