"""Thrift's compact protocol, as far as the metadata of Parquet files needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BYTE, I32, I64, BINARY, LIST, STRUCT = 3, 5, 6, 8, 9, 12
_TRUE, _FALSE = 1, 2
BOOL = _TRUE

# (field id, type, value); None: the field is left out. A list has (type of its elements, elements) as value; a struct
# has the bytes that `struct` made.
Field = tuple[int, int, Any]


def varint(value: int) -> bytes:
    """ULEB128."""
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def zigzag(value: int) -> bytes:
    """A signed number."""
    return varint(value << 1 if value >= 0 else -value * 2 - 1)


def struct(*fields: Field) -> bytes:
    """A struct with these fields, in ascending order of their ids."""
    found = bytearray()
    before = 0
    for number, kind, value in fields:
        if value is None:
            continue
        sent = (_TRUE if value else _FALSE) if kind == BOOL else kind
        found.append(number - before << 4 | sent)
        if kind != BOOL:
            found += _value(kind, value)
        before = number
    found.append(0)
    return bytes(found)


def _value(kind: int, value: Any) -> bytes:
    if kind == LIST:
        return _list(*value)
    if kind == BINARY:
        data = value.encode() if isinstance(value, str) else value
        return varint(len(data)) + data
    if kind == STRUCT:
        return bytes(value)
    if kind == BYTE:
        return bytes([value & 255])
    return zigzag(value)


def _list(kind: int, values: Sequence[Any]) -> bytes:
    size = len(values)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)
    return head + b"".join(_value(kind, value) for value in values)
