"""The program, as `ctreplay` or `python -m ctreplay`: what takes longest begins before anything else is imported."""

import os
import sys

from ctreplay import digests


def program() -> None:
    """Entry point."""
    _open_closed()
    digests.begin(sys.argv[1:])
    # not before: the process that hashes is to be under way
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # an interrupt ends the program without a word (130 to a shell) until there is somebody to catch it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ctreplay.cli import program as work

    work()


def _open_closed() -> None:
    """Streams that are closed lead nowhere: else the next file that is opened would be taken for them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # who puts another stream around the number must not lose it with this one
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    program()
