"""Whether the hot modules run compiled."""

from __future__ import annotations


def compiled() -> bool:
    """True when the tracker was compiled by Cython, False when it runs as plain Python."""
    from ctreplay.tracker import tracker

    return not (tracker.__file__ or "").endswith(".py")
