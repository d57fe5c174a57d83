"""Batches of column buffers to Arrow record batches."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ctreplay import reasons
from ctreplay.dataset.addresstext import AddressText, buffers
from ctreplay.dataset.columns import Columns
from ctreplay.dataset.community_id import ICMP_PAIRS, ICMPV6_PAIRS
from ctreplay.dataset.flowhash import FlowHash
from ctreplay.dataset.schema import TABLES, arrow_schema, arrow_type
from ctreplay.tracker import codes

_ARROW = {
    "q": pa.int64(), "I": pa.uint32(), "H": pa.uint16(), "B": pa.uint8(), "b": pa.int8(), "h": pa.int16(),
}  # fmt: skip
WITH_PORTS = (6, 17, 132, 136)
_ICMP = (1, 58)
_ID_LENGTH = 30
_ONE = pa.scalar(1, pa.int32())


def plain(data: Any, n: int, kind: pa.DataType | None = None) -> pa.Array:
    """An Arrow array over the buffer, without a copy."""
    return pa.Array.from_buffers(kind or _ARROW[data.format], n, [None, pa.py_buffer(data)])


def times(data: Any, n: int) -> pa.Array:
    """Nanosecond timestamps."""
    return plain(data, n, pa.timestamp("ns"))


def steps(first: int, step: int, n: int, kind: pa.DataType) -> pa.Array:
    """`n` numbers from `first` on, `step` apart."""
    return pc.cumulative_sum(pa.repeat(pa.scalar(step, kind), n), start=pa.scalar(first - step, kind))


def nullable(values: pa.Array, absent: int) -> pa.Array:
    """`absent` becomes null."""
    return pc.if_else(pc.equal(values, pa.scalar(absent, values.type)), pa.scalar(None, values.type), values)


def only(values: pa.Array, keep: pa.Array) -> pa.Array:
    """Null where `keep` is not true."""
    return pc.if_else(keep, values, pa.scalar(None, values.type))


def named(numbers: pa.Array, names: list[str] | tuple[str, ...]) -> pa.Array:
    """Dictionary array of names; -1 and empty names are null."""
    places, texts = _places(tuple(names))
    return pa.DictionaryArray.from_arrays(places.take(pc.add(numbers.cast(pa.int32()), _ONE)), texts)


@lru_cache
def _places(names: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
    """For the numbers from -1 on where their names are, and the names: a dictionary that repeated one would be written
    out as plain text.
    """
    distinct = {name: place for place, name in enumerate(dict.fromkeys(name for name in names if name))}
    return pa.array([None, *map(distinct.get, names)], pa.int32()), pa.array(list(distinct), pa.string())


def keys(data: Any, n: int) -> pa.Array:
    """16-byte address keys."""
    return pa.Array.from_buffers(pa.binary(16), n, [None, pa.py_buffer(data)])


def addresses(first: pa.Array, second: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Two key columns as dictionary-encoded text over one common dictionary."""
    n = len(first)
    both = pa.concat_arrays([first, second]).dictionary_encode()
    texts = address_texts(both.dictionary)
    return (
        pa.DictionaryArray.from_arrays(both.indices[:n], texts),
        pa.DictionaryArray.from_arrays(both.indices[n:], texts),
    )


def address_texts(found: pa.Array) -> pa.Array:
    """Canonical text of 16-byte keys (without nulls)."""
    n = len(found)
    if not n:
        return pa.array([], pa.string())
    out, offsets = buffers(n)
    data = memoryview(found.buffers()[1]).cast("B")[16 * found.offset : 16 * (found.offset + n)]
    AddressText(out, memoryview(offsets).cast("i")).fill(data, n)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(out))


_PROTO_NAMES = [codes.PROTOCOLS.get(number, str(number)) for number in range(256)]
_CHANGES = pa.array(
    [[name for bit, name in enumerate(codes.MARKS[:7]) if mask >> bit & 1] for mask in range(128)],
    pa.list_(pa.string()),
)


