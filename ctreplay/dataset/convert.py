"""Batches of column buffers to Arrow record batches."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import calcsize
from typing import Any, NamedTuple

import pyarrow as pa

from ctreplay import reasons
from ctreplay.dataset import validity
from ctreplay.dataset.addresstext import LONGEST, AddressText
from ctreplay.dataset.columns import Columns
from ctreplay.dataset.community_id import ICMP_PAIRS, ICMPV6_PAIRS
from ctreplay.dataset.distinct import Distinct
from ctreplay.dataset.flowhash import FlowHash
from ctreplay.dataset.schema import TABLES, arrow_schema, arrow_type
from ctreplay.tracker import codes

_ARROW = {
    "q": pa.int64(), "I": pa.uint32(), "H": pa.uint16(), "B": pa.uint8(),
}  # fmt: skip
WITH_PORTS = (6, 17, 132, 136)
_ICMP = (1, 58)
_ID_LENGTH = 30


class Valid(NamedTuple):
    """The rows of a batch that have a value: a bit for each (None: all of them have one), and how many have none."""

    bits: pa.Buffer | None
    nulls: int


EVERY = Valid(None, 0)


def room(n: int, code: str = "B") -> tuple[pa.Buffer, memoryview]:
    """Memory for `n` numbers, with anything in it: as Arrow holds it, and to write to."""
    buffer = pa.allocate_buffer(n * calcsize(code))
    return buffer, memoryview(buffer).cast("B").cast(code)  # type: ignore[call-overload]


def marked(n: int, mark: Callable[[memoryview], object]) -> Valid:
    """The rows that `mark` marks with 1, in a byte for each."""
    marks = room(n)[1]
    mark(marks)
    buffer, bits = room((n + 7) // 8)
    count = validity.pack(marks, n, bits)
    return EVERY if count == n else Valid(buffer, n - count)


def plain(data: Any, n: int, valid: Valid = EVERY, kind: pa.DataType | None = None) -> pa.Array:
    """An Arrow array over the buffer, without a copy."""
    return pa.Array.from_buffers(kind or _ARROW[data.format], n, [valid.bits, pa.py_buffer(data)], valid.nulls)


def times(data: Any, n: int) -> pa.Array:
    """Nanosecond timestamps."""
    return plain(data, n, kind=pa.timestamp("ns"))


def nullable(data: Any, n: int, absent: int) -> pa.Array:
    """64-bit numbers; `absent` becomes null."""
    return plain(data, n, marked(n, lambda marks: validity.present(data, n, absent, marks)))


def _codes(data: Any) -> Any:
    """A column of codes as unsigned numbers: those below 0 are beyond every table."""
    return data if data.format in "BH" else data.cast("B").cast(data.format.upper())


def where(data: Any, n: int, table: bytes) -> Valid:
    """The rows whose code `table` marks with 1."""
    return marked(n, lambda marks: validity.chosen(_codes(data), n, table, marks))


def marking(numbers: Sequence[int]) -> bytes:
    """A table that marks these codes."""
    return bytes(number in numbers for number in range(max(numbers) + 1))


_NOT_NEGATIVE = marking(range(256))
_NOT_ZERO = marking(range(1, 256))
_TRUE = marking([1])
_KNOWN = marking([0, 1])
_PORTS = marking(WITH_PORTS)
_ICMPS = marking(_ICMP)


def booleans(n: int, true: Valid, valid: Valid = EVERY) -> pa.Array:
    """A column of yes and no."""
    bits = true.bits or pa.py_buffer(b"\xff" * ((n + 7) // 8))
    return pa.Array.from_buffers(pa.bool_(), n, [valid.bits, bits], valid.nulls)


def octets_of(data: Any, n: int, shift: int, valid: Valid) -> pa.Array:
    """Eight bits of 16-bit numbers, from bit `shift` on."""
    buffer, found = room(n)
    validity.octet(_codes(data), n, shift, found)
    return pa.Array.from_buffers(pa.uint8(), n, [valid.bits, buffer], valid.nulls)


def named(data: Any, n: int, names: Sequence[str]) -> pa.Array:
    """Dictionary array of names; numbers below 0 and empty names are null."""
    table, words = _dictionary(tuple(names))
    buffer, places = room(n, "i")
    valid = marked(n, lambda marks: validity.places(_codes(data), n, table, places, marks))
    return encoded(buffer, n, words, valid)


def encoded(places: pa.Buffer, n: int, words: pa.Array, valid: Valid) -> pa.Array:
    """Dictionary array of 32-bit places in `words`."""
    indices = pa.Array.from_buffers(pa.int32(), n, [valid.bits, places], valid.nulls)
    return pa.DictionaryArray.from_arrays(indices, words, safe=False)


def _distinct(values: Iterable[str | None]) -> tuple[dict[str | None, int], pa.Array]:
    """The place of each different text, and these texts: a dictionary that repeated one would be written out as plain
    text.
    """
    words = list(dict.fromkeys(value for value in values if value is not None))
    return {word: place for place, word in enumerate(words)}, pa.array(words, pa.string())


@lru_cache
def _dictionary(names: tuple[str, ...]) -> tuple[array[int], pa.Array]:
    """Where the name of each number is (-1: it has none), and the names."""
    places, words = _distinct(name or None for name in names)
    return array("i", [places.get(name, -1) for name in names]), words


def texts(values: Sequence[str | None]) -> pa.Array:
    """Dictionary array of a few texts."""
    places, words = _distinct(values)
    return pa.DictionaryArray.from_arrays(pa.array([places.get(value) for value in values], pa.int32()), words)


def keys(data: Any, n: int) -> pa.Array:
    """16-byte address keys."""
    return pa.Array.from_buffers(pa.binary(16), n, [None, pa.py_buffer(data)])


def addresses(first: Any, second: Any, n: int, valid: Valid = EVERY) -> tuple[pa.Array, pa.Array]:
    """Two columns of 16-byte keys as dictionary-encoded text over one common dictionary."""
    distinct = Distinct()
    bits = memoryview(valid.bits or b"").cast("B")
    places, numbers = room(n, "i")
    other_places, other_numbers = room(n, "i")
    distinct.numbers(first, n, bits, numbers)
    distinct.numbers(second, n, bits, other_numbers)
    found = address_texts(distinct.high, distinct.low, distinct.found)
    return encoded(places, n, found, valid), encoded(other_places, n, found, valid)


def address_texts(high: Any, low: Any, n: int) -> pa.Array:
    """Canonical text of addresses in two halves."""
    if not n:
        return pa.array([], pa.string())
    text, letters = room(LONGEST * n)
    offsets, numbers = room(n + 1, "i")
    AddressText(letters, numbers).fill(high, low, n)
    return pa.StringArray.from_buffers(n, offsets, text)


_PROTO_NAMES = tuple(codes.PROTOCOLS.get(number, str(number)) for number in range(256))
_FAMILIES = ("", "", "", "", "ipv4", "", "ipv6")
_CHANGES = codes.MARKS
_CHANGE_NAMES = validity.name_table(_CHANGES)
_CHANGE_SETS = [[name for bit, name in enumerate(_CHANGES) if mask >> bit & 1] for mask in range(256)]
_CHANGE_COUNTS = array("i", map(len, _CHANGE_SETS))
_CHANGE_LENGTHS = array("i", [sum(map(len, names)) for names in _CHANGE_SETS])


def changes(data: Any, n: int) -> pa.Array:
    """Lists of the names of the bits set."""
    marks = _codes(data)
    count = validity.total(marks, n, _CHANGE_COUNTS)
    lists, begins = room(n + 1, "i")
    offsets, numbers = room(count + 1, "i")
    text, letters = room(validity.total(marks, n, _CHANGE_LENGTHS))
    validity.named_lists(marks, n, _CHANGE_NAMES, begins, numbers, letters)
    names = pa.StringArray.from_buffers(count, offsets, text)
    return pa.Array.from_buffers(pa.list_(pa.string()), n, [None, lists], 0, children=[names])


def transitions(c: Columns, n: int, first_id: int) -> list[pa.Array]:
    """Columns of transitions.parquet."""
    buffer, numbers = room(n, "q")
    validity.numbered(first_id, 1, numbers)
    return [
        pa.Array.from_buffers(pa.int64(), n, [None, buffer], 0),
        times(c["ts"], n),
        nullable(c["packet"], n, 0),
        plain(c["conn_id"], n),
        named(c["event"], n, codes.EVENTS),
        named(c["direction"], n, codes.DIRECTIONS),
        named(c["old_state"], n, codes.STATES),
        named(c["new_state"], n, codes.STATES),
        plain(c["old_status"], n),
        plain(c["new_status"], n),
        changes(c["marks"], n),
        nullable(c["timeout"], n, -1),
        named(c["why"], n, codes.WHY),
    ]


def connections(c: Columns, n: int, _first_id: int) -> list[pa.Array]:
    """Columns of connections.parquet."""
    with_ports, is_icmp = where(c["proto"], n, _PORTS), where(c["proto"], n, _ICMPS)
    src, dst = addresses(c["src"], c["dst"], n)
    status = c["status"]
    helper, master = extras(c["extra"], n)

    def bit(name: str) -> pa.Array:
        return booleans(n, marked(n, lambda marks: validity.flagged(status, n, codes.STATUS_BITS[name], marks)))

    return [
        plain(c["conn_id"], n),
        community_ids(c, n),
        named(c["family"], n, _FAMILIES),
        named(c["proto"], n, _PROTO_NAMES),
        plain(c["proto"], n),
        plain(c["zone"], n),
        src,
        dst,
        plain(c["sport"], n, with_ports),
        plain(c["dport"], n, with_ports),
        dst,
        src,
        plain(c["rsport"], n, with_ports),
        plain(c["rdport"], n, with_ports),
        keys(c["src"], n),
        keys(c["dst"], n),
        octets_of(c["dport"], n, 8, is_icmp),
        octets_of(c["dport"], n, 0, is_icmp),
        plain(c["sport"], n, is_icmp),
        plain(c["orig_packets"], n),
        plain(c["orig_bytes"], n),
        plain(c["reply_packets"], n),
        plain(c["reply_bytes"], n),
        times(c["first_ts"], n),
        times(c["last_ts"], n),
        times(c["end_ts"], n),
        plain(c["conn_id"], n),
        plain(c["last_packet"], n),
        named(c["state"], n, codes.STATES),
        plain(status, n),
        bit("SEEN_REPLY"),
        bit("ASSURED"),
        bit("EXPECTED"),
        named(c["why"], n, codes.WHY),
        nullable(c["left"], n, -1),
        plain(c["mark"], n),
        helper,
        master,
        booleans(n, where(c["midstream"], n, _NOT_ZERO)),
    ]


def extras(extra: dict[int, tuple[str | None, int | None]], n: int) -> tuple[pa.Array, pa.Array]:
    """Helper and master columns of the few rows that have them."""
    if not extra:
        return pa.nulls(n, arrow_type("dict")), pa.nulls(n, pa.int64())
    helper: list[str | None] = [None] * n
    master: list[int | None] = [None] * n
    for row, (name, number) in extra.items():
        helper[row], master[row] = name, number
    return texts(helper), pa.array(master, pa.int64())


def community_ids(c: Columns, n: int) -> pa.Array:
    """Community ID of each row; all are 30 characters long."""
    text, letters = room(_ID_LENGTH * n)
    FlowHash({1: ICMP_PAIRS, 58: ICMPV6_PAIRS}, letters).fill(
        c["src"], c["dst"], c["proto"], c["family"], c["sport"], c["dport"], n
    )
    offsets, numbers = room(n + 1, "i")
    validity.numbered(0, _ID_LENGTH, numbers)
    return pa.StringArray.from_buffers(n, offsets, text)


def packets(c: Columns, n: int, _first_id: int) -> list[pa.Array]:
    """Columns of packets.parquet."""
    proto, refreshed = c["proto"], c["refreshed"]
    is_tcp = where(c["flags"], n, _NOT_NEGATIVE)
    low, bounds = where(c["bounds"], n, _NOT_ZERO), where(c["bounds"], n, _TRUE)
    with_ports = where(c["ported"], n, _NOT_ZERO)
    src, dst = addresses(c["src"], c["dst"], n, where(proto, n, _NOT_NEGATIVE))
    return [
        plain(c["packet"], n),
        times(c["ts"], n),
        plain(c["capture"], n),
        plain(c["frame"], n),
        plain(c["offset"], n),
        plain(c["caplen"], n),
        plain(c["wirelen"], n),
        nullable(c["conn_id"], n, 0),
        nullable(c["tuple_conn_id"], n, 0),
        named(c["direction"], n, codes.DIRECTIONS),
        named(c["ctstate"], n, codes.CTSTATES),
        named(c["reason"], n, reasons.NAMES),
        named(c["state"], n, codes.STATES),
        nullable(c["timeout"], n, -1),
        booleans(n, where(refreshed, n, _TRUE), where(refreshed, n, _KNOWN)),
        octets_of(c["flags"], n, 0, is_tcp),
        plain(c["seq"], n, is_tcp),
        plain(c["ack"], n, is_tcp),
        plain(c["seq_end"], n, low),
        plain(c["seq_low"], n, low),
        plain(c["seq_high"], n, bounds),
        plain(c["ack_low"], n, bounds),
        plain(c["ack_high"], n, bounds),
        plain(c["margin"], n, low),
        named(proto, n, _PROTO_NAMES),
        src,
        dst,
        plain(c["sport"], n, with_ports),
        plain(c["dport"], n, with_ports),
        nullable(c["length"], n, -1),
        plain(c["payload"], n, is_tcp),
        plain(c["window"], n, is_tcp),
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
            arrays.append(texts(values))
        else:
            arrays.append(pa.array(values, kind))
    return arrays
