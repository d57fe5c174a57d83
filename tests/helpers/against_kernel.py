"""Mutated control sessions through this machine's kernel and through ctreplay; needs root and the recorder.

usage: python -m tests.helpers.against_kernel ORACLE.py KIND[,KIND...] FIRST_SEED [LAST_SEED] [--talks N] [--keep DIR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tests.helpers import dialogues
from tests.helpers.kernel_compare import compare
from tests.traffic import pcap


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("oracle")
    parser.add_argument("kinds")
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("--talks", type=int, default=60)
    parser.add_argument("--keep", type=Path, default=Path("/tmp/helper-fuzz"))
    o = parser.parse_args()
    o.keep.mkdir(parents=True, exist_ok=True)
    import ctreplay

    kinds = o.kinds.split(",")
    helpers = sorted({kind.partition("_")[0] for kind in kinds})
    worst = 0
    for seed in range(o.first, (o.last or o.first) + 1):
        steps = dialogues.generate(seed, kinds, o.talks)
        stem = o.keep / f"{o.kinds.replace(',', '-')}-{seed}"
        capture = pcap.write(stem.with_suffix(".pcap"), steps)
        truth = stem.with_suffix(".jsonl")
        command = [sys.executable, o.oracle, str(capture), "-o", str(truth)]
        for helper in helpers:
            command += ["--helper", helper]
        subprocess.run(command, check=True)
        dataset = stem.with_suffix(".ctreplay")
        ctreplay.replay(
            capture, dataset, helpers=helpers, packets="all", force=True, sysctls={"nf_conntrack_checksum": 0}
        )
        summary, shown = compare(str(truth), str(dataset))
        print(seed, len(steps), "packets", json.dumps(summary), flush=True)
        for example in shown[:3]:
            print("   ", json.dumps(example), flush=True)
        worst |= bool(summary["differences"])
    return worst


if __name__ == "__main__":
    sys.exit(main())
