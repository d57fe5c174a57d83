"""Integers and strings in the bytes of a capture; `octets.pxd` is the compiled form of the same functions.

The caller knows that the bytes are there: compiled, only a build with CTREPLAY_CHECKED=1 looks.
"""

from __future__ import annotations

Octets = bytes | bytearray | memoryview


def be16(b: Octets, at: int) -> int:
    """Two bytes at `at`, big endian."""
    return b[at] << 8 | b[at + 1]


def be32(b: Octets, at: int) -> int:
    """Four bytes at `at`, big endian."""
    return b[at] << 24 | b[at + 1] << 16 | b[at + 2] << 8 | b[at + 3]


def be64(b: Octets, at: int) -> int:
    """Eight bytes at `at`, big endian."""
    return be32(b, at) << 32 | be32(b, at + 4)


def le32(b: Octets, at: int) -> int:
    """Four bytes at `at`, little endian."""
    return b[at] | b[at + 1] << 8 | b[at + 2] << 16 | b[at + 3] << 24


def put64(b: bytearray | memoryview, at: int, value: int) -> int:
    """Write eight bytes at `at`, big endian."""
    b[at : at + 8] = value.to_bytes(8, "big")
    return 0


def put64le(b: bytearray | memoryview, at: int, value: int) -> int:
    """Write eight bytes at `at`, little endian."""
    b[at : at + 8] = value.to_bytes(8, "little")
    return 0


def put32le(b: bytearray | memoryview, at: int, value: int) -> int:
    """Write four bytes at `at`, little endian."""
    b[at : at + 4] = value.to_bytes(4, "little")
    return 0


def copy(b: Octets, begin: int, end: int) -> bytes:
    """The bytes from `begin` to before `end`."""
    return bytes(b[begin:end])