def transitions(c: Columns, n: int, first_id: int) -> list[pa.Array]:
    """Columns of transitions.parquet."""
    return [
        steps(first_id, 1, n, pa.int64()),
        times(c["ts"], n),
        nullable(plain(c["packet"], n), 0),
        plain(c["conn_id"], n),
        named(plain(c["event"], n), codes.EVENTS),
        named(plain(c["direction"], n), codes.DIRECTIONS),
        named(plain(c["old_state"], n), codes.STATES),
        named(plain(c["new_state"], n), codes.STATES),
        plain(c["old_status"], n),
        plain(c["new_status"], n),
        _CHANGES.take(plain(c["marks"], n)),
        nullable(plain(c["timeout"], n), -1),
        named(plain(c["why"], n), codes.WHY),
    ]


def connections(c: Columns, n: int, _first_id: int) -> list[pa.Array]:
    """Columns of connections.parquet."""
    proto = plain(c["proto"], n)
    sport, dport = plain(c["sport"], n), plain(c["dport"], n)
    with_ports = pc.is_in(proto, pa.array(WITH_PORTS, pa.uint8()))
    is_icmp = pc.is_in(proto, pa.array(_ICMP, pa.uint8()))
    src_key, dst_key = keys(c["src"], n), keys(c["dst"], n)
    src, dst = addresses(src_key, dst_key)
    status = plain(c["status"], n)
    why = plain(c["why"], n)
    family = plain(c["family"], n)
    helper, master = extras(c["extra"], n)

    def bit(name: str) -> pa.Array:
        mask = pa.scalar(codes.STATUS_BITS[name], pa.uint32())
        return pc.not_equal(pc.bit_wise_and(status, mask), pa.scalar(0, pa.uint32()))

    return [
        plain(c["conn_id"], n),
        community_ids(c, n),
        named(pc.if_else(pc.equal(family, pa.scalar(6, pa.int8())), 1, 0), ("ipv4", "ipv6")),
        named(proto, _PROTO_NAMES),
        proto,
        plain(c["zone"], n),
        src,
        dst,
        only(sport, with_ports),
        only(dport, with_ports),
        dst,
        src,
        only(plain(c["rsport"], n), with_ports),
        only(plain(c["rdport"], n), with_ports),
        src_key,
        dst_key,
        only(pc.shift_right(dport, pa.scalar(8, pa.uint16())), is_icmp).cast(pa.uint8()),
        only(pc.bit_wise_and(dport, pa.scalar(255, pa.uint16())), is_icmp).cast(pa.uint8()),
        only(sport, is_icmp),
        plain(c["orig_packets"], n),
        plain(c["orig_bytes"], n),
        plain(c["reply_packets"], n),
        plain(c["reply_bytes"], n),
        times(c["first_ts"], n),
        times(c["last_ts"], n),
        times(c["end_ts"], n),
        plain(c["conn_id"], n),
        plain(c["last_packet"], n),
        named(plain(c["state"], n), codes.STATES),
        status,
        bit("SEEN_REPLY"),
        bit("ASSURED"),
        bit("EXPECTED"),
        named(why, codes.WHY),
        nullable(plain(c["left"], n), -1),
        plain(c["mark"], n),
        helper,
        master,
        pc.not_equal(plain(c["midstream"], n), pa.scalar(0, pa.int8())),
    ]


def extras(extra: dict[int, tuple[str | None, int | None]], n: int) -> tuple[pa.Array, pa.Array]:
    """Helper and master columns of the few rows that have them."""
    if not extra:
        return pa.nulls(n, pa.string()).dictionary_encode(), pa.nulls(n, pa.int64())
    helper: list[str | None] = [None] * n
    master: list[int | None] = [None] * n
    for row, (name, number) in extra.items():
        helper[row], master[row] = name, number
    return pa.array(helper, pa.string()).dictionary_encode(), pa.array(master, pa.int64())


