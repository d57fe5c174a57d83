"""Cuts traffic down to the few packets that still make a test fail (Zeller's ddmin), then to a scenario.

    python -m tests.traffic.minimise --seed 7 --packets 3000 [--sysctl NAME=VALUE ...] [--mix udp=0.03 ...]

needs what `ctreplay verify` needs. It prints the remaining packets as lines for a scenario's packets.txt.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from ctreplay.replaying import replay_to
from ctreplay.verify import record_packets
from ctreplay.verify.compare import Report, compare

from . import generate, pcap

Packets = list[tuple[int, bytes]]


def minimise(packets: Packets, fails: Callable[[Packets], bool]) -> Packets:
    """The smallest subset ddmin finds for which `fails` still holds; times are kept."""
    parts = 2
    while len(packets) > 1:
        size = max(1, len(packets) // parts)
        for start in range(0, len(packets), size):
            rest = packets[:start] + packets[start + size :]
            if rest and fails(rest):
                packets, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(packets), parts * 2)
    return packets


def judge(packets: Packets, sysctls: dict[str, int]) -> Report:
    """Replay through ctreplay and the kernel."""
    with tempfile.TemporaryDirectory() as folder:
        capture = pcap.write(Path(folder) / "traffic.pcap", packets)
        target = Path(folder) / "out"
        replay_to([capture], target, sysctls=sysctls, packets="all")
        recording = record_packets([(n, ts, data) for n, (ts, data) in enumerate(packets, 1)], sysctls)
        return compare(target, recording, recording.entries)


def _pairs(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--packets", type=int, default=3000)
    parser.add_argument("--sysctl", action="append", default=[])
    parser.add_argument("--mix", action="append", default=[])
    options = parser.parse_args()
    sysctls = {"nf_conntrack_checksum": 0, **{k: int(v) for k, v in _pairs(options.sysctl).items()}}
    packets = generate(options.seed, options.packets, **{k: float(v) for k, v in _pairs(options.mix).items()})
    report = judge(packets, sysctls)
    if not report.differences:
        print("no difference")
        return 0
    wanted = report.differences[0].field
    last = report.differences[0].packet
    if last is not None:
        packets = packets[:last]
    found = minimise(packets, lambda some: any(d.field == wanted for d in judge(some, sysctls).differences))
    for name, value in sysctls.items():
        print(f"sysctl {name}={value}")
    before = found[0][0]
    for ts, data in found:
        print(f"+{(ts - before) // 10**9}.{(ts - before) % 10**9:09d} hex {data.hex()}")
        before = ts
    for difference in judge(found, sysctls).differences:
        print("#", difference)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
