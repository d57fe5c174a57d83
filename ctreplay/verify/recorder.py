"""Drives the referee process and hands its answers on as objects."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from .answers import Ended, KernelAnswer, LiveEntry, from_row
from .errors import CannotVerify
from .referee import FRAME


class Recording:
    """Iterate for the answers, in packet order (unfit packets first). Then `entries` holds the table's rest, and
    `ended` what ended after the last packet, when helpers are on."""

    def __init__(
        self,
        packets: Iterable[tuple[int, int, bytes]],
        sysctls: Mapping[str, int | str],
        helpers: Sequence[tuple[str, int, int]],
    ) -> None:
        self.release = ""
        self.planned_s = 0.0
        self.entries: list[LiveEntry] = []
        self.ended: list[Ended] = []
        if sys.platform != "linux":
            raise CannotVerify(f"the referee is Linux's own conntrack and this is {sys.platform}; run it on Linux")
        try:
            import pyroute2  # noqa: F401
        except ImportError:
            raise CannotVerify("pyroute2 is missing; install ctreplay[verify]") from None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ctreplay.verify.referee"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._failure: BaseException | None = None
        self._feeder = threading.Thread(
            target=self._feed, args=(packets, {"sysctls": dict(sysctls), "helpers": list(helpers)}), daemon=True
        )
        self._feeder.start()
        first = self._row()
        self.release = first["release"] if first else ""

    def _feed(self, packets: Iterable[tuple[int, int, bytes]], options: dict[str, Any]) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps(options).encode() + b"\n")
            for number, ts, data in packets:
                pipe.write(FRAME.pack(number, ts, len(data)) + data)
        except BrokenPipeError:
            pass  # the referee has said why, on its way out
        except BaseException as error:  # re-raised in the reader's thread
            self._failure = error
            self._process.kill()
        finally:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _row(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            if self._failure is not None:
                raise self._failure
            self._errors.seek(0)
            last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-6:]
            raise CannotVerify(f"the referee process ended early ({self._process.returncode}) {' '.join(last)}".strip())
        row: dict[str, Any] = json.loads(line)
        if row["type"] == "cannot":
            self.close()
            raise CannotVerify(row["reason"])
        return row if row["type"] != "end" else None

    def __iter__(self) -> Iterator[KernelAnswer]:
        try:
            while (row := self._row()) is not None:
                answer = from_row(row)
                if isinstance(answer, KernelAnswer):
                    yield answer
                elif isinstance(answer, LiveEntry):
                    self.entries.append(answer)
                elif isinstance(answer, Ended):
                    self.ended.append(answer)
                else:
                    self.planned_s = row["seconds"]
        finally:
            self.close()

    def close(self) -> None:
        """End the referee; its namespace goes with it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._feeder.join(timeout=5)
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()


def record_packets(
    packets: Iterable[tuple[int, int, bytes]],
    sysctls: Mapping[str, int | str] | None = None,
    helpers: Sequence[tuple[str, int, int]] = (),
) -> Recording:
    """Replay `(number, time in ns, bytes from the IP header on)` through this machine's kernel.

    `sysctls`: conntrack sysctls by name, with or without `net.netfilter.`; `helpers`: the kernel's name, protocol
    number and destination port of each to assign. Raises CannotVerify.
    """
    return Recording(packets, sysctls or {}, helpers)
