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
class ExpectationEvent:
    """NEW and DESTROY as ctnetlink sends them, and REFRESH of a timer, which it does not send. `expectation` numbers
    them in the order of their creation; `timeout_s` and `flags` (1 PERMANENT, 2 INACTIVE) are those set. `about` (NEW
    only): protocol number, source, its mask, source port, its mask, destination, its port, helper, class, and the
    number of the master's entry, None for one that was never confirmed."""

    event: str
    expectation: int
    timeout_s: int | None
    flags: int
    about: list[Any] | None = None


@dataclass(slots=True)
class KernelAnswer:
    """What the kernel did with one packet.

    `ctstate` is None for an `absorbed` fragment and for what never reached conntrack (`unfit` says why the referee did
    not even try; otherwise this machine's IP layer dropped it). `refreshed` holds the timeout in seconds that this
    packet set, else None. `left_ns` is the time the entry has left. `lowered` is set when an INVALID FIN or RST
    shortened the timeout. `unconfirmed`: the IP layer of this machine refused the packet after conntrack, so a new
    entry was never confirmed. `doubt`: this machine was too slow to tell UDP's two seconds apart. `dropped`: a helper
    refused it. `helper` and `master` are the entry's. Before the packet, at the instant given, entries were `expired`
    or `killed` with another one, and expectations ended `unused`, by timeout or with their master (master_gone).
    `stand_in`: its addresses are not its own.
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
    killed: list[tuple[int, int]] = field(default_factory=list)
    unused: list[tuple[int, int, str]] = field(default_factory=list)
    expectations: list[ExpectationEvent] = field(default_factory=list)
    helper: str | None = None
    master: int | None = None
    dropped: bool = False
    stand_in: bool = False
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


@dataclass(slots=True)
class Ended:
    """What ended between the last packet and the last frame, which was none for conntrack, as in `KernelAnswer`."""

    expired: list[tuple[int, int]] = field(default_factory=list)
    killed: list[tuple[int, int]] = field(default_factory=list)
    unused: list[tuple[int, int, str]] = field(default_factory=list)


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
        elif spec.name == "expectations":
            value = [[e.event, e.expectation, e.timeout_s, e.flags, e.about] for e in value]
        row[spec.name] = value
    return row


def from_row(row: dict[str, Any]) -> KernelAnswer | LiveEntry | Ended | None:
    """The inverse; None for rows of another type."""
    values = {name: value for name, value in row.items() if name != "type"}
    if values.get("counters") is not None:
        values["counters"] = tuple(values["counters"])
    if row["type"] == "entry":
        return LiveEntry(**values)
    for name in ("expired", "killed", "unused"):
        if name in values:
            values[name] = [tuple(one) for one in values[name]]
    if row["type"] == "ended":
        return Ended(**values)
    if row["type"] != "packet":
        return None
    values["events"] = [Event(e, c, s, b, tuple(n) if n else None) for e, c, s, b, n in values.get("events", ())]
    values["expectations"] = [ExpectationEvent(*event) for event in values.get("expectations", ())]
    return KernelAnswer(**values)
