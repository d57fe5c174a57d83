"""Where bytes come from: files, pipes and compressed streams, all read the same way.

A stream has `read_into(view) -> int` (0 at the end), `done` (raw bytes consumed, for progress), `problem`
(None, or why the stream ended before its time) and `close()`. Decompression runs in a thread of its own
behind a bounded queue, that of large files in a process (see unpacking).
"""

from __future__ import annotations

import bz2
import errno
import lzma
import os
import queue
import select
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ctreplay.digests import identify

PIECE_IN = 128 * 1024
PIECE_OUT = 1024 * 1024
# a block of zstd: of a damaged stream no whole one is lost
BLOCK_OUT = 128 * 1024
# of xz it ends anywhere
_BLOCK_OF_XZ = 256
_KEPT = 1 << 24
# bytes by which a compression is known
PROBE = 6
QUEUE_PIECES = 4
# of zstd and zlib; a frame that "requires too much memory" is another thing
_NO_MEMORY = ("not enough memory", "insufficient memory")

COMPRESSIONS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)


def compression_of(head: bytes) -> str | None:
    """Name of the compression that starts with these bytes, None for none known."""
    for magic, name in COMPRESSIONS:
        if head.startswith(magic):
            return name
    # a zstd stream may start with a skippable frame
    if len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        return "zstd"
    return None


def cut_short(found: int, size: int) -> str:
    """What happened to a file that had more bytes when the replay began."""
    return f"the file was cut from {size:,} to {found:,} bytes while it was read"


class Stream(Protocol):
    """A source of bytes, read front to back."""

    @property
    def problem(self) -> str | None: ...

    @property
    def done(self) -> int: ...

    def read_into(self, view: memoryview) -> int: ...

    def close(self) -> None: ...


def open_same(path: str, identity: str) -> int:
    """A descriptor for reading; raises OSError also when it is no longer that file (`identify`; empty: any)."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if identity and identify(os.fstat(fd)) != identity:
        os.close(fd)
        raise OSError(errno.ESTALE, "another file has taken its name meanwhile", path)
    return fd


class FileStream:
    """A regular file, the first `size` bytes of it (None: all there are). With `hold=False` the descriptor is open only
    while reading (for thousands of files at once).
    """

    def __init__(self, path: str, hold: bool = True, size: int | None = None, identity: str = "") -> None:
        self.path = path
        self.problem: str | None = None
        self.position = 0
        self.hold = hold
        self.size = size
        self.identity = identity
        self.fd = open_same(path, identity) if hold else -1

    @property
    def done(self) -> int:
        return self.position

    def read_into(self, view: memoryview) -> int:
        fd = self.fd
        if self.size is not None:
            view = view[: self.size - self.position]
            if not view:
                return 0
        try:
            if fd < 0:
                fd = open_same(self.path, self.identity)
            count = os.preadv(fd, [view], self.position)
        except OSError as error:
            self.problem = f"reading failed: {error.strerror}"
            return 0
        finally:
            if self.fd < 0 <= fd:
                os.close(fd)
        self.position += count
        if count == 0 and self.size is not None:
            self.problem = cut_short(self.position, self.size)
        return count

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.hold = False


class HashedStream(FileStream):
    """A regular file that is hashed as it is read; `settle` gets the digest when it was read to its end."""

    def __init__(self, path: str, hold: bool, size: int | None, identity: str, settle: Callable[[str], None]) -> None:
        super().__init__(path, hold, size, identity)
        # large files are hashed elsewhere
        import hashlib

        self.digest = hashlib.sha256()
        self.settle = settle

    def read_into(self, view: memoryview) -> int:
        count = super().read_into(view)
        if count:
            self.digest.update(view[:count])
        elif self.problem is None:
            self.settle(self.digest.hexdigest())
        return count


class PipeStream:
    """A pipe, or any binary file object, read once. `head` is what was already taken off it; `feed` sees all
    bytes.
    """

    def __init__(self, file: Any, feed: Callable[[Any], None] | None = None) -> None:
        self.file = file
        self.problem: str | None = None
        self.done = 0
        self.head = b""
        self.feed = feed
        self.read_some = getattr(file, "readinto1", None) or file.readinto

    def peek(self, size: int) -> bytes:
        """The first `size` bytes (fewer at the end); they are read again. Only before the first read."""
        buffer = bytearray(size)
        view = memoryview(buffer)
        have = 0
        while have < size:
            count = self._read(view[have:])
            if count == 0:
                break
            have += count
        self.head = bytes(view[:have])
        return self.head

    def _read(self, view: memoryview) -> int:
        try:
            while (count := self.read_some(view)) is None:
                # whoever shares the pipe has made it non-blocking: nothing there yet is not its end
                select.select([self.file], [], [])
        except OSError as error:
            self.problem = f"reading failed: {error.strerror}"
            return 0
        self.done += count
        if self.feed is not None and count:
            self.feed(view[:count])
        return int(count)

    def read_into(self, view: memoryview) -> int:
        if self.head:
            count = min(len(view), len(self.head))
            view[:count] = self.head[:count]
            self.head = self.head[count:]
            return count
        return self._read(view)

    def close(self) -> None:
        """Leave the descriptor to its owner."""


class PeekedStream:
    """A stream of which `head` was already read."""

    def __init__(self, head: bytes, stream: Stream) -> None:
        self.head = head
        self.stream = stream

    @property
    def problem(self) -> str | None:
        return self.stream.problem

    @property
    def done(self) -> int:
        return self.stream.done

    def read_into(self, view: memoryview) -> int:
        if self.head:
            count = min(len(view), len(self.head))
            view[:count] = self.head[:count]
            self.head = self.head[count:]
            return count
        return self.stream.read_into(view)

    def close(self) -> None:
        self.stream.close()


class Broken(Exception):
    """A compressed stream that cannot be read on."""


def _refuse(error: Exception) -> None:
    """Raises MemoryError when that is what a decompressor says: no fault of the capture, of which the rest is there."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
        raise MemoryError(str(error)) from None


