"""SHA-1 (RFC 3174) of messages that fit in one block; `sha1.pxd` is the compiled form of the same functions."""

from __future__ import annotations

import hashlib


def extensions() -> bool:
    """Whether the processor has instructions for it."""
    return False


def digest(block: memoryview, size: int, out: memoryview, fast: bool) -> int:
    """Write 20 bytes to `out`: the hash of the first `size` bytes (at most 55) of a block of 64.

    Compiled, the rest of the block is overwritten; `fast` takes the processor's instructions.
    """
    out[:20] = hashlib.sha1(block[:size], usedforsecurity=False).digest()
    return 0