def community_ids(c: Columns, n: int) -> pa.Array:
    """Community ID of each row; all are 30 characters long."""
    text = bytearray(_ID_LENGTH * n)
    FlowHash({1: ICMP_PAIRS, 58: ICMPV6_PAIRS}, text).fill(
        c["src"], c["dst"], c["proto"], c["family"], c["sport"], c["dport"], n
    )
    offsets = steps(0, _ID_LENGTH, n + 1, pa.int32())
    return pa.StringArray.from_buffers(n, offsets.buffers()[1], pa.py_buffer(text))


def packets(c: Columns, n: int, _first_id: int) -> list[pa.Array]:
    """Columns of packets.parquet."""
    flags = plain(c["flags"], n)
    is_tcp = pc.greater_equal(flags, pa.scalar(0, pa.int16()))
    bounds = pc.not_equal(plain(c["bounds"], n), pa.scalar(0, pa.int8()))
    proto = plain(c["proto"], n)
    is_ip = pc.greater_equal(proto, pa.scalar(0, pa.int16()))
    with_ports = pc.is_in(proto, pa.array(WITH_PORTS, pa.int16()))
    src, dst = addresses(only(keys(c["src"], n), is_ip), only(keys(c["dst"], n), is_ip))
    refreshed = plain(c["refreshed"], n)
    margin = plain(c["margin"], n)
    return [
        plain(c["packet"], n),
        times(c["ts"], n),
        plain(c["capture"], n),
        plain(c["frame"], n),
        plain(c["offset"], n),
        plain(c["caplen"], n),
        plain(c["wirelen"], n),
        nullable(plain(c["conn_id"], n), 0),
        nullable(plain(c["tuple_conn_id"], n), 0),
        named(plain(c["direction"], n), codes.DIRECTIONS),
        named(plain(c["ctstate"], n), codes.CTSTATES),
        named(plain(c["reason"], n), reasons.NAMES),
        named(plain(c["state"], n), codes.STATES),
        nullable(plain(c["timeout"], n), -1),
        nullable(refreshed, -1).cast(pa.bool_()),
        only(flags, is_tcp).cast(pa.uint8()),
        only(plain(c["seq"], n), is_tcp),
        only(plain(c["ack"], n), is_tcp),
        only(plain(c["seq_end"], n), bounds),
        only(plain(c["seq_low"], n), bounds),
        only(plain(c["seq_high"], n), bounds),
        only(plain(c["ack_low"], n), bounds),
        only(plain(c["ack_high"], n), bounds),
        only(margin, bounds),
        named(proto, _PROTO_NAMES),
        src,
        dst,
        only(plain(c["sport"], n), with_ports),
        only(plain(c["dport"], n), with_ports),
        nullable(plain(c["length"], n), -1),
        only(plain(c["payload"], n), is_tcp),
        only(plain(c["window"], n), is_tcp),
    ]


def occupancy(c: Columns, n: int, _first_id: int) -> list[pa.Array]:
    """Columns of occupancy.parquet."""
    cells = c["cells"]
    room = len(cells) // len(TABLES["occupancy"])
    ts, *counts = (cells[at : at + n] for at in range(0, len(cells), room))
    return [times(ts, n), *(plain(count, n) for count in counts)]


_CONVERTERS = {
    "transitions": transitions,
    "connections": connections,
    "packets": packets,
    "occupancy": occupancy,
}


def record_batch(table: str, columns: Columns, n: int, first_id: int) -> pa.RecordBatch:
    """A batch of `n` rows of a streamed table; `first_id` numbers transitions."""
    if table not in _CONVERTERS:
        return pa.RecordBatch.from_arrays(_arrays(table, columns["rows"]), schema=arrow_schema(table))
    return pa.RecordBatch.from_arrays(_CONVERTERS[table](columns, n, first_id), schema=arrow_schema(table))


def from_rows(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    """A small table from plain dictionaries; missing keys are null."""
    return pa.Table.from_arrays(_arrays(table, rows), schema=arrow_schema(table))


def _arrays(table: str, rows: list[dict[str, Any]]) -> list[pa.Array]:
    arrays = []
    for column in TABLES[table]:
        kind = arrow_type(column.type)
        values = [row.get(column.name) for row in rows]
        if column.type == "dict":
            arrays.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(values, kind))
    return arrays
