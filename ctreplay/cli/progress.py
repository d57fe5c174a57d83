"""Progress by bytes, on a terminal's stderr."""

from __future__ import annotations

import sys
import time

_EVERY = 0.1


class Progress:
    """One line that is rewritten; nothing at all when not enabled."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.packets = 0
        self.began = time.monotonic()
        self.shown = 0.0
        self.visible = False

    def update(self, done: int, total: int | None, packets: int) -> None:
        """`done` of `total` bytes (None: a pipe) and `packets` so far."""
        self.packets = packets
        now = time.monotonic()
        if not self.enabled or now - self.shown < _EVERY or now - self.began < _EVERY:
            return
        self.shown = now
        rate = packets / max(now - self.began, 1e-9)
        share = f"{done / total:4.0%} " if total else ""
        line = f"{share}{done / 1e6:,.0f} MB  {packets:,} packets  {rate / 1e6:.2f} M/s"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
        self.visible = True

    def close(self) -> None:
        """Wipe the line."""
        if self.visible:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self.visible = False