def _gzip(read: Callable[[], bytes]) -> Iterator[bytes]:
    data = read()
    while True:
        inflate = zlib.decompressobj(31)
        while not inflate.eof:
            if not data:
                data = read()
                if not data:
                    raise Broken("the gzip stream ends early")
            before = inflate.copy()
            try:
                out = inflate.decompress(data, PIECE_OUT)
            except zlib.error as error:
                _refuse(error)
                # zlib drops the output of a failed call: feed it again in single bytes up to the damage
                try:
                    for i in range(len(data)):
                        yield before.decompress(data[i : i + 1])
                except zlib.error:
                    pass
                raise Broken(f"the gzip stream is damaged ({error})") from None
            data = inflate.unconsumed_tail
            if out:
                yield out
        data = inflate.unused_data.lstrip(b"\0")
        while len(data) < 3 and (more := read()):
            data = (data + more).lstrip(b"\0")
        if not data:
            return
        if not data.startswith(b"\x1f\x8b\x08"):
            raise Broken("bytes that are not gzip follow the gzip stream")


def _blocks(read: Callable[[], bytes], make: Callable[[], Any], name: str) -> Iterator[bytes]:
    """bzip2, xz and zstd: decompressors with `needs_input`. A call that fails gives nothing of what it had."""
    size = _BLOCK_OF_XZ if name == "xz" else BLOCK_OUT
    data = read()
    while True:
        unpack = make()
        found: list[bytes] = []
        while not unpack.eof:
            if unpack.needs_input and not data:
                yield b"".join(found)
                found.clear()
                data = read()
                if not data:
                    raise Broken(f"the {name} stream ends early")
            try:
                found.append(unpack.decompress(data, size))
            except Exception as error:  # each has its own
                _refuse(error)
                yield b"".join(found)
                raise Broken(f"the {name} stream is damaged ({error})") from None
            data = b""
            if len(found) * size >= BLOCK_OUT:
                yield b"".join(found)
                found.clear()
        yield b"".join(found)
        data = unpack.unused_data.lstrip(b"\0")
        while len(data) < PROBE and (more := read()):
            data = (data + more).lstrip(b"\0")
        if not data:
            return
        if compression_of(data) != name:
            raise Broken(f"bytes that are not {name} follow the {name} stream")


def _zstd() -> Any:
    from ctreplay.zstd import zstd

    # --long=31 frames need a window of 2 GiB; memory is taken only when a frame asks for it
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 31})


_MAKE: dict[str, Callable[[], Any]] = {"zstd": _zstd, "xz": lzma.LZMADecompressor, "bzip2": bz2.BZ2Decompressor}


def unpack(kind: str, read: Callable[[], bytes]) -> Iterator[bytes]:
    """Decompressed pieces of what `read` gives; raises Broken where the stream cannot be read on."""
    # freed at once, from when on malloc (of glibc) keeps what is freed: half the time of zstd were page faults
    bytes(_KEPT)
    return _gzip(read) if kind == "gzip" else _blocks(read, _MAKE[kind], kind)


class UnpackedStream:
    """A compressed stream, decompressed in a thread (or in place, when very many are open at once)."""

    def __init__(self, raw: Stream, kind: str, threaded: bool = True) -> None:
        self.raw = raw
        self.problem: str | None = None
        self.rest = memoryview(b"")
        self.pieces = unpack(kind, self._read_raw)
        self.queue: queue.Queue[bytes | None] | None = None
        self.stopped = False
        self.ended = False
        self.failure: MemoryError | None = None
        if threaded:
            self.queue = queue.Queue(QUEUE_PIECES)
            self.thread = threading.Thread(target=self._work, name="ctreplay-unpack", daemon=True)
            self.thread.start()

    @property
    def done(self) -> int:
        return self.raw.done

    def _read_raw(self) -> bytes:
        buffer = bytearray(PIECE_IN)
        count = self.raw.read_into(memoryview(buffer))
        if count == 0 and self.raw.problem:
            raise Broken(self.raw.problem)
        return bytes(memoryview(buffer)[:count])

    def _work(self) -> None:
        assert self.queue is not None
        try:
            for piece in self.pieces:
                while not self.stopped:
                    try:
                        self.queue.put(piece, timeout=0.2)
                        break
                    except queue.Full:
                        continue
                if self.stopped:
                    return
        except Broken as error:
            self.problem = str(error)
        except MemoryError as error:
            self.failure = error
        except Exception as error:  # a decompressor's own failure must not leave the reader waiting
            self.problem = f"decompression failed: {error}"
        while not self.stopped:
            try:
                self.queue.put(None, timeout=0.2)
                return
            except queue.Full:
                continue

    def _next(self) -> bytes | None:
        if self.queue is not None:
            return self.queue.get()
        try:
            return next(self.pieces, None)
        except Broken as error:
            self.problem = str(error)
            return None

    def read_into(self, view: memoryview) -> int:
        while not len(self.rest):
            if self.ended:
                return 0
            piece = self._next()
            if piece is None:
                self.ended = True
                if self.failure is not None:
                    raise self.failure
                return 0
            self.rest = memoryview(piece)
        count = min(len(view), len(self.rest))
        view[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count

    def close(self) -> None:
        self.stopped = True
        self.ended = True
        if self.queue is not None:
            self.thread.join(timeout=5)
        self.raw.close()
