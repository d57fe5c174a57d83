"""The program, as `ctreplay` or `python -m ctreplay`: what takes longest begins before anything else is imported."""

import sys

from ctreplay import digests


def program() -> None:
    """Entry point."""
    digests.begin(sys.argv[1:])
    from ctreplay.cli import program as work

    work()


if __name__ == "__main__":
    program()
