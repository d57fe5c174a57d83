"""The Parquet files of a dataset, written batch by batch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctreplay.dataset import convert
from ctreplay.dataset.columns import STREAMED, Columns
from ctreplay.dataset.ranking import rankings
from ctreplay.dataset.schema import arrow_schema

_WRITE_BATCH = 8192
_SELECTED_BY = {
    "ts", "first_ts", "last_ts", "end_ts", "packet", "first_packet", "last_packet", "frame", "conn_id", "transition_id",
    "orig_src_key", "orig_dst_key",
}  # fmt: skip
# numbers of many connections in turn: differences save nothing
_RANDOM = {"seq", "ack"}
_SORTED_BY = {
    "transitions": ["transition_id"],
    "packets": ["packet"],
    "expectation_events": ["event_id"],
    "occupancy": ["ts"],
}


class ParquetTables:
    """The tables in the folder `folder`; `metadata` goes into every file. Raises OSError when the disk is full."""

    def __init__(self, folder: Path, metadata: dict[str, str]) -> None:
        self.folder = folder
        self.metadata = metadata
        self.next_id = 1
        self.ranked = rankings()
        self.writers = {table: self._open(table) for table in STREAMED}

    def _open(self, table: str) -> pq.ParquetWriter:
        schema = arrow_schema(table, self.metadata)
        sorting = [pq.SortingColumn(schema.get_field_index(name)) for name in _SORTED_BY.get(table, [])]
        return pq.ParquetWriter(
            self.folder / f"{table}.parquet",
            schema,
            # numbers hardly repeat but grow: differences are quicker to write than a dictionary, and smaller
            use_dictionary=[_path(field) for field in schema if _repeats(field.type)],
            column_encoding={
                field.name: "PLAIN" if field.name in _RANDOM else "DELTA_BINARY_PACKED"
                for field in schema
                if _is_number(field.type)
            },
            # minima and maxima only where a reader can skip row groups by them: a fifth of the writing time
            write_statistics=[field.name for field in schema if field.name in _SELECTED_BY],
            write_batch_size=_WRITE_BATCH,
            compression="zstd",
            compression_level=1,
            version="2.6",
            sorting_columns=sorting or None,
        )

    def write(self, table: str, columns: Columns, n: int) -> None:
        """Write a batch of a streamed table; its buffers are free again when this returns."""
        self.put(table, self.batch(table, columns, n))

    def batch(self, table: str, columns: Columns, n: int) -> pa.RecordBatch:
        """The first half of `write`: Arrow's columns, over the same buffers where they need no change."""
        batch = convert.record_batch(table, columns, n, self.next_id)
        if table == "transitions":
            self.next_id += n
        elif table == "connections":
            for ranking in self.ranked:
                ranking.estimate(columns["dst" if ranking.services else "src"], columns["proto"], columns["dport"], n)
        return batch

    def put(self, table: str, batch: pa.RecordBatch) -> None:
        """The second half: encode and compress."""
        self.writers[table].write_batch(batch)

    def close(self, metadata: dict[str, str], meanwhile: Callable[[], object] | None = None) -> None:
        """End the streamed tables; `metadata` goes into every file too. Nothing is left to wait for."""
        self.metadata = self.metadata | metadata
        for writer in self.writers.values():
            writer.add_key_value_metadata(metadata)
            writer.close()

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write a table that is known as a whole, after `close`."""
        data = convert.from_rows(table, rows)
        data = data.replace_schema_metadata(self.metadata)
        pq.write_table(data, self.folder / f"{table}.parquet", compression="zstd", version="2.6")

    def call(self, module: str, name: str, *arguments: Any) -> Any:
        """What the function `name` of `module` returns; it is also told who was `ranked`."""
        return getattr(importlib.import_module(module), name)(*arguments, ranked=self.ranked)

    def end(self) -> None:
        """Nothing follows."""

    def abort(self) -> None:
        """Let go of the files; nothing raises."""
        for writer in self.writers.values():
            try:
                writer.close()
            except (OSError, pa.ArrowException):
                continue


def _repeats(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_list(kind))


def _path(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))
