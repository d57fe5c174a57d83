"""The Parquet files of a dataset, written batch by batch."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ctreplay.dataset import objects
from ctreplay.dataset.chunks import ENCODERS, Batch
from ctreplay.dataset.columns import LAYOUTS, STREAMED, Columns
from ctreplay.dataset.schema import TABLES
from ctreplay.dataset.seen import Seen
from ctreplay.parquet.encoding import Encoder
from ctreplay.parquet.file import Chunk, ParquetFile

_SORTED_BY = {
    # written when they end
    "connections": ["end_ts"],
    "transitions": ["transition_id"],
    "packets": ["packet"],
    "expectation_events": ["event_id"],
    "occupancy": ["ts"],
    "captures": ["capture"],
}


class ParquetTables:
    """The tables in the folder `folder`; `metadata` goes into every file. Raises OSError when the disk is full."""

    def __init__(self, folder: Path, metadata: dict[str, str]) -> None:
        self.folder = folder
        self.metadata = metadata
        self.next_id = 1
        self.seen = Seen()
        self.encoder = Encoder()
        self.files = {table: self._open(table) for table in STREAMED}

    def _open(self, table: str) -> ParquetFile:
        return _file(open(self.folder / f"{table}.parquet", "wb"), table)

    def write(self, table: str, columns: Columns, n: int) -> None:
        """Write a batch of a streamed table; its buffers are free again when this returns."""
        self.put(table, self.encode(table, columns, n), n)

    def encode(self, table: str, columns: Columns, n: int) -> list[Chunk]:
        """The first half of `write`: the buffers are free again when this returns."""
        if table not in LAYOUTS:
            return objects.encode(self.encoder, table, columns["rows"])
        chunks = ENCODERS[table](Batch(self.encoder, columns, n), self.next_id)
        self.count(table, columns, n)
        return chunks

    def count(self, table: str, columns: Columns, n: int) -> None:
        """What is noted of a batch of a table of column buffers when it is encoded."""
        if table == "transitions":
            self.next_id += n
        self.seen.batch(table, columns, n, self.encoder)

    def put(self, table: str, chunks: list[Chunk], n: int) -> None:
        """The second half: compress and write."""
        self.files[table].write(chunks, n)

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write a table that is known as a whole."""
        self.seen.rows[table] = rows
        self.files[table] = file = self._open(table)
        if rows:
            file.write(objects.encode(self.encoder, table, rows), len(rows))

    def close(self, metadata: dict[str, str]) -> None:
        """End the files; `metadata` goes into every one too."""
        for file in self.files.values():
            file.end(self.metadata | metadata)
            file.file.close()

    def call(self, module: str, name: str, *arguments: Any, meanwhile: Callable[[], object] | None = None) -> Any:
        """What the function `name` of `module` returns; it is also told what was `seen`."""
        return getattr(importlib.import_module(module), name)(*arguments, seen=self.seen)

    def end(self) -> None:
        """Nothing follows."""

    def abort(self) -> None:
        """Let go of the files; nothing raises."""
        for file in self.files.values():
            with contextlib.suppress(OSError):
                file.file.close()


def _file(file: BinaryIO, table: str) -> ParquetFile:
    columns = [(column.name, column.type, column.notes) for column in TABLES[table]]
    return ParquetFile(file, columns, _SORTED_BY.get(table, ()))


def in_memory(table: str, columns: Columns, n: int) -> io.BytesIO:
    """A batch of a table of column buffers as a file of its own."""
    memory = io.BytesIO()
    file = _file(memory, table)
    file.write(ENCODERS[table](Batch(Encoder(), columns, n), 1), n)
    file.end({})
    memory.seek(0)
    return memory
