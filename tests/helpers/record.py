"""Records golden answers: short mutated control sessions, the texts of `edges`, and what the kernel made of them; needs
root.

usage: python -m tests.helpers.record ORACLE.py
Writes golden/NAME.pcap.gz and golden/NAME.jsonl.gz (of edges_NAME the latter only: their captures are made anew);
`test_golden` replays them anywhere.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.helpers import dialogues, edges
from tests.traffic import pcap

GOLDEN = Path(__file__).parent / "golden"
SEED = 7001
TALKS = 12
CALLS = 80
_EVENT = ("ev", "exp", "tuple", "mask", "master", "timeout", "helper", "flags", "class", "cause", "at_ns")


def trimmed(row: dict[str, Any]) -> dict[str, Any]:
    """What `kernel_compare` looks at."""
    found = {key: row[key] for key in ("type", "i", "ts_ns", "state", "path") if key in row}
    for key in ("events", "expired"):
        if key in row:
            found[key] = [{k: e[k] for k in _EVENT if k in e} for e in row[key]]
    if row.get("ct"):
        found["ct"] = {k: row["ct"][k] for k in ("helper", "status") if k in row["ct"]}
    return found


def answers(oracle: str, helper: str, capture: Path) -> bytes:
    """What the kernel made of a capture."""
    truth = capture.with_suffix(".jsonl")
    subprocess.run([sys.executable, oracle, str(capture), "-o", str(truth), "--helper", helper], check=True)
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    packets = [trimmed(row) for row in rows if row["type"] == "packet"]
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in packets).encode()


def keep(name: str, data: bytes) -> None:
    """Write a golden file."""
    (GOLDEN / name).write_bytes(gzip.compress(data, 9, mtime=0))


def main() -> None:
    oracle = sys.argv[1]
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "capture.pcap"
        for kind in sorted(dialogues.SCRIPTS):
            pcap.write(capture, dialogues.generate(SEED, [kind], CALLS if kind == "pptp_calls" else TALKS))
            keep(f"{kind}.pcap.gz", capture.read_bytes())
            keep(f"{kind}.jsonl.gz", answers(oracle, kind.partition("_")[0], capture))
        for kind in sorted(edges.TEXTS):
            pcap.write(capture, edges.generate(kind))
            keep(f"edges_{kind}.jsonl.gz", answers(oracle, kind.partition("_")[0], capture))
        for kind in edges.DAMAGED:
            pcap.write(capture, edges.damaged(kind))
            keep(f"damaged_{kind}.pcap.gz", capture.read_bytes())
            keep(f"damaged_{kind}.jsonl.gz", answers(oracle, kind, capture))


if __name__ == "__main__":
    main()
