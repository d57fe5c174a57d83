"""Runs a command and measures the whole of it: wall and CPU time, peak memory of its process tree."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
FIRST_SAMPLES = 0.002
SAMPLES = 0.02


@dataclass(frozen=True)
class Usage:
    """One run: seconds, bytes and the exit code (negative: killed by that signal)."""

    wall: float
    user: float
    system: float
    peak: int
    code: int
    error: str

    @property
    def cpu(self) -> float:
        return self.user + self.system


class Sampler(threading.Thread):
    """Follows the memory of process `pid` and its descendants until `done`; kills the tree after `limit` seconds.

    A lone process counts with its own high-water mark, several with the sum of their resident pages. What they share
    counts once for each, or, with `exact`, once: that takes the time of a core that they may need.
    """

    def __init__(self, pid: int, limit: float, exact: bool) -> None:
        super().__init__(daemon=True)
        self.exact = exact
        self.pid = pid
        self.limit = limit
        self.peak = 0
        self.expired = False
        self.done = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self.done.wait(FIRST_SAMPLES if time.monotonic() - began < 0.2 else SAMPLES):
            self.peak = max(self.peak, tree_memory(self.pid, self.exact))
            if time.monotonic() - began > self.limit:
                self.expired = True
                os.killpg(self.pid, signal.SIGKILL)
                return


def tree_memory(pid: int, exact: bool) -> int:
    """Bytes resident in `pid` and its descendants; with `exact` a page that several of them share counts once."""
    waiting, total, alone = [pid], 0, True
    while waiting:
        one = waiting.pop()
        try:
            total += shared_out(one) if exact else int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE
            for task in os.listdir(f"/proc/{one}/task"):
                waiting += map(int, Path(f"/proc/{one}/task/{task}/children").read_text().split())
        except (OSError, IndexError):
            continue
        alone = alone and not waiting
    return max(total, high_water(pid)) if alone else total


def shared_out(pid: int) -> int:
    """Resident bytes of a process, each page divided by the number of processes that have it (Pss)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def high_water(pid: int) -> int:
    """The largest resident size that `pid` had, in bytes."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run(argv: Sequence[str | os.PathLike[str]], folder: Path, limit: float = 3600, *, exact: bool = False) -> Usage:
    """Run `argv` in `folder`, its standard output and error in files `stdout` and `stderr` there.

    `exact` is about memory (`Sampler`): such a run is not for its time.
    """
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        began = time.perf_counter()
        child = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        sampler = Sampler(child.pid, limit, exact)
        sampler.start()
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        sampler.done.set()
        sampler.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    said = (folder / "stderr").read_text(errors="replace").strip().splitlines()
    error = ""
    if child.returncode < 0:
        error = f"killed by {signal.Signals(-child.returncode).name}"
    elif child.returncode:
        error = (said or [f"exit code {child.returncode}"])[-1]
    if sampler.expired:
        error = f"stopped after {limit:g} s"
    return Usage(wall, used.ru_utime, used.ru_stime, sampler.peak, child.returncode, error)


def warm(paths: Sequence[Path]) -> None:
    """Read the files once, so that they are in the page cache."""
    buffer = bytearray(1 << 20)
    for path in paths:
        with path.open("rb", 0) as file:
            while file.readinto(buffer):
                pass


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * PAGE / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def machine_line(facts: dict[str, Any]) -> str:
    """One line for tables and charts."""
    line = (
        f"{facts['cpus']} CPUs ({facts['cpu']}), {facts['memory_gb']:g} GB, {facts['system']}, Python {facts['python']}"
    )
    if facts["load_at_start"] > 0.5:
        line += f"; BUSY: load average {facts['load_at_start']:g} at the start"
    return line
