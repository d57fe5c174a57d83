"""A dataset on its way to disk: written under a temporary name, by a thread of its own, renamed when whole."""

from __future__ import annotations

import json
import os
import queue
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ctreplay.dataset import convert
from ctreplay.dataset.schema import arrow_schema

STREAMED = ("connections", "transitions", "packets", "expectations", "expectation_events", "occupancy")
_WRITE_BATCH = 8192
_SELECTED_BY = {
    "ts", "first_ts", "last_ts", "end_ts", "packet", "first_packet", "last_packet", "frame", "conn_id", "transition_id",
    "orig_src_key", "orig_dst_key",
}  # fmt: skip
_SORTED_BY = {
    "transitions": ["transition_id"],
    "packets": ["packet"],
    "expectation_events": ["event_id"],
    "occupancy": ["ts"],
}
_WAITING = 2


class DatasetExists(FileExistsError):
    """The target folder is there already."""


class DatasetWriter:
    """Takes batches from the replay (`flush`), small tables and run.json; `commit` makes the folder appear.

    Whatever goes wrong before `commit`, nothing under the final name exists; `abort` removes what was written.
    """

    def __init__(self, target: Path, metadata: dict[str, str], force: bool, threaded: bool = True) -> None:
        self.target = target
        self.force = force
        if os.path.lexists(target) and not force:
            raise DatasetExists(str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        self.metadata = metadata
        self.next_id = 1
        self.rows = dict.fromkeys(STREAMED, 0)
        self.writers = {table: self._open(table) for table in STREAMED}
        self.queue: queue.Queue[tuple[str, dict[str, Any], int] | None] = queue.Queue(_WAITING)
        self.failure: BaseException | None = None
        self.thread: threading.Thread | None = None
        if threaded:
            self.thread = threading.Thread(target=self._work, name="ctreplay-writer", daemon=True)
            self.thread.start()

    def _open(self, table: str) -> pq.ParquetWriter:
        schema = arrow_schema(table, self.metadata)
        sorting = [pq.SortingColumn(schema.get_field_index(name)) for name in _SORTED_BY.get(table, [])]
        return pq.ParquetWriter(
            self.folder / f"{table}.parquet",
            schema,
            # numbers hardly repeat but grow: differences are quicker to write than a dictionary, and smaller
            use_dictionary=[field.name for field in schema if pa.types.is_dictionary(field.type)],
            column_encoding={field.name: "DELTA_BINARY_PACKED" for field in schema if _is_number(field.type)},
            # minima and maxima only where a reader can skip row groups by them: a fifth of the writing time
            write_statistics=[field.name for field in schema if field.name in _SELECTED_BY],
            write_batch_size=_WRITE_BATCH,
            compression="zstd",
            compression_level=1,
            version="2.6",
            sorting_columns=sorting or None,
        )

    def flush(self, table: str, columns: dict[str, Any], n: int) -> None:
        """Queue a batch; a failure of the writing thread comes out here."""
        if self.failure is not None:
            raise self.failure
        if self.thread is None:
            self._write(table, columns, n)
        else:
            self.queue.put((table, columns, n))

    def _work(self) -> None:
        while True:
            job = self.queue.get()
            if job is None:
                return
            if self.failure is None:
                try:
                    self._write(*job)
                except BaseException as exc:
                    self.failure = exc

    def _write(self, table: str, columns: dict[str, Any], n: int) -> None:
        batch = convert.record_batch(table, columns, n, self.next_id)
        if table == "transitions":
            self.next_id += n
        self.rows[table] += n
        self.writers[table].write_batch(batch)

    def drain(self, metadata: dict[str, str]) -> None:
        """Wait until everything queued is written; raises what went wrong. `metadata` goes into every file too."""
        if self.thread is not None:
            self.queue.put(None)
            self.thread.join()
        if self.failure is not None:
            raise self.failure
        self.metadata = self.metadata | metadata
        for writer in self.writers.values():
            writer.add_key_value_metadata(metadata)
            writer.close()

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write a table that is known as a whole."""
        data = convert.from_rows(table, rows)
        data = data.replace_schema_metadata(self.metadata)
        self.rows[table] = len(rows)
        pq.write_table(data, self.folder / f"{table}.parquet", compression="zstd", version="2.6")

    def commit(self, run: dict[str, Any]) -> None:
        """Write run.json last and give the folder its name."""
        with open(self.folder / "run.json", "w", encoding="utf-8") as file:
            json.dump(run, file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(self.folder, 0o777 & ~_umask())
        if os.path.lexists(self.target):
            if not self.force:
                raise DatasetExists(str(self.target))
            aside = self.folder.with_suffix(".old")
            os.rename(self.target, aside)
            os.rename(self.folder, self.target)
            if aside.is_dir() and not aside.is_symlink():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink()
        else:
            os.rename(self.folder, self.target)

    def abort(self) -> None:
        """Stop writing and remove the temporary folder."""
        if self.failure is None:
            self.failure = RuntimeError("aborted")
        if self.thread is not None and self.thread.is_alive():
            self.queue.put(None)
            self.thread.join()
        for writer in self.writers.values():
            try:
                writer.close()
            except (OSError, pa.ArrowException):
                continue
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
