"""Compiled and uncompiled give the same rows in every table, on every sample and on adversarial traffic."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ctreplay.dataset.schema import TABLES
from tests.pure import run_pure
from tests.replay.program import rows
from tests.traffic import generate, pcap

from .replay_all import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(p for p in (ROOT / "sample_pcaps").iterdir() if p.suffix in (".pcap", ".pcapng", ".zst"))
VARIANTS: list[dict[str, int]] = [
    {},
    {"nf_conntrack_checksum": 1},
    {"nf_conntrack_tcp_be_liberal": 1, "nf_conntrack_tcp_ignore_invalid_rst": 1},
    {"nf_conntrack_tcp_loose": 0, "nf_conntrack_max": 30, "nf_conntrack_buckets": 8},
    {"nf_conntrack_tcp_max_retrans": 1, "nf_conntrack_tcp_timeout_established": 5, "nf_conntrack_udp_timeout": 1},
]

pytestmark = pytest.mark.skipif(os.environ.get("CTREPLAY_PURE") == "1", reason="nothing is compiled to compare with")


def compare(jobs: list[tuple[str, dict[str, int]]], tmp_path: Path) -> None:
    main(jobs, str(tmp_path / "compiled"), True)
    module = "runpy.run_module('tests.pure_compiled.replay_all', run_name='__main__')"
    run_pure(f"import sys, runpy; sys.path.insert(0, ROOT); {module}", json.dumps(jobs), str(tmp_path / "pure"))
    for number, (path, sysctls) in enumerate(jobs):
        for table in TABLES:
            one, two = (rows(tmp_path / way / str(number) / f"{table}.parquet") for way in ("compiled", "pure"))
            assert one == two, (path, sysctls, table)


def test_samples(tmp_path: Path) -> None:
    compare([(str(path), VARIANTS[n % 3]) for n, path in enumerate(SAMPLES)], tmp_path)


def test_adversarial_traffic(tmp_path: Path) -> None:
    jobs = []
    for seed, sysctls in enumerate(VARIANTS):
        packets = sorted(generate(1000 + seed, 1500, bad_checksums=0.1), key=lambda row: row[0])
        jobs.append((str(pcap.write(tmp_path / f"{seed}.pcap", packets)), sysctls))
    compare(jobs, tmp_path)
