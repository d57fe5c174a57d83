"""The one error of this package that a user can meet."""

from __future__ import annotations


class CannotVerify(Exception):
    """This machine cannot act as the referee; the message says what is missing and what would help."""
