"""Frames read back from the captures by their position; compressed files are read forward."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

from ctreplay.capture.streams import FileStream, UnpackedStream
from ctreplay.extract.choose import ExtractError

_CHUNK = 1 << 20


class PlainFile:
    """A file that is read at any position."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, length: int) -> bytes:
        """Raises ExtractError when the file is too short."""
        parts = []
        while length:
            piece = os.pread(self.fd, length, offset)
            if not piece:
                raise ExtractError(f"{self.path}: ends before offset {offset}; it was cut after the replay")
            parts.append(piece)
            offset += len(piece)
            length -= len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Give back the descriptor."""
        os.close(self.fd)


class ForwardFile:
    """A compressed file, read front to back; what lies behind the reading position is kept only if announced."""

    def __init__(self, path: str, compression: str, wanted: list[tuple[int, int]]) -> None:
        self.path = path
        self.stream = UnpackedStream(FileStream(path, True), compression, False)
        self.window = bytearray()
        self.base = 0
        self.kept: dict[int, bytes] = {}
        if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(wanted)):
            # frames out of order: all wanted ones are read once, in the file's order
            for offset, length in sorted(set(wanted)):
                self.kept[offset] = self._forward(offset, length)

    def read(self, offset: int, length: int) -> bytes:
        """Raises ExtractError when the stream ends before."""
        found = self.kept.get(offset)
        return found[:length] if found is not None else self._forward(offset, length)

    def _forward(self, offset: int, length: int) -> bytes:
        buffer = bytearray(_CHUNK)
        while self.base + len(self.window) < offset + length:
            surplus = min(offset - self.base, len(self.window))
            if surplus > 0:
                del self.window[:surplus]
                self.base += surplus
            count = self.stream.read_into(memoryview(buffer))
            if count == 0:
                raise ExtractError(f"{self.path}: ends before offset {offset} of the unpacked capture")
            self.window += buffer[:count]
        start = offset - self.base
        return bytes(self.window[start : start + length])

    def close(self) -> None:
        """Give back the stream."""
        self.stream.close()


class Frames:
    """Reads frames of several captures. `files` gives for each capture number its path and compression (None: none)."""

    def __init__(self, files: dict[int, tuple[str, str | None]], rows: list[dict[str, Any]]) -> None:
        self.files = files
        self.wanted: dict[str, list[tuple[int, int]]] = {}
        for row in rows:
            self.wanted.setdefault(files[row["capture"]][0], []).append((row["offset"], row["caplen"]))
        self.opened: dict[str, PlainFile | ForwardFile] = {}

    def read(self, row: dict[str, Any]) -> bytes:
        """The captured bytes of a packet. Raises ExtractError, OSError."""
        path, compression = self.files[row["capture"]]
        file = self.opened.get(path)
        if file is None:
            file = ForwardFile(path, compression, self.wanted.get(path, [])) if compression else PlainFile(path)
            self.opened[path] = file
        return file.read(row["offset"], row["caplen"])

    def close(self) -> None:
        """Close all files."""
        for file in self.opened.values():
            file.close()
        self.opened.clear()

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class FragmentKeys:
    """Tells to which datagram a fragment belongs."""

    def __init__(self) -> None:
        from ctreplay.decode.link import Link
        from ctreplay.decode.network import Network
        from ctreplay.packet import Packet

        self.link = Link()
        self.network = Network()
        self.packet = Packet()

    def key(self, data: bytes, linktype: int) -> tuple[int, ...] | None:
        """Addresses and identification of a fragment, None for what is none."""
        p = self.packet
        p.buf = bytearray(data)
        p.start = 0
        p.caplen = p.wirelen = len(data)
        p.linktype = linktype
        p.family = 0
        p.frag = 0
        if self.link.find(p) or self.network.parse(p):
            return None
        w = self.network.whole
        if not w.frag:
            return None
        return (w.family, w.src_hi, w.src_lo, w.dst_hi, w.dst_lo, w.frag_id, w.proto if w.family == 4 else 0)


def with_fragments(
    rows: list[dict[str, Any]],
    pieces: list[dict[str, Any]],
    files: dict[int, tuple[str, str | None]],
    linktypes: dict[int, int],
    lifetimes_ns: tuple[int, int],
) -> list[dict[str, Any]]:
    """`rows` and the held fragments of the datagrams that they completed, in order; those wait so long (IPv4, IPv6)."""
    if not pieces or not rows:
        return rows
    ends = {(row["src"], row["dst"]) for row in rows}
    near = [piece for piece in pieces if (piece["src"], piece["dst"]) in ends]
    if not near:
        return rows
    keys = FragmentKeys()
    taken = {row["packet"] for row in rows}
    held: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    found = list(rows)
    both = sorted([*rows, *(piece for piece in near if piece["packet"] not in taken)], key=lambda row: row["packet"])
    numbers = {piece["packet"] for piece in near}
    with Frames(files, both) as frames:
        for row in both:
            key = keys.key(frames.read(row), linktypes[row["capture"]])
            if key is None:
                continue
            if row["packet"] in numbers:
                held.setdefault(key, []).append(row)
            else:
                life = lifetimes_ns[":" in row["src"]]
                found.extend(one for one in held.pop(key, ()) if row["ts"] - one["ts"] <= life)
    unique: Iterator[dict[str, Any]] = iter({row["packet"]: row for row in found}.values())
    return sorted(unique, key=lambda row: row["packet"])
