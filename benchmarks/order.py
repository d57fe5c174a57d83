"""Whether disorder stays linear: `python benchmarks/order.py [--scale F] [--runs N]`.

shuffled  captures of growing size whose timestamps are dealt out at random, beside the same frames in order of time
files     one capture dealt out to 1, 10, 100 and 1,000 files that overlap from end to end

Each replay in disorder must give the connections of the one in order; if it does not, the exit code is 1.
"""

from __future__ import annotations

import argparse
import random
import shutil
from itertools import islice
from operator import itemgetter
from pathlib import Path
from statistics import median

import duckdb
import measure
import workloads
from files import Frame, write
from frames import Link
from tools import ctreplay

BUILD = Path(__file__).resolve().parent.parent / "build"
SIZES = (60_000, 240_000, 960_000)
FILES = (10, 100, 1000)


class Disorder:
    """Replays captures below `folder` and compares what came out."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self.runs = runs
        self.wrong: list[str] = []
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def replay(self, capture: Path, dataset: str) -> float:
        """Median wall seconds; the dataset of the last run stays."""
        captures = sorted(capture.iterdir()) if capture.is_dir() else [capture]
        walls = []
        for _ in range(self.runs):
            measure.warm(captures)
            used = measure.run([*ctreplay(), str(capture), "-o", dataset, "--force"], self.folder)
            if used.code:
                raise SystemExit(f"{capture.name}: {used.error}")
            walls.append(used.wall)
        return median(walls)

    def same(self, what: str, one: str, two: str) -> None:
        """Note when two datasets differ in their connections."""
        tables = [f"SELECT * FROM '{self.folder / name}/connections.parquet'" for name in (one, two)]
        for a, b in (tables, tables[::-1]):
            if duckdb.sql(f"SELECT count(*) FROM ({a} EXCEPT ALL {b})").fetchall() != [(0,)]:
                self.wrong.append(f"{what}: connections differ from those of the capture in order")
                return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the packets")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, default=BUILD / "order", help="folder, emptied first")
    options = parser.parse_args()
    bench = Disorder(options.work.resolve(), options.runs)
    print(measure.machine_line(measure.machine()))
    flows = max(int(workloads.FLOWS / 3 * options.scale), 30)
    frames: list[Frame] = []
    for size in SIZES:
        count = max(int(size * options.scale), 100)
        frames = list(islice(workloads.mix(random.Random("order"), Link(), flows), count))
        frames.sort(key=itemgetter(0))
        mixed = list(workloads.shuffled(frames))
        write(bench.folder / "mixed.pcap", mixed)
        mixed.sort(key=itemgetter(0))
        write(bench.folder / "sorted.pcap", mixed)
        walls = [bench.replay(bench.folder / f"{name}.pcap", name) for name in ("sorted", "mixed")]
        bench.same(f"{count:,} shuffled", "sorted", "mixed")
        by_packet = [1e6 * wall / len(frames) for wall in walls]
        print(
            f"shuffled {len(frames):>9,} packets: {walls[1]:.2f} s, {by_packet[1]:.2f} µs by packet; "
            f"in order {by_packet[0]:.2f} µs; {walls[1] / walls[0]:.2f} times",
            flush=True,
        )
    write(bench.folder / "one.pcap", frames)
    base = bench.replay(bench.folder / "one.pcap", "one")
    print(f"files    {1:>9,}: {base:.2f} s, {len(frames):,} packets")
    for files in FILES:
        workloads.dealt(bench.folder / f"dealt-{files}", frames, files, overlap=True)
        wall = bench.replay(bench.folder / f"dealt-{files}", "many")
        bench.same(f"{files:,} files", "one", "many")
        print(f"files    {files:>9,}: {wall:.2f} s, {wall / base:.2f} times", flush=True)
    shutil.rmtree(bench.folder)
    for text in bench.wrong:
        print(f"WRONG: {text}")
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
