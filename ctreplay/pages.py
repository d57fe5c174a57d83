"""Large pages: where millions of entries live, translating addresses is half of a lookup.

A packet that meets one of 5,000,000 entries at random takes two thirds of the time with pages of 2 MB instead of 4 KB.
Compiled, on Linux, where the system grants them to who asks; elsewhere everything works without.
"""

from __future__ import annotations

from typing import Any

_COMPILED = not __file__.endswith(".py")


def for_objects() -> None:
    """From now on the interpreter takes memory for small objects in large pages once it has 256 MB of them.

    It concerns all objects of the process, so it is for a process of our own, and before there are many of them.
    """
    if _COMPILED:
        take_arenas()  # type: ignore[name-defined]  # noqa: F821 (a C function)


def nones(count: int) -> list[Any]:
    """A list of `count` None; a long one lies in large pages."""
    if _COMPILED:
        return list_of_none(count)  # type: ignore[name-defined,no-any-return]  # noqa: F821 (a C function)
    return [None] * count
