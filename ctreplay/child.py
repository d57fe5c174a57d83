"""Other processes of a replay: Python started with what it takes to import this package, and as little else."""

from __future__ import annotations

import sys
from pathlib import Path

import ctreplay


def serving(module: str, argument: object) -> list[str]:
    """The command line of a process that calls `serve(argument)` of `module`."""
    path = [str(Path(ctreplay.__file__).parent.parent), *map(str, sys.path)]
    code = f"import sys; sys.path[:] = {path!r}; from {module} import serve; serve({argument!r})"
    return [sys.executable, "-S", "-c", code]
