"""The benchmark scripts work: run at trivial sizes, their figures are not judged here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ctreplay.build import compiled

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def script(name: str, *args: str, codes: tuple[int, ...] = (0,)) -> str:
    """Standard output of a benchmark script."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *args], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode in codes, done.stderr
    return done.stdout


@pytest.mark.skipif(not compiled(), reason="compares compiled with pure modules")
def test_micro() -> None:
    # timing of such short runs means nothing, so a missed guard (1) is no failure
    told = json.loads(script("micro.py", "--size", "200", "--repeats", "1", "--json", codes=(0, 1)))
    assert set(told["ratio"]) == set(told["guards"])
    assert all(value > 0 for value in told["pure_ns"].values())


def test_run(tmp_path: Path) -> None:
    script(
        "run.py", "mix", "many", "fragments", "--scale", "0.0005", "--rounds", "1", "--tools", "ctreplay,tcpdump",
        "--work", str(tmp_path / "work"), "-o", str(tmp_path / "out"),
    )  # fmt: skip
    results = json.loads((tmp_path / "out/results.json").read_text())
    own = results["workloads"]["mix"]["tools"]["ctreplay"]
    assert own["written"] > 0 and own["peak"] > 0 and own["ratio"] == 1
    if shutil.which("tcpdump"):
        assert "tcpdump" in results["workloads"]["mix"]["tools"]
    assert results["workloads"]["many"]["files"] == 1000
    assert "ctreplay" in (tmp_path / "out/results.md").read_text()
    chart = (tmp_path / "out/chart.svg").read_text()
    assert chart.startswith("<svg") and "mix" in chart and "benchmarks/run.py" in chart
    assert str(tmp_path) not in chart


def test_workloads_are_seeded(tmp_path: Path) -> None:
    for name in ("one", "two"):
        script("workloads.py", str(tmp_path / name), "--scale", "0.0005", "mix", "gzip", "zstd", "invalid", "shuffled")
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_memory(tmp_path: Path) -> None:
    told = script("memory.py", "--scale", "0.001", "--runs", "1", "--work", str(tmp_path))
    assert "bytes by entry" in told and "hit " in told


def test_startup() -> None:
    assert "10 packets" in script("startup.py", "--runs", "1")


def test_workloads_are_what_they_say(tmp_path: Path) -> None:
    import ctreplay

    names = (
        "quarter", "pcapng", "ipv6", "vlan", "invalid", "fragments", "jumbo", "idle", "many", "rotated", "crafted",
        "full",
    )  # fmt: skip
    script("workloads.py", str(tmp_path), "--scale", "0.001", *names)
    made = json.loads((tmp_path / "workloads.json").read_text())
    counts = {}
    for name in names:
        path = next(p for p in tmp_path.iterdir() if p.name.split(".")[0] == name)
        run = ctreplay.replay(path, tmp_path / f"{name}.ctreplay")
        assert run["packets"] == made[name]["packets"] and run["complete"] and run["late_packets"] == 0
        db = ctreplay.open_dataset(tmp_path / f"{name}.ctreplay")
        counts[name] = dict(db.sql("SELECT name, value FROM stats").fetchall())
        assert counts[name]["undecodable"] == 0
        assert db.sql("SELECT sum(checksums_checked) > 0, sum(checksums_wrong) FROM captures").fetchall() in (
            [(True, 0)],
            [(False, 0)],
        )
    flows = {name: counts[name]["tracked"] for name in ("quarter", "pcapng", "ipv6", "vlan")}
    assert len(set(flows.values())) == 1
    assert counts["invalid"]["invalid"] > counts["invalid"]["packets"] / 4
    assert counts["fragments"]["reassembled"] == 100
    assert all(counts[name]["invalid"] == 0 for name in names if name != "invalid")


def test_order(tmp_path: Path) -> None:
    told = script("order.py", "--scale", "0.001", "--runs", "1", "--work", str(tmp_path / "work"))
    assert "shuffled" in told and "1,000:" in told
