"""Nanoseconds of the engine's steps, compiled and pure: `python benchmarks/micro.py [--size N] [--repeats N]`.

Each figure is the best of the repeats, the cost of calling an empty method from Python taken off. The pure figures come
from a copy of the sources without compiled modules. Exits with 1 when a step is less than its stated number of times
faster compiled than pure: then something in its hot path works on Python objects.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from files import Frame, write
from frames import Link
from workloads import START, elephant, flood, mix

from ctreplay.build import compiled
from ctreplay.capture import open_captures
from ctreplay.dataset.columns import Columns, fresh
from ctreplay.dataset.community_id import ICMP_PAIRS, ICMPV6_PAIRS
from ctreplay.dataset.flowhash import FlowHash
from ctreplay.dataset.rows import RowSink
from ctreplay.decode.checksum import Checksum
from ctreplay.decode.link import Link as LinkLayer
from ctreplay.decode.network import Network
from ctreplay.engine import PACKETS_NOTABLE, Engine
from ctreplay.packet import Packet
from ctreplay.parquet.encoding import Encoder
from ctreplay.tracker import sysctl
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.settings import Settings
from ctreplay.tracker.sink import Change, Sink
from ctreplay.tracker.timers import Timers
from ctreplay.tracker.tracker import Tracker

PACKAGE = Path(__file__).resolve().parent.parent / "ctreplay"
PURE_SHARE = 20
# so many packets or entries stay in the processor's caches: the steps are measured, not the memory
CACHED = 2048
ETHERNET = 1
FLOWS = 3000

# how many times faster a step must be compiled than pure: about a third of what a busy machine measured
GUARDS = {
    "decode ipv4": 25.0,
    "decode ipv6": 25.0,
    "tcp established": 40.0,
    "tcp and udp flows": 30.0,
    "syn flood": 8.0,
    "timers": 8.0,
    "row transition": 40.0,
    "row connection": 15.0,
    "row packet": 10.0,
    "community id": 20.0,
    "encode number": 60.0,
    "engine": 10.0,
}


def best(repeats: int, prepare: Callable[[], Callable[[], object]]) -> float:
    """Shortest of `repeats` runs in seconds; `prepare` makes a fresh thing to run each time."""
    found = []
    for _ in range(repeats):
        run = prepare()
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def each(method: Callable[[Any], object], items: Iterable[Any]) -> Callable[[], None]:
    """A run that calls `method` on every item."""

    def run() -> None:
        for item in items:
            method(item)

    return run


def packets(frames: Iterable[Frame], size: int, decoded: bool = True) -> list[Packet]:
    """Packets as the reader hands them on, their headers read when `decoded`."""
    link, network = LinkLayer(), Network()
    found = []
    for number, (ts, frame) in enumerate(islice(frames, size), 1):
        p = Packet()
        p.buf, p.caplen, p.wirelen, p.linktype = frame, len(frame), len(frame), ETHERNET
        p.ts, p.number, p.frame = ts, number, number
        if decoded and (link.find(p) or network.parse(p)):
            raise AssertionError(f"frame {number} of a workload does not decode")
        found.append(p)
    return found


def empty(size: int, repeats: int) -> float:
    """Seconds of a call that does nothing."""
    return best(repeats, lambda: each(Sink().transition, [Change()] * size)) / size


def decode(link: Link, size: int, repeats: int, call: float) -> float:
    """Link layer, IP and TCP or UDP header of one frame."""
    items = packets(mix(random.Random("micro"), link, FLOWS), min(size, CACHED // 4), decoded=False)
    find, parse = LinkLayer().find, Network().parse
    times = size // len(items)

    def run() -> None:
        for _ in range(times):
            for p in items:
                find(p)
                parse(p)

    return best(repeats, lambda: run) / (times * len(items)) - 2 * call


def track(frames: Iterable[Frame], size: int, repeats: int, call: float) -> float:
    """Clock, lookup or new entry, protocol verdict, confirmation of one packet."""
    items = packets(frames, min(size, CACHED))

    def prepare() -> Callable[[], object]:
        tracker = Tracker(Settings(sysctl.defaults()), Sink(), Network(), Checksum())
        advance, process = tracker.advance, tracker.process

        def run() -> None:
            for p in items:
                advance(p.ts)
                process(p)
            assert tracker.n_processed == len(items)

        return run

    return best(repeats * max(size // CACHED, 1), prepare) / len(items) - 2 * call


def timers(size: int, repeats: int, call: float) -> float:
    """An entry queued at a random deadline within ten minutes, and handed out when it comes."""
    rng = random.Random("timers")
    repeats *= max(size // CACHED, 1)
    size = min(size, CACHED)
    deadlines = [START + rng.randrange(600_000_000_000) for _ in range(size)]

    def prepare() -> Callable[[], object]:
        wheel = Timers()
        entries = []
        for number, deadline in enumerate(deadlines):
            e = Entry()
            e.conn_id, e.deadline = number, deadline
            entries.append(e)

        def run() -> None:
            queue, pop = wheel.queue, wheel.pop
            for e in entries:
                queue(e, START)
            count = 0
            while pop(START + 600_000_000_000) is not None:
                count += 1
            assert count == size

        return run

    return best(repeats, prepare) / size - 2 * call


@cache
def buffers(table: str) -> Columns:
    """Filled again and again, as those that go to and fro between processes: steps are measured, not new memory."""
    return fresh(table)


def row_sink() -> RowSink:
    return RowSink(lambda *_: None, lambda table: dict(buffers(table)))


def an_entry() -> Entry:
    e = Entry()
    e.conn_id, e.family, e.proto, e.state, e.status = 7, 4, 6, 3, 14
    e.src_lo = e.dst_lo = 0xFFFF0A000001
    e.first_ts = e.last_ts = e.deadline = START
    return e


def rows(size: int, repeats: int, call: float) -> dict[str, float]:
    """One row of each large table."""
    entry = an_entry()
    change = Change()
    change.entry, change.ts, change.timeout = entry, START, 120_000_000_000
    p = packets(elephant(Link(), 4), 4)[3]
    p.entry = entry

    def connection() -> Callable[[], object]:
        add = row_sink().connection
        return each(lambda e: add(e, 1, START, -1), [entry] * size)

    def packet() -> Callable[[], object]:
        add = row_sink().packet
        return each(lambda one: add(one, one, 0, None, START), [p] * size)

    through = best(repeats, lambda: each(lambda _: None, [entry] * size)) / size
    return {
        "row transition": best(repeats, lambda: each(row_sink().transition, [change] * size)) / size - call,
        "row connection": best(repeats, connection) / size - through,
        "row packet": best(repeats, packet) / size - through,
    }


def community_ids(size: int, repeats: int) -> float:
    """One Community ID in a batch."""
    rng = random.Random("ids")
    source, target = bytearray(rng.randbytes(16 * size)), bytearray(rng.randbytes(16 * size))
    ports = array("H", (rng.getrandbits(16) for _ in range(size)))
    proto, family = array("B", b"\x06" * size), array("b", b"\x04" * size)
    made = FlowHash({1: ICMP_PAIRS, 58: ICMPV6_PAIRS}, bytearray(34 * size))
    return best(repeats, lambda: lambda: made.fill(source, target, proto, family, ports, ports, size)) / size


def encoded_numbers(size: int, repeats: int) -> float:
    """One 64-bit number that grows, on its way from a column buffer to a page."""
    rng = random.Random("numbers")
    column = memoryview(array("q", (START + 2000 * i + rng.randrange(500) for i in range(size))))
    encoder = Encoder()

    def run() -> None:
        encoder.begin(size)
        encoder.take(column, size, b"", 0, -1)
        encoder.deltas(True)

    return best(repeats, lambda: run) / size


def engine(size: int, repeats: int) -> float:
    """One packet of the mix from the file to its rows, without turning rows into Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mix.pcap"
        count = write(path, islice(mix(random.Random("micro"), Link(), FLOWS), size))

        def prepare() -> Callable[[], object]:
            whole = Engine(Settings(sysctl.defaults()), row_sink(), PACKETS_NOTABLE)
            captures = open_captures([path])

            def run() -> None:
                assert whole.run(captures, size + 1) == count
                whole.tracker.finish()
                captures.close()

            return run

        return best(repeats, prepare) / count


