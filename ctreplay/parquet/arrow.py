"""Arrow's schema message, by which readers of Parquet files know more types and each column's documentation.

The message is a flatbuffer (https://flatbuffers.dev/internals/) after Schema.fbs and Message.fbs of the Arrow format,
version 5, framed as in https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format. pyarrow makes
the same, but loading it takes as long as a small replay.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

# appends itself to the bytes so far and returns where it begins
Ref = Callable[[bytearray], int]
# a field of a table: nothing (the default), a number by its code of `struct`, or what an offset leads to
Slot = tuple[str, int] | Ref | None

_V5 = 4
_SCHEMA = 1
_NANOSECOND = 3
_INT, _UTF8, _BOOL, _TIMESTAMP, _LIST, _FIXED = 2, 5, 6, 10, 12, 15


def _pad(out: bytearray, size: int) -> None:
    out += bytes(-len(out) % size)


def _refer(out: bytearray, at: int, ref: Ref) -> None:
    """Write what `at` leads to."""
    struct.pack_into("<I", out, at, ref(out) - at)


def _table(*slots: Slot) -> Ref:
    """A table behind its description: where in it each field lies."""

    def write(out: bytearray) -> int:
        places = []
        size = 4
        for slot in slots:
            if slot is None:
                places.append(0)
                continue
            width = struct.calcsize(slot[0]) if isinstance(slot, tuple) else 4
            size += -size % width
            places.append(size)
            size += width
        description = struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), size, *places)
        out += bytes(-(len(out) + len(description)) % 8) + description
        begin = len(out)
        out += struct.pack("<i", len(description)) + bytes(size - 4)
        for slot, place in zip(slots, places, strict=True):
            if isinstance(slot, tuple):
                struct.pack_into(f"<{slot[0]}", out, begin + place, slot[1])
        for slot, place in zip(slots, places, strict=True):
            if slot is not None and not isinstance(slot, tuple):
                _refer(out, begin + place, slot)
        return begin

    return write


def _text(value: str) -> Ref:
    def write(out: bytearray) -> int:
        data = value.encode()
        _pad(out, 4)
        begin = len(out)
        out += struct.pack("<I", len(data)) + data + b"\0"
        return begin

    return write


def _vector(items: Sequence[Ref]) -> Ref:
    def write(out: bytearray) -> int:
        _pad(out, 4)
        begin = len(out)
        out += struct.pack("<I", len(items)) + bytes(4 * len(items))
        for number, item in enumerate(items):
            _refer(out, begin + 4 + 4 * number, item)
        return begin

    return write


def _int(bits: int, signed: bool = False) -> Ref:
    return _table(("i", bits), ("B", signed))


# kind of a column → number and table of its type
_TYPES: dict[str, tuple[int, Ref]] = {
    "int64": (_INT, _int(64, True)),
    "uint8": (_INT, _int(8)),
    "uint16": (_INT, _int(16)),
    "uint32": (_INT, _int(32)),
    "bool": (_BOOL, _table()),
    "ts": (_TIMESTAMP, _table(("h", _NANOSECOND))),
    "text": (_UTF8, _table()),
    "dict": (_UTF8, _table()),
    "key": (_FIXED, _table(("i", 16))),
    "list": (_LIST, _table()),
}


def _pairs(notes: Mapping[str, str]) -> Ref:
    return _vector([_table(_text(key), _text(value)) for key, value in notes.items()])


def _field(name: str, kind: str, notes: Mapping[str, str], dictionary: int) -> Ref:
    number, about = _TYPES[kind]
    return _table(
        _text(name),
        ("B", True),
        ("B", number),
        about,
        _table(("q", dictionary), _int(32, True)) if kind == "dict" else None,
        _vector([_field("item", "text", {}, 0)] if kind == "list" else []),
        _pairs(notes),
    )


def schema(columns: Sequence[tuple[str, str, Mapping[str, str]]], metadata: Mapping[str, str]) -> bytes:
    """The message for columns of name, kind (as `parquet.file` has them) and notes.

    `metadata` is that of the whole file: readers that find this message take it from here.
    """
    fields = [_field(*column, number) for number, column in enumerate(columns)]
    message = _table(("h", _V5), ("B", _SCHEMA), _table(None, _vector(fields), _pairs(metadata)), ("q", 0))
    out = bytearray(4)
    _refer(out, 0, message)
    _pad(out, 8)
    return struct.pack("<Ii", 0xFFFFFFFF, len(out)) + out
