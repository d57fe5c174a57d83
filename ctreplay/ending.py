"""Signals that end the program: what it has begun is removed first, and no further signal interrupts that."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1

_received: list[int] = []


def clean_up_first() -> None:
    """Have every signal that would end this process raise instead (`ending`); those that are ignored stay so."""
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, leave)


def leave(number: int, _frame: object) -> NoReturn:
    """The handler."""
    # `timeout` sends its signal twice, and who is impatient presses Ctrl-C twice
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    _received.append(number)
    raise ending()


def at_once() -> None:
    """Nothing is left to be removed: a signal ends the process without a word."""
    for number in SIGNALS:
        if signal.getsignal(number) in (leave, signal.default_int_handler):
            signal.signal(number, signal.SIG_DFL)


def ending() -> BaseException:
    """What the signal that came, else Ctrl-C, raises: KeyboardInterrupt, or SystemExit with `exit_code`."""
    return KeyboardInterrupt() if _number() == signal.SIGINT else SystemExit(exit_code())


def exit_code() -> int:
    """What a shell shows for the signal that came, else for Ctrl-C."""
    return 128 + _number()


def _number() -> int:
    return _received[0] if _received else signal.SIGINT


def end_workers() -> None:
    """End the processes of this one's pools, whatever they work on."""
    import multiprocessing

    for worker in multiprocessing.active_children():
        worker.terminate()


def as_worker(parent: int) -> None:
    """For a process that works for the process `parent`: a signal ends it without a word, and so does its parent's end.

    What it was writing has no final name yet.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes

        # it holds both ends of the pipe that it waits at, and would wait there for ever
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
