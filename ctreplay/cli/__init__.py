"""The command line: one module per command; only what is here and below prints or exits."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import partial

from ctreplay import pages
from ctreplay.child import without_numpy
from ctreplay.cli.common import EXIT_INTERRUPTED, EXIT_USAGE, Exit, complain, reader_has_gone
from ctreplay.cli.plain import plain_replay


def _work(freeze: bool) -> None:
    # nothing that is imported is ever garbage: collections would cost a tenth of the start
    work: Callable[[], None]
    options = None
    collecting = gc.isenabled()
    gc.disable()
    try:
        options = None if "_CTREPLAY_COMPLETE" in os.environ else plain_replay(sys.argv[1:])
        if options is None:
            from ctreplay.cli.app import command

            work = command
        else:
            from ctreplay.cli.replaying import replay

            work = partial(replay, **options)
    finally:
        if freeze:
            gc.freeze()
        # a replay would only collect when it is over, and then walk everything
        if collecting and not (freeze and options is not None):
            gc.enable()
    work()


def program() -> None:
    """Entry point of the program: `main` in a process of our own, and a quick end."""
    pages.for_objects()
    without_numpy()
    try:
        main(freeze=True)
    finally:
        if "duckdb" not in sys.modules:
            # the interpreter looks for garbage once more when it ends, a tenth of a small replay; only DuckDB needs it
            gc.freeze()


def main(*, freeze: bool = False) -> None:
    """Run a command line; every failure leaves as one message on stderr and a defined exit code.

    With `freeze` the interpreter never looks again at what is imported by then (for a process that does nothing else).
    """
    try:
        _work(freeze)
    except Exit as exc:
        if exc.message:
            complain(exc.message)
        code = exc.code
    except KeyboardInterrupt:
        complain("interrupted")
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        reader_has_gone()
        code = 0
    except OSError as exc:
        where = f": {exc.filename}" if exc.filename else ""
        complain(f"{exc.strerror or exc}{where}")
        code = EXIT_USAGE
    except Exception as exc:
        if os.environ.get("CTREPLAY_DEBUG"):
            raise
        complain(f"internal error, please report it: {type(exc).__name__}: {exc} (CTREPLAY_DEBUG=1 shows where)")
        code = EXIT_USAGE
    else:
        code = 0
    sys.exit(code)
