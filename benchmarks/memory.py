"""Memory and time by live entries: `python benchmarks/memory.py [--scale F] [--check]`.

entries  a SYN flood with all entries alive at the end: peak memory of the whole process by entry
length   floods of which 1,000 entries live at any time: memory must not grow with the length of the capture
create   whole-process time by packet, each packet a new entry, at 1,000 and at the most live entries
hit      time by packet of packets that meet 1,000 or the most live entries at random (the engine alone, one process)

Targets: at most 400 bytes by live entry counting everything, at most 1.1 times the memory for five times the length, at
most 2.5 times the time by packet. They are judged at full scale; `--check` then exits with 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import measure
import workloads
from files import Frame, write
from frames import Link
from tools import ctreplay

BUILD = Path(__file__).resolve().parent.parent / "build"
FEW = 1000
BYTES_BY_ENTRY = 400
TIMES = 2.5
# column buffers and the writer's queue fill up to their bounds: so much may a five times longer capture add
GROWTH = 1.1
SHORT_LIFE = ("--sysctl", "nf_conntrack_tcp_timeout_syn_sent=1")
UDP_LIFE = 20_000_000_000

# a child process of its own for each measurement: allocators keep what they once had
HITS = """
import json, sys, time
from ctreplay import pages
from ctreplay.capture import open_captures
from ctreplay.dataset.rows import RowSink
from ctreplay.engine import PACKETS_NOTABLE, Engine
from ctreplay.tracker import sysctl
from ctreplay.tracker.settings import Settings

pages.for_objects()
path, live, hits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
engine = Engine(Settings(sysctl.defaults()), RowSink(lambda *_: None), PACKETS_NOTABLE)
captures = open_captures([path])
assert engine.run(captures, live) == live
assert engine.tracker.table.count == live, engine.tracker.table.count
began = time.perf_counter()
assert engine.run(captures, hits) == hits
spent = time.perf_counter() - began
assert engine.tracker.table.count == live, engine.tracker.table.count
print(json.dumps(spent / hits * 1e9))
"""


def steady(packets: int) -> Iterator[Frame]:
    """A flood of which FEW entries live, with the life of a second that SHORT_LIFE gives them."""
    return workloads.flood(Link(), packets, packets * 1_000_000_000 // FEW)


def meeting(live: int, hits: int) -> Iterator[Frame]:
    """`live` UDP packets that create an entry each, then `hits` that meet one at random."""
    rng = random.Random("hits")
    link = Link()
    server = link.address(1 << 20)
    step = UDP_LIFE // (live + hits)

    def packet(n: int) -> bytes:
        source = struct.pack("!I", 0x0B000000 + n * 2654435761 % (1 << 27))
        return link.udp(source, server, struct.pack("!HH", 1024 + n % 60000, 53), b"")

    for n in range(live):
        yield workloads.START + n * step, packet(n)
    for n in range(live, live + hits):
        yield workloads.START + n * step, packet(rng.randrange(live))


class Bench:
    """Writes captures to `folder` when they are not there and replays them `runs` times."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self.runs = runs
        folder.mkdir(parents=True, exist_ok=True)

    def capture(self, name: str, frames: Iterator[Frame]) -> Path:
        """The capture `name`, written under another name until it is whole."""
        path = self.folder / f"{name}.pcap"
        if not path.exists():
            partial = self.folder / f"{name}.partial"
            write(partial, frames)
            partial.rename(path)
        return path

    def replay(self, path: Path, *options: str) -> tuple[int, float]:
        """Peak memory in bytes and median wall seconds of whole processes."""
        used = []
        for _ in range(self.runs):
            measure.warm([path])
            command = [*ctreplay(), "replay", str(path), "-o", "dataset", *options]
            used.append(measure.run(command, self.folder, exact=True))
            shutil.rmtree(self.folder / "dataset", ignore_errors=True)
            if used[-1].code:
                raise SystemExit(f"{path.name}: {used[-1].error}")
        return max(one.peak for one in used), median(one.wall for one in used)

    def hits(self, live: int, hits: int) -> float:
        """Median ns by packet among `live` entries."""
        path = self.capture(f"hits-{live}-{hits}", meeting(live, hits))
        found = []
        for _ in range(self.runs):
            measure.warm([path])
            argv = [sys.executable, "-c", HITS, str(path), str(live), str(hits)]
            found.append(json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout))
        return median(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of 1 and 5 million entries")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--work", type=Path, default=BUILD / "memory", help="folder for the captures")
    options = parser.parse_args()
    bench = Bench(options.work.resolve(), options.runs)
    some, most = (max(int(n * options.scale), 4 * FEW) for n in (1_000_000, 5_000_000))
    print(measure.machine_line(measure.machine()))
    missed = []

    def flood(n: int) -> Path:
        return bench.capture(f"flood-{n}", workloads.flood(Link(), n))

    base, start = bench.replay(flood(FEW))
    print(f"entries  {FEW:>10,}: peak {base / 1e6:,.0f} MB, {start:.2f} s (the process itself)")
    wall = start
    for live in (some, most):
        peak, wall = bench.replay(flood(live))
        whole = peak / live
        line = f"entries  {live:>10,}: peak {peak / 1e6:,.0f} MB, {wall:.2f} s: {whole:.0f} bytes by entry"
        print(f"{line}, {(peak - base) / live:.0f} above the process itself", flush=True)
        if whole > BYTES_BY_ENTRY:
            missed.append(f"{whole:.0f} bytes by entry at {live:,} entries, target {BYTES_BY_ENTRY}")
    by_packet = {most: (wall - start) / most}
    long = 0.0
    peaks = []
    for length in (some, most):
        peak, long = bench.replay(bench.capture(f"steady-{length}", steady(length)), *SHORT_LIFE)
        print(f"length   {length:>10,} packets with {FEW:,} live: peak {peak / 1e6:,.0f} MB, {long:.2f} s", flush=True)
        peaks.append(peak)
    if peaks[1] > GROWTH * peaks[0]:
        missed.append(f"{peaks[1] / peaks[0]:.2f} times the memory for a capture five times as long, target {GROWTH}")
    by_packet[FEW] = (long - start) / most
    hits = {live: bench.hits(live, some) for live in (FEW, most)}
    for what, found in (("create", {n: 1e9 * t for n, t in by_packet.items()}), ("hit", hits)):
        ratio = found[most] / found[FEW]
        print(f"{what:<8} {found[FEW]:,.0f} ns at {FEW:,} live, {found[most]:,.0f} ns at {most:,}: {ratio:.2f} times")
        if ratio > TIMES:
            missed.append(f"{what}: {ratio:.2f} times the time by packet, target {TIMES}")
    if options.scale < 1:
        print("targets are not judged below full scale")
        return 0
    for text in missed:
        print(f"MISSED: {text}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
