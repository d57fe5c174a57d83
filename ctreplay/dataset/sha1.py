"""SHA-1 (RFC 3174) of messages that fit in one block; `sha1.pxd` is the compiled form of the same functions."""

from __future__ import annotations


def extensions() -> bool:
    """Whether the processor has instructions for it."""
    return False


def text(block: memoryview, size: int, out: memoryview, at: int, fast: bool) -> int:
    """Write 28 characters at `at` of `out`: the hash of the first `size` bytes (at most 55) of a block, in base64.

    Compiled, the rest of the block is overwritten; `fast` takes the processor's instructions.
    """
    # the compiled form needs neither, and hashlib brings all of OpenSSL
    import base64
    import hashlib

    out[at : at + 28] = base64.b64encode(hashlib.sha1(block[:size], usedforsecurity=False).digest())
    return 0
