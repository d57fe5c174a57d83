"""Hashing what an attacker chooses; `keyedhash.pxd` is the compiled form.

Words are multiplied, each with a secret key upon it, to 128 bits whose halves are folded together. A product of 64 bits
would not do: its highest bit depends on the highest bit of a word only, so that one word undoes what another changed,
whatever the key.
"""

from __future__ import annotations

import os

_U64 = 0xFFFFFFFFFFFFFFFF


def fold(a: int, b: int) -> int:
    """The product of two numbers of 64 bits, its upper half on its lower."""
    product = a * b
    return (product ^ product >> 64) & _U64


def key() -> int:
    """64 bits that nobody knows."""
    return int.from_bytes(os.urandom(8), "little")
