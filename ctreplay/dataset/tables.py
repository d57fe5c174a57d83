"""The Parquet files of a dataset, written batch by batch."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ctreplay.dataset.chunks import ENCODERS, Batch
from ctreplay.dataset.columns import LAYOUTS, STREAMED, Columns
from ctreplay.dataset.ranking import rankings
from ctreplay.dataset.schema import TABLES, arrow_schema
from ctreplay.parquet.encoding import Encoder
from ctreplay.parquet.file import Chunk, ParquetFile

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
        self.encoder = Encoder()
        self.files = {table: _file(open(self._path(table), "wb"), table) for table in LAYOUTS}  # noqa: SIM115 (`close`)
        # tables of objects are small: pyarrow writes them
        self.writers = {table: self._open(table) for table in STREAMED if table not in LAYOUTS}

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"

    def _open(self, table: str) -> pq.ParquetWriter:
        schema = arrow_schema(table, self.metadata)
        sorting = [pq.SortingColumn(schema.get_field_index(name)) for name in _SORTED_BY.get(table, [])]
        return pq.ParquetWriter(
            self._path(table), schema, compression="zstd", version="2.6", sorting_columns=sorting or None
        )

    def write(self, table: str, columns: Columns, n: int) -> None:
        """Write a batch of a streamed table; its buffers are free again when this returns."""
        if table in LAYOUTS:
            self.put(table, self.encode(table, columns, n), n)
        else:
            self.writers[table].write_table(from_rows(table, columns["rows"]))

    def encode(self, table: str, columns: Columns, n: int) -> list[Chunk]:
        """The first half of `write`, for a table of column buffers: they are free again when this returns."""
        chunks = ENCODERS[table](Batch(self.encoder, columns, n), self.next_id)
        if table == "transitions":
            self.next_id += n
        elif table == "connections":
            for ranking in self.ranked:
                ranking.estimate(columns["dst" if ranking.services else "src"], columns["proto"], columns["dport"], n)
        return chunks

    def put(self, table: str, chunks: list[Chunk], n: int) -> None:
        """The second half: compress and write."""
        self.files[table].write(chunks, n)

    def close(self, metadata: dict[str, str], meanwhile: Callable[[], object] | None = None) -> None:
        """End the streamed tables; `metadata` goes into every file too. Nothing is left to wait for."""
        self.metadata = self.metadata | metadata
        for table, file in self.files.items():
            _end(file, table, self.metadata)
            file.file.close()
        for writer in self.writers.values():
            writer.add_key_value_metadata(metadata)
            writer.close()

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write a table that is known as a whole, after `close`."""
        data = from_rows(table, rows).replace_schema_metadata(self.metadata)
        pq.write_table(data, self._path(table), compression="zstd", version="2.6")

    def prepare(self, module: str) -> None:
        """Nothing: `call` loads it."""

    def call(self, module: str, name: str, *arguments: Any) -> Any:
        """What the function `name` of `module` returns; it is also told who was `ranked`."""
        return getattr(importlib.import_module(module), name)(*arguments, ranked=self.ranked)

    def end(self) -> None:
        """Nothing follows."""

    def abort(self) -> None:
        """Let go of the files; nothing raises."""
        for file in (*(one.file for one in self.files.values()), *self.writers.values()):
            with contextlib.suppress(OSError, pa.ArrowException):
                file.close()


def _file(file: BinaryIO, table: str) -> ParquetFile:
    return ParquetFile(file, [(column.name, column.type) for column in TABLES[table]], _SORTED_BY.get(table, []))


def _end(file: ParquetFile, table: str, metadata: dict[str, str]) -> None:
    file.end(metadata, arrow_schema(table, metadata).serialize().to_pybytes())


def in_memory(table: str, columns: Columns, n: int) -> io.BytesIO:
    """A batch of a table of column buffers as a file of its own."""
    memory = io.BytesIO()
    file = _file(memory, table)
    file.write(ENCODERS[table](Batch(Encoder(), columns, n), 1), n)
    _end(file, table, {})
    memory.seek(0)
    return memory


def from_rows(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    """A small table from plain dictionaries; missing keys are null."""
    schema = arrow_schema(table)
    return pa.Table.from_arrays([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)
