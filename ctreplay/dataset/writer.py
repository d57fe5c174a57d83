"""A dataset on its way to disk: under a temporary name until it is whole, then renamed.

Who writes the tables depends on the cores there are and on how much there is to do: the replay itself between its
packets (one core), a thread (small captures), or a process (large ones, so that neither waits for the other's
interpreter lock).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from ctreplay.dataset.columns import STREAMED, Columns, Fresh, fresh

Way = Literal["turns", "thread", "process"]

_WAITING = 2


class DatasetExists(FileExistsError):
    """The target folder is there already."""

    def __init__(self, target: Path) -> None:
        super().__init__(errno.EEXIST, "exists already, and is replaced only with `force`", str(target))


class NotReplaceable(FileExistsError):
    """What is at the target is no dataset, or holds a capture that is replayed; `what` says what."""

    def __init__(self, target: Path, what: str) -> None:
        super().__init__(errno.EEXIST, f"cannot be replaced: it is {what}", str(target))
        self.what = what


class Tables(Protocol):
    """Who writes the tables: ParquetTables in turns, `Threaded`, or `process.WriterProcess`."""

    def write(self, table: str, columns: Columns, n: int) -> None: ...
    def small(self, table: str, rows: list[dict[str, Any]]) -> None: ...
    def close(self, metadata: dict[str, str]) -> None: ...
    def call(self, module: str, name: str, *arguments: Any, meanwhile: Callable[[], object] | None = None) -> Any: ...
    def end(self) -> None: ...
    def abort(self) -> None: ...


class Threaded:
    """A thread that writes to `tables`; a failure of it comes out of a later `write` or of `close`."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.failure: BaseException | None = None
        self.queue: queue.Queue[tuple[str, Columns, int] | None] = queue.Queue(_WAITING)
        self.thread = threading.Thread(target=self._work, name="ctreplay-writer", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while (job := self.queue.get()) is not None:
            if self.failure is None:
                try:
                    self.tables.write(*job)
                except BaseException as exc:
                    self.failure = exc

    def write(self, table: str, columns: Columns, n: int) -> None:
        """Queue a batch."""
        if self.failure is not None:
            raise self.failure
        self.queue.put((table, columns, n))

    def _join(self) -> None:
        if self.thread.is_alive():
            self.queue.put(None)
            self.thread.join()

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write a table that is known as a whole, after everything queued."""
        self._join()
        if self.failure is not None:
            raise self.failure
        self.tables.small(table, rows)

    def close(self, metadata: dict[str, str]) -> None:
        """End the files, after the last `small`."""
        self.tables.close(metadata)

    def call(self, module: str, name: str, *arguments: Any, meanwhile: Callable[[], object] | None = None) -> Any:
        """What the function `name` of `module` returns."""
        return self.tables.call(module, name, *arguments)

    def end(self) -> None:
        """Nothing follows."""

    def abort(self) -> None:
        """Drop what is queued."""
        if self.failure is None:
            self.failure = RuntimeError("aborted")
        self._join()
        self.tables.abort()


class DatasetWriter:
    """Takes batches from the replay (`flush`), small tables and run.json; `commit` makes the folder appear.

    Whatever goes wrong before `commit`, nothing under the final name exists; `abort` removes what was written.
    `fresh` gives the columns for the next batch of a table.
    """

    def __init__(self, target: Path, metadata: dict[str, str], force: bool, way: Way = "thread") -> None:
        # absolute: another thread may change the current folder meanwhile
        self.target = Path(os.path.abspath(target))
        self.force = force
        if os.path.lexists(target) and not force:
            raise DatasetExists(target)
        if target.is_dir() and not target.is_symlink() and not (target / "run.json").exists() and any(target.iterdir()):
            raise NotReplaceable(target, "a folder that is no dataset; remove it yourself, or choose another")
        if os.path.lexists(target) and not target.is_dir() and not target.is_symlink():
            raise NotReplaceable(target, "a file, no dataset; remove it yourself, or choose another name")
        # renaming it needs less than removing what is in it
        if target.is_dir() and not target.is_symlink() and not os.access(target, os.W_OK | os.X_OK):
            raise NotReplaceable(target, "a folder whose files you may not remove; choose another")
        target.parent.mkdir(parents=True, exist_ok=True)
        self.folder = _partial(self.target)
        self.rows = dict.fromkeys(STREAMED, 0)
        self.fresh: Fresh = fresh
        try:
            self.tables = self._tables(metadata, way)
        except BaseException:
            _remove(self.folder)
            raise

    def _tables(self, metadata: dict[str, str], way: Way) -> Tables:
        if way == "process":
            from ctreplay.dataset.process import NoProcess, WriterProcess

            try:
                process = WriterProcess(self.folder, metadata)
            except NoProcess:
                # slower, and needs less of the system
                return self._tables(metadata, "thread")
            self.fresh = process.fresh
            return process
        from ctreplay.dataset.tables import ParquetTables

        tables = ParquetTables(self.folder, metadata)
        return Threaded(tables) if way == "thread" else tables

    def flush(self, table: str, columns: Columns, n: int) -> None:
        """Write a batch; a failure of an earlier one may come out here."""
        self.rows[table] += n
        self.tables.write(table, columns, n)

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write a table that is known as a whole, after all batches."""
        self.rows[table] = len(rows)
        self.tables.small(table, rows)

    def commit(self, run: dict[str, Any]) -> None:
        """Write run.json last and give the folder its name, when the tables are closed."""
        with open(self.folder / "run.json", "w", encoding="utf-8") as file:
            json.dump(run, file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(self.folder, 0o777 & ~umask())
        while not self._named():
            pass

    def _named(self) -> bool:
        """Give the folder its name; False when another replay was quicker, whose dataset is to be replaced as well."""
        aside = self.folder.with_suffix(".old")
        if self.force:
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.target, aside)
        elif os.path.lexists(self.target):
            raise DatasetExists(self.target)
        try:
            os.rename(self.folder, self.target)
        except BaseException as exc:
            # one of the two stays, whatever happens
            if os.path.lexists(aside) and not os.path.lexists(self.target):
                os.rename(aside, self.target)
            _discard(aside)
            if isinstance(exc, OSError) and exc.errno in (errno.ENOTEMPTY, errno.EEXIST):
                if self.force:
                    return False
                raise DatasetExists(self.target) from None
            raise
        _discard(aside)
        return True

    def abort(self) -> None:
        """Stop writing and remove the temporary folder."""
        self.tables.abort()
        _remove(self.folder)


def _partial(target: Path) -> Path:
    """A new folder beside `target` that nobody else may look into."""
    while True:
        folder = target.parent / f".{target.name}.{os.urandom(4).hex()}.partial"
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            continue
        except OSError as exc:
            # nobody knows the temporary name
            raise OSError(exc.errno, exc.strerror, str(target)) from None
        return folder


def _discard(aside: Path) -> None:
    """What was replaced: a dataset, or a link to one."""
    if aside.is_symlink():
        aside.unlink()
    elif aside.exists():
        _remove(aside)


def _remove(folder: Path) -> None:
    """With all that is in it, as far as that goes."""
    # it takes as long to import as half of what is here
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def umask() -> int:
    """The permissions that files of this process lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
