"""Where the rows of the streamed tables lie until they are written: a buffer per column, in fresh or shared memory.

A batch is a dictionary of column name → buffer of C values (`array` type codes; addresses are 16 bytes each). A count
before the code stands for so many columns behind each other in one buffer.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from struct import calcsize
from typing import Any

from ctreplay.dataset.schema import TABLES

Columns = dict[str, Any]
# called with a table for the columns of its next batch
Fresh = Callable[[str], Columns]

_KEY = "16s"
_ALIGN = 64

_TRANSITIONS = {
    "q": ("ts", "packet", "conn_id", "timeout"),
    "I": ("old_status", "new_status"),
    "b": ("event", "direction", "old_state", "new_state", "marks", "why"),
}
_CONNECTIONS = {
    "q": (
        "conn_id", "orig_packets", "orig_bytes", "reply_packets", "reply_bytes", "first_ts", "last_ts", "end_ts",
        "last_packet", "left",
    ),
    _KEY: ("src", "dst"),
    "I": ("status", "mark"),
    "H": ("sport", "dport", "rsport", "rdport", "zone"),
    "b": ("family", "state", "why", "midstream"),
    "B": ("proto",),
}  # fmt: skip
_PACKET = {
    "q": (
        "packet", "ts", "frame", "offset", "caplen", "wirelen", "conn_id", "tuple_conn_id", "timeout", "margin",
        "length",
    ),
    _KEY: ("src", "dst"),
    "I": ("seq", "ack", "seq_end", "seq_low", "seq_high", "ack_low", "ack_high", "payload"),
    "h": ("reason", "flags", "proto"),
    "H": ("capture", "sport", "dport", "window"),
    "b": ("direction", "ctstate", "state", "refreshed", "bounds", "ported", "family"),
}  # fmt: skip
_OCCUPANCY: dict[str, tuple[str, ...]] = {f"{len(TABLES['occupancy'])}q": ("cells",)}

# table → (rows of a batch, which is a row group of the file, whose description stays in memory; type code → columns)
LAYOUTS: dict[str, tuple[int, dict[str, tuple[str, ...]]]] = {
    "transitions": (65536, _TRANSITIONS),
    "connections": (65536, _CONNECTIONS),
    "packets": (131072, _PACKET),
    "occupancy": (8192, _OCCUPANCY),
}

# of so many connections, 51 bytes each, the triage finds in memory what it asks for
KEPT = 1 << 17

# all tables that are written batch by batch; those without a layout come as rows of objects
STREAMED = (*LAYOUTS, "expectations", "expectation_events")


def size(table: str) -> int:
    """Bytes of a batch of `table`, a multiple of the alignment of every column."""
    rows, layout = LAYOUTS[table]
    return sum(_room(code, rows) * len(names) for code, names in layout.items())


def _room(code: str, rows: int) -> int:
    return -(-calcsize(code) * rows // _ALIGN) * _ALIGN


def over(table: str, memory: Any) -> Columns:
    """The columns of a batch that lies in `memory` (`size(table)` bytes)."""
    rows, layout = LAYOUTS[table]
    view = memoryview(memory)
    at = 0
    found: Columns = {}
    for code, names in layout.items():
        for name in names:
            column = view[at : at + calcsize(code) * rows]
            found[name] = column if code == _KEY else column.cast(code[-1])  # type: ignore[call-overload]
            at += _room(code, rows)
    return found


def fresh(table: str) -> Columns:
    """Columns of a new batch, in mapped memory: its pages cost nothing until they are written to."""
    return over(table, mmap.mmap(-1, size(table)))
