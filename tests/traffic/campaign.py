"""Random mixtures beside this machine's kernel, for as long as one likes; needs what `ctreplay verify` needs.

    python -m tests.traffic.campaign FIRST_SEED SECONDS [--packets 1500]

Each seed draws its own mixture, one of `SETTINGS` in every other run, and how many packets are damaged. It prints every
seed that differs, and at the end how many packets were judged; the exit code is 1 when any seed differs.
"""

from __future__ import annotations

import argparse
import random
import time

from . import generate
from .minimise import Packets, judge

SETTINGS: tuple[dict[str, int], ...] = (
    {},
    {"nf_conntrack_tcp_loose": 0},
    {"nf_conntrack_tcp_be_liberal": 1},
    {"nf_conntrack_tcp_ignore_invalid_rst": 1},
    {"nf_conntrack_tcp_max_retrans": 1},
    {"nf_conntrack_tcp_timeout_established": 200, "nf_conntrack_tcp_timeout_unacknowledged": 50},
)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """A packet with one bit or octet of its headers changed, cut short, or as it is."""
    if len(data) <= 20:
        return data
    at = rng.randrange(1, min(len(data), 80))
    octet = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))])
    flipped = bytes([data[at] ^ 1 << rng.randrange(8)])
    begin, end = data[:at], data[at + 1 :]
    cut = data[: rng.randrange(20, len(data) + 1)]
    return rng.choice((data, data, begin + flipped + end, begin + octet + end, cut))


def traffic(seed: int, packets: int) -> tuple[Packets, dict[str, int]]:
    """The packets and the setting of a seed."""
    rng = random.Random(seed)
    setting: dict[str, int] = {} if rng.random() < 0.5 else rng.choice(SETTINGS)
    mix = {
        "udp": rng.choice((0, 0.02)),
        "fragments": rng.choice((0.04, 0.2, 0.4)),
        "headers": rng.choice((0.05, 0.3, 0.6)),
        "errors": rng.choice((0.06, 0.3)),
        "six": rng.choice((0.35, 0.8, 0.1)),
        "sctp": rng.choice((2, 8)),
        "gre": rng.choice((0.4, 3)),
    }
    made = generate(seed, packets, **mix)
    share = rng.choice((0, 0.1, 0.4))
    # damage leaves no checksum right
    setting = {"nf_conntrack_checksum": 0, **setting}
    return [(ts, damaged(rng, data) if rng.random() < share else data) for ts, data in made], setting


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--packets", type=int, default=1500)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    seed = options.seed
    judged = differing = 0
    while time.monotonic() < end:
        packets, setting = traffic(seed, options.packets)
        report = judge(packets, setting)
        judged += report.packets
        if report.differences:
            differing += 1
            print(f"seed {seed} with {setting}: {report.differences[0]}", flush=True)
        seed += 1
    print(f"{judged:,} packets of {seed - options.seed:,} seeds judged, {differing} seeds differ")
    return differing > 0


if __name__ == "__main__":
    raise SystemExit(main())