def figures(size: int, repeats: int) -> dict[str, float]:
    """Nanoseconds by step, in this process."""
    call = empty(size, repeats)
    found = {
        "decode ipv4": decode(Link(4), size, repeats, call),
        "decode ipv6": decode(Link(6), size, repeats, call),
        "tcp established": track(elephant(Link(), size, 100), size, repeats, call),
        "tcp and udp flows": track(mix(random.Random("micro"), Link(), FLOWS), size, repeats, call),
        "syn flood": track(flood(Link(), size), size, repeats, call),
        "timers": timers(size, repeats, call),
        **rows(size, repeats, call),
        "community id": community_ids(size, repeats),
        "encode number": encoded_numbers(size, repeats),
        "engine": engine(size, repeats),
    }
    return {name: 1e9 * value for name, value in found.items()}


def pure_figures(size: int, repeats: int) -> dict[str, float]:
    """The same from a copy of the sources that has no compiled modules."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PACKAGE, Path(folder) / "ctreplay", ignore=shutil.ignore_patterns("*.so", "*.pyd", "*.c"))
        argv = [sys.executable, __file__, "--child", "--size", str(size), "--repeats", str(repeats)]
        environment = {**os.environ, "PYTHONPATH": folder}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"the pure run failed: {done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout)
    if told["compiled"]:
        raise SystemExit("the pure run imported compiled modules")
    return told["ns"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=60_000, help=f"operations; pure runs do 1/{PURE_SHARE} of them")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="figures as one JSON object")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps({"compiled": compiled(), "ns": figures(options.size, options.repeats)}))
        return 0
    if not compiled():
        print("ctreplay is not compiled here: nothing to compare", file=sys.stderr)
        return 1
    ns = figures(options.size, options.repeats)
    pure = pure_figures(max(options.size // PURE_SHARE, 100), max(options.repeats // 2, 1))
    ratio = {name: pure[name] / max(ns[name], 1.0) for name in ns}
    slow = [name for name, least in GUARDS.items() if ratio[name] < least]
    if options.json:
        print(
            json.dumps({"compiled_ns": ns, "pure_ns": pure, "ratio": ratio, "guards": GUARDS, "slow": slow}, indent=1)
        )
    else:
        print(f"{'step':<20}{'compiled ns':>12}{'pure ns':>12}{'times':>8}{'at least':>10}")
        for name, value in ns.items():
            verdict = "  SLOW" if name in slow else ""
            print(f"{name:<20}{value:>12,.0f}{pure[name]:>12,.0f}{ratio[name]:>8.0f}{GUARDS[name]:>10.0f}{verdict}")
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
