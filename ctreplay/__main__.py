"""`python -m ctreplay`."""

from ctreplay.cli import program

program()
