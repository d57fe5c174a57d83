"""Large pages: memory comes and goes as without them."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from ctreplay import pages

OBJECTS = """
from ctreplay import pages
from pathlib import Path


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# some lie in memory of the interpreter's own allocator, most do not
before = resident()
early = [str(n) + "x" * 200 for n in range(100_000)]
pages.for_objects()
late = [str(n) + "x" * 200 for n in range(1_600_000)]
most = resident()
assert early[77_777][:6] == late[77_777][:6] == "77777x"
del early, late
left = resident()
assert most - before > 400e6, (before, most)
assert left - before < 40e6, (before, left)
print("done")
"""


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc")
def test_memory_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", OBJECTS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.parametrize("count", [0, 1, 1 << 16, (1 << 20) + 3])
def test_nones(count: int) -> None:
    found = pages.nones(count)
    assert found == [None] * count
    found.append(1)
    assert found[-1] == 1
