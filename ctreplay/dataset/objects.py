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


# kind of a column → type code of its numbers, and how they become a chunk
_NUMBERS: dict[str, tuple[str, Callable[..., Chunk]]] = {
    "int64": ("q", Batch.selecting),
    "ts": ("q", Batch.selecting),
    "uint8": ("B", Batch.numbers),
    "uint16": ("H", Batch.numbers),
    "bool": ("B", Batch.booleans),
}
_TEXTS = ("text", "dict")


def _chunk(batch: Batch, kind: str, values: list[Any]) -> Chunk:
    if kind in _TEXTS:
        return batch.texts(values)
    code, made = _NUMBERS[kind]
    return made(batch, memoryview(array(code, (value or 0 for value in values))), valid=batch.given(values))


def encode(encoder: Encoder, table: str, rows: list[Row]) -> list[Chunk]:
    """A chunk for each column of `table`; what a row lacks is null."""
    batch = Batch(encoder, {}, len(rows))
    return [_chunk(batch, column.type, [row.get(column.name) for row in rows]) for column in TABLES[table]]
