"""From the arguments of a user to capture files: directories, globs, the pipe, magics, SHA-256 in the
background.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ctreplay.digests import identify

from .errors import CaptureError, Damage, Repeated, Skipped
from .facts import CaptureFacts
from .pcap import MAGICS, PcapReader
from .pcapng import PcapngReader
from .reader import Reader
from .reorder import PipeReader, sorted_reader
from .scan import Plan
from .streams import FileStream, HashedStream, PeekedStream, PipeStream, Stream, UnpackedStream, compression_of
from .unpacking import UnpackingProcess

if TYPE_CHECKING:
    import hashlib

PROBE = 4096
ENOUGH = 24
HASH_PIECE = 1 << 20

OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"snoop\0\0\0", "a snoop capture; convert it with `editcap -F pcap`"),
    (b"\x54\x52\x53\x4e\x49\x46\x46\x20", "a Sniffer capture; convert it with `editcap -F pcap`"),
    (b"GMBU", "a Network Monitor capture; convert it with `editcap -F pcap`"),
    (b"RTSS", "a Network Monitor capture; convert it with `editcap -F pcap`"),
    (b"XCP\0", "a NetXRay capture; convert it with `editcap -F pcap`"),
    (b"btsnoop\0", "a Bluetooth snoop log, which holds no IP traffic"),
    (b"\x7fver", "an EtherPeek capture; convert it with `editcap -F pcap`"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"\x04\x22\x4d\x18", "compressed with lz4; decompress it first"),
    (b"PAR1", "a Parquet file"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "an SQLite database"),
)


def capture_format(head: bytes) -> str | None:
    """'pcap' or 'pcapng' by the first bytes, None for anything else."""
    if len(head) >= 4 and int.from_bytes(head[:4], "little") in MAGICS:
        return "pcap"
    if len(head) >= 12 and head[:4] == b"\x0a\x0d\x0d\x0a" and head[8:12] in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
        return "pcapng"
    return None


def describe(head: bytes) -> str:
    """What these first bytes are, for the sentence 'not a capture: ...'."""
    if not head:
        return "the file is empty"
    for magic, name in OTHER_FORMATS:
        if head.startswith(magic):
            return f"this is {name}"
    if len(head) >= 16 and head[8] & 0x7F in range(1, 25) and int.from_bytes(head[10:12], "big") in range(16, 65535):
        size = int.from_bytes(head[10:12], "big")
        if len(head) > size + 12 and head[size + 8] & 0x7F == head[8] & 0x7F:
            return "this looks like an ERF capture; convert it with `editcap -F pcap`"
    try:
        text = head[:512].decode("ascii")
    except UnicodeDecodeError:
        return "no pcap or pcapng magic at its start"
    if all(c.isprintable() or c in "\r\n\t\f" for c in text):
        return "this is text"
    return "no pcap or pcapng magic at its start"


class InputFile:
    """One input as the user gave it. `size` in bytes (as it was on disk, which is what is read; of a pipe: till now),
    `identity` tells it from another file that takes its name.
    """

    def __init__(self, given: str, path: str, size: int, is_pipe: bool, identity: str = "") -> None:
        self.path = given
        self.absolute_path = path
        self.size = size
        self.identity = identity
        self.compression: str | None = None
        self.is_pipe = is_pipe
        self._digest: str | None = None
        self._ready = threading.Event()
        self.stopped = False

    @cached_property
    def _hash(self) -> hashlib._Hash:
        # not wanted where a process hashes
        import hashlib

        return hashlib.sha256()

    def feed(self, data: memoryview) -> None:
        """Count and hash bytes read from a pipe."""
        self._hash.update(data)
        self.size += len(data)

    def work(self, stopped: Callable[[], bool]) -> None:
        """Hash the file (in the background thread); a file that cannot be read leaves no digest."""
        try:
            stream = FileStream(self.absolute_path, True, self.limit, self.identity)
            with contextlib.closing(stream):
                buffer = bytearray(HASH_PIECE)
                view = memoryview(buffer)
                while not stopped() and (count := stream.read_into(view)):
                    self._hash.update(view[:count])
            if stopped():
                self.stopped = True
            elif stream.problem is None:
                self._digest = self._hash.hexdigest()
        except OSError:
            pass
        finally:
            self._ready.set()

    @property
    def limit(self) -> int | None:
        """Bytes to read; None of a file that has a size only when it is read."""
        return self.size or None

    def changed(self) -> str:
        """What happened to the file since it was found, in words; empty when it is as it was, or gone."""
        try:
            about = os.stat(self.absolute_path)
        except OSError:
            return ""
        if identify(about) != self.identity:
            return "another file has taken its name while it was read"
        if about.st_size > self.size > 0:
            return f"it grew while it was read; only its first {self.size:,} bytes are in the dataset"
        return ""

    def settle(self, digest: str) -> None:
        """Take the digest that was computed elsewhere."""
        self.stopped = False
        self._digest = digest
        self._ready.set()

    def sha256(self, timeout: float | None = None) -> str | None:
        """Digest of the file's first `size` bytes (waits for it), of what was read so far for a pipe; None if
        unreadable.
        """
        if self.is_pipe:
            return self._hash.copy().hexdigest()
        self._ready.wait(timeout)
        if self.stopped:
            self.stopped = False
            self.__dict__.pop("_hash", None)
            self.work(lambda: False)
        return self._digest


class CaptureFile:
    """One capture to read: how to open it (again), and the facts of its interfaces."""

    def __init__(self, source: InputFile, index: int, captures: list[CaptureFacts]) -> None:
        self.input = source
        self.path = source.path
        self.index = index
        self.captures = captures
        self.facts: list[CaptureFacts] = []
        self.format = ""
        self.consumed = 0
        self.pipe: PipeStream | None = None
        self.front: Stream | None = None
        self.plan: Plan | None = None
        # whether it is hashed in turn with the replay
        self.hashed = False
        # whether readers in file order have the file unpacked by a process
        self.apart = False

    @property
    def is_pipe(self) -> bool:
        return self.pipe is not None

    def declare(self, ordinal: int) -> CaptureFacts | None:
        """The facts of the n-th interface described in this file; None beyond what a capture number can
        count.
        """
        if ordinal < len(self.facts):
            return self.facts[ordinal]
        if len(self.captures) >= 65536:
            return None
        fact = CaptureFacts(self.path, len(self.captures))
        fact.compression = self.input.compression
        self.facts.append(fact)
        self.captures.append(fact)
        return fact

    def stream(self, threaded: bool, hold: bool) -> Stream:
        """The bytes of the capture, decompressed in a thread or in place; `hold` keeps it open."""
        if self.front is not None:
            return self.front
        path = self.input.absolute_path
        raw: Stream
        if self.pipe is not None:
            raw = self.pipe
        elif self.hashed:
            raw = HashedStream(path, hold, self.input.limit, self.input.identity, self.input.settle)
        else:
            raw = FileStream(path, hold, self.input.limit, self.input.identity)
        kind = self.input.compression
        return UnpackedStream(raw, kind, threaded) if kind else raw

    def open(self, damage: list[Damage], chunk: int, threaded: bool = True, hold: bool = True) -> Reader:
        """A reader that gives the records in order of time, as far as the file's plan (or a pipe's window)
        can.
        """
        if self.pipe is not None:
            return PipeReader(self, self.open_plain(damage, chunk, threaded, hold), damage)
        if self.plan is not None and self.plan.segments:
            return sorted_reader(self, damage, chunk, threaded, hold)
        return self.open_plain(damage, chunk, threaded, hold, helped=True)

    def open_plain(
        self,
        damage: list[Damage],
        chunk: int,
        threaded: bool = True,
        hold: bool = True,
        helped: bool = False,
    ) -> Reader:
        """A reader in file order at the front of the file; CaptureError when it is no capture (any more).

        `helped` by another process, where there is one: for who reads all of it.
        """
        try:
            stream = (self.helped_stream(threaded) if helped else None) or self.stream(threaded, hold)
        except OSError as error:
            raise CaptureError(f"cannot be read: {error.strerror}", self.path) from None
        try:
            return self.reader_on(stream, chunk, damage)
        except CaptureError:
            stream.close()
            if stream.problem:
                raise CaptureError(stream.problem, self.path) from None
            raise
        except BaseException:
            stream.close()
            raise

    def helped_stream(self, threaded: bool) -> Stream | None:
        """The bytes from a process that decompresses; None without one."""
        if self.apart and threaded:
            with contextlib.suppress(OSError):
                one = self.input
                return UnpackingProcess(one.absolute_path, one.compression or "", one.limit, one.identity)
        return None

    def reader_on(self, stream: Stream, chunk: int, damage: list[Damage]) -> Reader:
        kind = PcapReader if self.format == "pcap" else PcapngReader
        return kind(self, stream, chunk, damage)

    def identify(self) -> str | None:
        """Find compression and format; None when it is a capture, else what it is instead."""
        try:
            if self.pipe is not None:
                self.input.compression = compression_of(self.pipe.peek(6))
            else:
                with open(self.input.absolute_path, "rb", buffering=0) as file:
                    self.input.compression = compression_of(file.read(6))
            stream = self.stream(threaded=self.is_pipe, hold=True)
            buffer = bytearray(PROBE)
            view = memoryview(buffer)
            have = 0
            while have < ENOUGH and (count := stream.read_into(view[have:])):
                have += count
        except OSError as error:
            raise CaptureError(f"cannot be read: {error.strerror}", self.path) from None
        head = bytes(view[:have])
        if self.pipe is not None:
            self.front = PeekedStream(head, stream)
        else:
            stream.close()
        self.format = capture_format(head) or ""
        if self.format == "pcap" and have < ENOUGH:
            return f"the file ends inside the pcap file header ({have} of {ENOUGH} bytes)"
        if self.format:
            return None
        if stream.problem and not head:
            return stream.problem
        what = describe(head)
        return f"{what} (inside {self.input.compression})" if self.input.compression else what


def find_files(
    paths: Sequence[str | os.PathLike[str]],
    stdin: Any,
    captures: list[CaptureFacts],
    once: bool,
    sizes: Mapping[str, int],
) -> tuple[list[CaptureFile], list[Skipped], list[Repeated]]:
    """All captures that the arguments name, in their order (directories and globs sorted by name).

    A file is taken `once`, however often and by whatever link it is named, and no more of it than `sizes` says.
    """
    files: list[CaptureFile] = []
    skipped: list[Skipped] = []
    repeated: list[Repeated] = []
    # the name of a file, by its identity, if it is a capture
    seen: dict[str, str | None] = {}

    def add(given: str, strict: bool) -> bool:
        """Whether that is a capture; a `strict` one was named itself."""
        try:
            status = os.stat(given)
        except OSError as error:
            if strict:
                why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
                raise CaptureError(why, given) from None
            skipped.append(Skipped(given, f"cannot be read: {error.strerror}"))
            return False
        key = identify(status)
        first = seen.get(key)
        if stat.S_ISREG(status.st_mode):
            if once and first is not None:
                repeated.append(Repeated(given, first))
                return True
            if key in seen and not strict:
                return False
            size = min(status.st_size, sizes.get(given, status.st_size))
            source = InputFile(given, os.path.abspath(given), size, False, key)
            file = CaptureFile(source, len(files), captures)
        elif stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
            if not strict:
                skipped.append(Skipped(given, "not a regular file"))
                return False
            if first is not None:
                raise CaptureError("a pipe can be read only once", given)
            file = pipe(open(given, "rb", buffering=0), given)  # noqa: SIM115 - read until the replay ends
        else:
            if strict:
                raise CaptureError("not a file, directory or pipe", given)
            skipped.append(Skipped(given, "not a regular file"))
            return False
        found = take(file, strict)
        seen[key] = given if found else None
        return found

    def pipe(handle: Any, name: str) -> CaptureFile:
        source = InputFile(name, name, 0, True)
        file = CaptureFile(source, len(files), captures)
        file.pipe = PipeStream(handle, source.feed)
        return file

    def take(file: CaptureFile, strict: bool) -> bool:
        try:
            what = file.identify()
        except CaptureError as error:
            if strict:
                raise
            skipped.append(Skipped(file.path, error.message))
            return False
        if what is None:
            files.append(file)
        elif strict:
            raise CaptureError(f"not a capture: {what}", file.path)
        else:
            skipped.append(Skipped(file.path, what))
        return what is None

    for path in paths:
        given = os.fspath(path)
        if not given:
            raise CaptureError("an empty name names no capture", "")
        if given == "-":
            if any(file.path == "-" for file in files):
                raise CaptureError("the standard input can be read only once", "-")
            source = stdin if stdin is not None else getattr(sys.stdin, "buffer", None)
            if source is None or getattr(source, "closed", False):
                raise CaptureError("there is no standard input to read from", "-")
            take(pipe(source, "-"), True)
        elif os.path.isdir(given):
            found = False
            for folder, folders, names in os.walk(given):
                folders.sort()
                for name in sorted(names):
                    found |= add(os.path.join(folder, name), False)
            if not found:
                if os.path.exists(os.path.join(given, "run.json")):
                    why = "a dataset, no capture; `ctreplay explain`, `list`, `query` and others read it"
                    raise CaptureError(why, given)
                raise CaptureError("no captures in this directory", given)
        elif not os.path.lexists(given) and glob.has_magic(given):
            matches = sorted(glob.glob(given, recursive=True))
            if not matches:
                raise CaptureError("no file matches this pattern", given)
            found = False
            for match in matches:
                if not os.path.isdir(match):
                    found |= add(match, False)
            if not found:
                raise CaptureError("no captures among the files that match this pattern", given)
        else:
            add(given, True)
    if not files:
        raise CaptureError("no captures given", "")
    return files, skipped, repeated
