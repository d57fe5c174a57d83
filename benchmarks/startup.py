"""What a small capture costs: `python benchmarks/startup.py [--runs N] [--check]`.

A capture of ten packets from start to dataset (wall), and `ctreplay --help` (CPU). `--check` exits with 1 when a median
misses its target: 0.5 s wall, 0.3 s CPU.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from pathlib import Path

import measure
from files import write
from frames import Link
from tools import ctreplay
from workloads import elephant

PACKETS = 10
TARGETS = {"10 packets": ("wall", 0.5), "--help": ("cpu", 0.3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    print(measure.machine_line(measure.machine()))
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "ten.pcap", itertools.islice(elephant(Link(), PACKETS), PACKETS))
        commands = {
            "10 packets": [*ctreplay(), "ten.pcap", "-o", "dataset"],
            "--help": [*ctreplay(), "--help"],
            "--version": [*ctreplay(), "--version"],
        }
        for title, command in commands.items():
            runs = []
            # the first run fills the page cache and is not counted
            for turn in range(options.runs + 1):
                used = measure.run(command, folder)
                if used.code:
                    raise SystemExit(f"{title}: {used.error}")
                shutil.rmtree(folder / "dataset", ignore_errors=True)
                if turn:
                    runs.append(used)
            figures = {
                "wall": measure.spread([run.wall for run in runs]),
                "cpu": measure.spread([run.cpu for run in runs]),
            }
            shown = ", ".join(
                f"{what} {value['median']:.3f} s ({value['min']:.3f} – {value['max']:.3f})"
                for what, value in figures.items()
            )
            line = f"{title:<11} {shown}, {max(run.peak for run in runs) / 1e6:.0f} MB"
            if title in TARGETS:
                what, target = TARGETS[title]
                met = figures[what]["median"] <= target
                missed = missed or not met
                line += f"; target {what} {target} s {'met' if met else 'MISSED'}"
            print(line, flush=True)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
