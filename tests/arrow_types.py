"""The dataset's columns in pyarrow's types: the second opinion on what we write."""

from __future__ import annotations

import pyarrow as pa

from ctreplay.dataset.schema import TABLES

TYPES: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "bool": pa.bool_(),
    "ts": pa.timestamp("ns"),
    "text": pa.string(),
    "dict": pa.dictionary(pa.int32(), pa.string()),
    "key": pa.binary(16),
    "list": pa.list_(pa.string()),
}


def arrow_schema(table: str, metadata: dict[str, str]) -> pa.Schema:
    """Schema of a table; each field carries its documentation as metadata `doc` and `unit`."""
    fields = [pa.field(one.name, TYPES[one.type], metadata=one.notes) for one in TABLES[table]]
    return pa.schema(fields, metadata=metadata)
