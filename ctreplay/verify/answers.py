"""What the referee says: one answer per packet, one row per entry that is left; as objects and as JSON rows."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Event:
    """One ctnetlink event. `conn` numbers entries in the order of their creation; `status` holds IPS_* bits;
    `counters` are original packets and bytes, reply packets and bytes (DESTROY only)."""

    event: str
    conn: int | None
    state: str | None
    status: int
    counters: tuple[int, ...] | None = None


@dataclass(slots=True)
class KernelAnswer:
    """What the kernel did with one packet.

    `ctstate` is None for an `absorbed` fragment and for what never reached conntrack (`unfit` says why the referee did
    not even try; otherwise this machine's IP layer dropped it). `refreshed` holds the timeout in seconds that this
    packet set, else None. `left_ns` is the time the entry has left. `lowered` is set when an INVALID FIN or RST
    shortened the timeout. `unconfirmed`: the IP layer of this machine refused the packet after conntrack, so a new
    entry was never confirmed. `doubt`: this machine was too slow to tell UDP's two seconds apart.
    """

    packet: int
    ctstate: str | None = None
    direction: str | None = None
    conn: int | None = None
    tuple_conn: int | None = None
    state: str | None = None
    status: int | None = None
    refreshed: int | None = None
    lowered: int | None = None
    left_ns: int | None = None
    counters: tuple[int, ...] | None = None
    events: list[Event] = field(default_factory=list)
    expired: list[tuple[int, int]] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    unconfirmed: bool = False
    doubt: bool = False
    absorbed: bool = False
    unfit: str | None = None


@dataclass(slots=True)
class LiveEntry:
    """An entry that was left in the table after the last packet; `expired_ns` is set for one whose deadline passed
    before the last frame, which was no packet for conntrack."""

    conn: int
    left_ns: int
    state: str | None
    status: int
    counters: tuple[int, ...]
    expired_ns: int | None = None


def to_row(what: KernelAnswer | LiveEntry) -> dict[str, Any]:
    """A JSON object without the fields that have their default."""
    row: dict[str, Any] = {"type": "packet" if isinstance(what, KernelAnswer) else "entry"}
    for spec in fields(what):
        value = getattr(what, spec.name)
        default = spec.default_factory() if spec.default_factory is not MISSING else spec.default
        if value == default:
            continue
        if spec.name == "events":
            value = [[e.event, e.conn, e.state, e.status, e.counters] for e in value]
        row[spec.name] = value
    return row


def from_row(row: dict[str, Any]) -> KernelAnswer | LiveEntry | None:
    """The inverse; None for rows of another type."""
    values = {name: value for name, value in row.items() if name != "type"}
    if values.get("counters") is not None:
        values["counters"] = tuple(values["counters"])
    if row["type"] == "entry":
        return LiveEntry(**values)
    if row["type"] != "packet":
        return None
    values["events"] = [Event(e, c, s, b, tuple(n) if n else None) for e, c, s, b, n in values.get("events", ())]
    values["expired"] = [(number, at) for number, at in values.get("expired", ())]
    return KernelAnswer(**values)
