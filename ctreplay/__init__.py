"""ctreplay: replay captures through a model of Linux connection tracking."""

from __future__ import annotations

__version__ = "0.1.0"
