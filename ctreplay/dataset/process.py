"""The process that writes the tables of a large replay, and its end in the replay.

Rows lie in shared memory: each streamed table has a few batches there, which go back and forth between the two. Over
pipes go pickled messages: (what to do, arguments) one way, (kind, value) the other. Where the replay would have to wait
for a batch, it encodes and compresses its own meanwhile, into the memory behind the rows.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeAlias, cast

from ctreplay import reasons
from ctreplay.child import serving
from ctreplay.dataset.columns import LAYOUTS, Columns, over, size

if TYPE_CHECKING:
    from ctreplay.dataset.tables import ParquetTables
    from ctreplay.parquet.encoding import Encoder
    from ctreplay.parquet.file import Chunk, Packed, Packer

# one that is filled, one that is encoded, one that waits: the process starts late, and shares a core with the replay
_BATCHES = {"transitions": 3, "connections": 3, "packets": 3, "occupancy": 2}
# the hash of a large capture ends last: what is written meanwhile is not to take its core
_NICE = 5
# who compresses asks for the interpreter lock after every page; Python would have it wait fifty times as long
_SWITCH_S = 1e-4
_ANSWER, _FREE, _FAILED = "answer", "free", "failed"
_PLACE = "place"
_Job: TypeAlias = "tuple[tuple[str, int], list[Chunk], int]"


class NoProcess(Exception):
    """The system has no process for it, or no memory that two processes share."""


class WriterProcess:
    """The end in the replay. Raises what writing raised, at a later call; OSError when the process is gone.

    Raises NoProcess when it cannot be started.
    """

    def __init__(self, folder: Path, metadata: dict[str, str]) -> None:
        try:
            self._start()
        except OSError as error:
            raise NoProcess(str(error)) from error
        self.known = len(reasons.TABLE)
        self.next_id = 1
        self.tools: tuple[Encoder, Packer] | None = None
        self._send("open", str(folder), metadata)

    def _start(self) -> None:
        memory = os.memfd_create("ctreplay-rows", os.MFD_CLOEXEC)
        try:
            # pages come with the first row that is written to them
            os.ftruncate(memory, _length())
            self.places, self.rooms = _places(memory)
            self.free = {table: list(range(_BATCHES[table])) for table in LAYOUTS}
            self.process = subprocess.Popen(
                serving("ctreplay.dataset.process", memory),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # many connections are read again by way of Arrow, whose own allocators keep fifty megabytes for it
                env={"ARROW_DEFAULT_MEMORY_POOL": "system"} | os.environ,
                pass_fds=[memory],
                # an interrupt is for the replay, which then ends this
                start_new_session=True,
            )
        finally:
            os.close(memory)

    def _send(self, *message: Any) -> None:
        assert self.process.stdin is not None
        try:
            pickle.dump(message, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
        except BrokenPipeError:
            # it said why before it went, or it was killed
            while True:
                self._receive()

    def _receive(self) -> tuple[str, Any]:
        """The next message; notes batches that come back."""
        assert self.process.stdout is not None
        try:
            kind, value = pickle.load(self.process.stdout)
        except (EOFError, pickle.UnpicklingError):
            code = self.process.wait()
            raise OSError(f"the process that writes the dataset has ended (exit code {code})") from None
        if kind == _FAILED:
            raise value
        if kind == _FREE:
            self.free[value[0]].append(value[1])
        return kind, value

    def _answer(self) -> Any:
        while True:
            kind, value = self._receive()
            if kind == _ANSWER:
                return value

    def fresh(self, table: str) -> Columns:
        """Columns of a batch that nobody uses; waits for one."""
        while not self.free[table]:
            self._receive()
        return dict(self.places[table, self.free[table].pop()])

    def write(self, table: str, columns: Columns, n: int) -> None:
        """Hand over a batch."""
        if table not in LAYOUTS:
            self._send("write", table, columns, n)
            return
        place = columns[_PLACE]
        packed = _lay(self._packed(table, columns, n), self.rooms[place]) if self._behind(table) else None
        if packed is not None:
            self._send("packed", place, packed, n)
        else:
            # reasons named after protocols that this replay met first
            named, self.known = reasons.NAMES[self.known :], len(reasons.NAMES)
            self._send("batch", place, columns.get("extra"), n, named)
        if table == "transitions":
            self.next_id += n

    def _behind(self, table: str) -> bool:
        """Whether the next batch would have to be waited for."""
        assert self.process.stdout is not None
        while not self.free[table] and select.select([self.process.stdout], [], [], 0)[0]:
            self._receive()
        return not self.free[table]

    def _packed(self, table: str, columns: Columns, n: int) -> list[Chunk]:
        """A batch, encoded and compressed here."""
        # most replays never need them
        from ctreplay.dataset.chunks import ENCODERS, Batch
        from ctreplay.parquet.encoding import Encoder
        from ctreplay.parquet.file import Packer

        self.tools = self.tools or (Encoder(), Packer())
        encoder, packer = self.tools
        return packer.pack(ENCODERS[table](Batch(encoder, columns, n), self.next_id))

    def small(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Have a table written that is known as a whole."""
        self._send("small", table, rows)

    def close(self, metadata: dict[str, str]) -> None:
        """Wait until everything is written."""
        self._send("close", metadata)
        self._answer()

    def call(self, module: str, name: str, *arguments: Any, meanwhile: Callable[[], object] | None = None) -> Any:
        """What the function `name` of `module` returns, called there, where it is told what was seen."""
        self._send("call", module, name, *arguments)
        if meanwhile is not None:
            meanwhile()
        return self._answer()

    def end(self) -> None:
        """Nothing follows."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def abort(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


def _length() -> int:
    return sum(_BATCHES[table] * 2 * size(table) for table in LAYOUTS)


def _places(memory: int) -> tuple[dict[tuple[str, int], Columns], dict[tuple[str, int], memoryview]]:
    """All batches in the shared memory by table and number, and as much room again for each when it is compressed."""
    view = memoryview(mmap.mmap(memory, _length()))
    at = 0
    found, rooms = {}, {}
    for table in LAYOUTS:
        for number in range(_BATCHES[table]):
            place = table, number
            found[place] = columns = over(table, view[at : at + size(table)])
            columns[_PLACE] = place
            rooms[place] = view[at + size(table) : at + 2 * size(table)]
            at += 2 * size(table)
    return found, rooms


def _lay(chunks: list[Chunk], room: memoryview) -> list[Chunk] | None:
    """Copy compressed pages to `room`: the chunks with begin and end instead of them, None when they are too long."""
    laid: dict[int, Packed] = {}
    at = 0
    for chunk in chunks:
        for page in (chunk.dictionary, chunk.page):
            if page is not None and id(page) not in laid:
                packed = cast("Packed", page)
                end = at + len(packed.data)
                if end > len(room):
                    return None
                room[at:end] = packed.data
                laid[id(page)] = packed._replace(data=(at, end))
                at = end
    return [one._replace(dictionary=laid.get(id(one.dictionary)), page=laid[id(one.page)]) for one in chunks]


def _found(chunks: list[Chunk], room: memoryview) -> list[Chunk]:
    """What `_lay` has laid out."""

    def page(laid: Any) -> Any:
        return laid and laid._replace(data=room[slice(*laid.data)])

    return [one._replace(dictionary=page(one.dictionary), page=page(one.page)) for one in chunks]


class _Worker:
    """Works on the messages. Batches are encoded at once and compressed in a thread for each table: that lets go of the
    interpreter lock.
    """

    tables: ParquetTables

    def __init__(self, memory: int, answers: BinaryIO) -> None:
        self.folder = ""
        self.answers = answers
        self.lock = threading.Lock()
        self.places, self.rooms = _places(memory)
        self.compressors: dict[str, tuple[threading.Thread, SimpleQueue[_Job | None]]] = {}

    def answer(self, kind: str, value: Any) -> None:
        with self.lock:
            pickle.dump((kind, value), self.answers, pickle.HIGHEST_PROTOCOL)
            self.answers.flush()

    def fail(self, exc: BaseException) -> None:
        try:
            self.answer(_FAILED, exc)
        except (TypeError, pickle.PicklingError):
            self.answer(_FAILED, OSError(f"{type(exc).__name__}: {exc}"))

    def compress(self, place: tuple[str, int], chunks: list[Chunk], n: int) -> None:
        """Have the thread of its table work on a batch."""
        table = place[0]
        if table not in self.compressors:
            jobs: SimpleQueue[_Job | None] = SimpleQueue()
            thread = threading.Thread(target=self._compress, args=[jobs], daemon=True)
            self.compressors[table] = thread, jobs
            thread.start()
        self.compressors[table][1].put((place, chunks, n))

    def _compress(self, jobs: SimpleQueue[_Job | None]) -> None:
        try:
            while (job := jobs.get()) is not None:
                place, chunks, n = job
                self.tables.put(place[0], chunks, n)
                # not before: no more is to wait in memory than there are batches
                self.answer(_FREE, place)
        except BrokenPipeError:
            pass
        except Exception as exc:
            self.fail(exc)

    def work(self, what: str, arguments: Any) -> None:
        """One message."""
        if what == "batch":
            place, extra, n, named = arguments
            for name in named:
                reasons.code(name)
            self.compress(place, self.tables.encode(place[0], self.places[place] | {"extra": extra}, n), n)
        elif what == "packed":
            place, chunks, n = arguments
            self.tables.count(place[0], self.places[place], n)
            self.compress(place, _found(chunks, self.rooms[place]), n)
        elif what in ("write", "small"):
            getattr(self.tables, what)(*arguments)
        elif what == "open":
            from ctreplay.dataset.tables import ParquetTables

            self.folder, metadata = arguments
            self.tables = ParquetTables(Path(self.folder), metadata)
        else:
            if what == "close":
                for thread, jobs in self.compressors.values():
                    jobs.put(None)
                    thread.join()
            self.answer(_ANSWER, getattr(self.tables, what)(*arguments))


def serve(memory: int) -> NoReturn:
    """The process: works on messages until there are none, and removes what was not renamed by then."""
    os.nice(_NICE)
    sys.setswitchinterval(_SWITCH_S)
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # whatever a library prints must not come between the answers
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    worker = _Worker(memory, answers)
    try:
        while True:
            what, *arguments = pickle.load(requests)
            worker.work(what, arguments)
    except (EOFError, BrokenPipeError):
        pass
    except Exception as exc:
        with contextlib.suppress(BrokenPipeError):
            worker.fail(exc)
    if worker.folder:
        shutil.rmtree(worker.folder, ignore_errors=True)
    os._exit(0)
