"""Tables that come as rows of objects: the small ones."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from ctreplay.dataset.chunks import Batch
from ctreplay.dataset.schema import TABLES
from ctreplay.parquet.encoding import Encoder
from ctreplay.parquet.file import Chunk

Row = dict[str, Any]


def _numbers(code: str) -> Callable[[Batch, list[Any]], Chunk]:
    def chunk(b: Batch, values: list[Any]) -> Chunk:
        data = memoryview(array(code, (value or 0 for value in values)))
        return b.numbers(data, b.given(values))

    return chunk


def _selecting(b: Batch, values: list[Any]) -> Chunk:
    return b.selecting(memoryview(array("q", (value or 0 for value in values))), b.given(values))


def _booleans(b: Batch, values: list[Any]) -> Chunk:
    return b.booleans(memoryview(bytearray(bool(value) for value in values)), 0, b.given(values))


_ENCODE: dict[str, Callable[[Batch, list[Any]], Chunk]] = {
    "int64": _selecting,
    "ts": _selecting,
    "uint8": _numbers("B"),
    "uint16": _numbers("H"),
    "bool": _booleans,
    "text": Batch.texts,
    "dict": Batch.texts,
}


def encode(encoder: Encoder, table: str, rows: list[Row]) -> list[Chunk]:
    """A chunk for each column of `table`; what a row lacks is null."""
    batch = Batch(encoder, {}, len(rows))
    return [_ENCODE[column.type](batch, [row.get(column.name) for row in rows]) for column in TABLES[table]]
