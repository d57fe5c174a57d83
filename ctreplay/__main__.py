"""`python -m ctreplay`."""

from ctreplay.cli import main

main()
