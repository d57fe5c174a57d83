"""Ctrl-C, and what else ends the program, while DuckDB works: it looks for it only while the calling thread has work,
and raises an error of its own.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ctreplay import ending

if TYPE_CHECKING:
    import duckdb

# connections at work; one thread watches for all of them, as their results may be read in turns
_working: list[duckdb.DuckDBPyConnection] = []
_watching: list[tuple[int, int, threading.Thread]] = []


def interrupted(error: BaseException) -> bool:
    """Whether this is what DuckDB makes of Ctrl-C."""
    return isinstance(error, RuntimeError) and "interrupt" in str(error).lower()


@contextmanager
def interruptible(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within, Ctrl-C ends what `db` works on, and is a KeyboardInterrupt whatever DuckDB makes of it; so do the other
    signals where `ctreplay.ending` has them end the program.

    Beside another handler of SIGINT, or in another thread, nobody watches for it.
    """
    import duckdb

    here = threading.current_thread() is threading.main_thread()
    watched = here and signal.getsignal(signal.SIGINT) in (signal.default_int_handler, ending.leave)
    if watched:
        _working.append(db)
        if not _watching:
            _begin()
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as exc:
        if isinstance(exc, RuntimeError) and not interrupted(exc):
            raise
        raise ending.ending() from None
    finally:
        if watched:
            _working.remove(db)
            if not _working:
                _end()


def _begin() -> None:
    numbers, sink = os.pipe()
    os.set_blocking(sink, False)
    thread = threading.Thread(target=_watch, args=(numbers,), name="ctreplay-interrupt", daemon=True)
    thread.start()
    _watching.append((sink, signal.set_wakeup_fd(sink, warn_on_full_buffer=False), thread))


def _watch(numbers: int) -> None:
    import duckdb

    while number := os.read(numbers, 1):
        if number[0] == signal.SIGINT or signal.getsignal(number[0]) is ending.leave:
            for db in tuple(_working):
                # one that was closed meanwhile
                with suppress(duckdb.Error):
                    db.interrupt()
    os.close(numbers)


def _end() -> None:
    sink, before, thread = _watching.pop()
    # what is thrown away in another thread cannot give signals back
    with suppress(ValueError):
        signal.set_wakeup_fd(before)
    os.close(sink)
    # a thread that is still there when the interpreter ends could take the process with it
    thread.join()
