"""Processes of our own: what is common to the program and to those that it starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import ctreplay


def without_numpy() -> None:
    """Let no library import numpy: pyarrow does wherever it is, and nobody needs it."""
    cast("dict[str, Any]", sys.modules).setdefault("numpy", None)


def serving(module: str, argument: object) -> list[str]:
    """The command line of a process that calls `serve(argument)` of `module`: Python with as little as it takes.

    It never looks for garbage: nothing that is imported is ever any.
    """
    path = [str(Path(ctreplay.__file__).parent.parent), *map(str, sys.path)]
    start = f"import gc, sys; gc.disable(); sys.path[:] = {path!r}; from ctreplay.child import without_numpy"
    code = f"{start}; without_numpy(); from {module} import serve; serve({argument!r})"
    return [sys.executable, "-S", "-c", code]
