"""The command line: one module per command; only what is here and below prints or exits."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import partial

from ctreplay import ending, pages
from ctreplay.child import without_numpy
from ctreplay.cli.common import (
    EXIT_FINE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    Exit,
    complain,
    fit_encoding,
    named_stdout,
    reader_has_gone,
    unfailing_stderr,
)
from ctreplay.cli.plain import plain_replay

# libraries that have something to do when the interpreter ends
_HOLDING = {"duckdb", "pyarrow"}


def _work(freeze: bool) -> None:
    # nothing that is imported is ever garbage: collections would cost a tenth of the start
    work: Callable[[], None]
    options = None
    collecting = gc.isenabled()
    gc.disable()
    try:
        if freeze:
            # from here on there is something to say and to clean up; see `__main__`
            ending.clean_up_first()
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
    fit_encoding()
    named_stdout()
    unfailing_stderr()
    try:
        main(freeze=True)
    except KeyboardInterrupt:
        # when all was said
        os._exit(EXIT_INTERRUPTED)
    except SystemExit as end:
        ending.at_once()
        watched = sys.getprofile() or sys.gettrace()
        if isinstance(end.code, int) and not watched and not sys.modules.keys() & _HOLDING:
            # taking everything apart takes as long as a tenth of a small replay
            os._exit(end.code)
        raise


def main(*, freeze: bool = False) -> None:
    """Run a command line; every failure leaves as one message on stderr and a defined exit code.

    With `freeze` the interpreter never looks again at what is imported by then (for a process that does nothing else).
    """
    try:
        _work(freeze)
    except Exit as exc:
        if exc.message:
            complain(exc.message, exc.more)
        code = exc.code
    except SystemExit as exc:
        # the option parser's own way to end
        code = exc.code if isinstance(exc.code, int) else EXIT_FINE
    except KeyboardInterrupt:
        complain("interrupted")
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        reader_has_gone()
        code = EXIT_FINE
    except MemoryError:
        complain("out of memory")
        code = EXIT_USAGE
    except OSError as exc:
        where = f": {exc.filename}" if exc.filename else ""
        complain(f"{exc.strerror or exc}{where}")
        code = EXIT_USAGE
    except Exception as exc:
        code = _unforeseen(exc)
    else:
        code = EXIT_FINE
    sys.exit(_said(code))


def _unforeseen(error: Exception) -> int:
    """The exit code, when what was wrong is told."""
    from ctreplay.sql.interrupt import interrupted

    if interrupted(error):
        if (code := ending.exit_code()) == EXIT_INTERRUPTED:
            complain("interrupted")
        return code
    if os.environ.get("CTREPLAY_DEBUG"):
        raise error
    complain(f"internal error, please report it: {type(error).__name__}: {error} (CTREPLAY_DEBUG=1 shows where)")
    return EXIT_USAGE


def _said(code: int) -> int:
    """The exit code, when what was printed has gone where it should."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        reader_has_gone()
    except OSError as exc:
        reader_has_gone()
        if code == EXIT_FINE:
            complain(f"standard output: {exc.strerror or exc}")
            return EXIT_USAGE
    return code
