"""Our lines against those of the real conntrack program, recorded and, where this machine can, live."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.traffic import pcap

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, str, str]]


def normal(line: str) -> tuple[str, int | None]:
    """The line without what no two runs share (id, start, age), and its timeout."""
    line = re.sub(r"\bid=\d+$", "id=ID", line)
    line = re.sub(r"<id>\d+</id>", "<id>ID</id>", line)
    line = re.sub(r"\b(delta-time)=\d+", r"\1=N", line)
    line = re.sub(r"<deltatime>\d+<", "<deltatime>N<", line)
    line = re.sub(r"\[(start|stop)=\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]", r"[\1=TIME]", line)
    line = re.sub(r"<(start|stop)>\d{19}<", r"<\1>TIME<", line)
    # the program fills up microseconds at their end, with blanks
    line = re.sub(r"^\[\d+\.(?:\d{6}|(?=[\d ]{6}\])\d+ +)\]\t", "[TIME]\t", line)
    timeout = None
    match = re.search(r"^((?:\[TIME\]\t)?(?: *\[[A-Z]+\] )?(?:ipv[46] +\d+ )?\w+ +\d+ )(\d+)(?= )", line)
    match = match or re.search(r"^((?:\[TIME\]\t)?(?: *\[[A-Z]+\] )?)(\d+)(?= (?:l3)?proto)", line)
    if match is None:
        match = re.search(r"^(-[AUD] -t )(\d+)", line) or re.search(r"(<timeout>)(\d+)", line)
    if match:
        timeout = int(match[2])
        line = line[: match.start(2)] + "T" + line[match.end(2) :]
    return line, timeout


def same(ours: list[str], theirs: list[str], *, ordered: bool) -> None:
    """Equal line for line, timeouts within a second; a dump's order is the kernel's secret."""
    assert all(re.match(r"\[\d+\.\d{6}\]\t", line) for line in ours if re.match(r"\[\d", line))
    a, b = [normal(line) for line in ours], [normal(line) for line in theirs]
    if not ordered:
        a, b = sorted(a, key=lambda pair: pair[0]), sorted(b, key=lambda pair: pair[0])
    assert [line for line, _ in a] == [line for line, _ in b]
    for (line, one), (_, other) in zip(a, b, strict=True):
        assert (one is None) == (other is None), line
        assert one is None or other is None or abs(one - other) <= 1, line


def words(arguments: str) -> tuple[list[str], list[str]]:
    """What follows the source, and the options."""
    _, *rest = arguments.split() or [""]
    return [word for word in rest if word == "expect"], [word for word in rest if word != "expect"]


def compare(recording: dict[str, Any], folder: Path, run: Run, through_dataset: bool) -> None:
    capture = pcap.write(folder / "mix.pcap", [(ts, bytes.fromhex(data)) for ts, data in recording["packets"]])
    helpers = recording.get("helpers", [])
    settings = [word for name, value in recording["sysctls"].items() for word in ("--sysctl", f"{name}={value}")]
    settings += [word for name in helpers for word in ("--helper", name)]
    source: list[object] = [capture]
    if through_dataset:
        assert run(capture, *settings, "-o", folder / "mix.ctreplay", "-q")[0] == 0
        settings = []
        source = [folder / "mix.ctreplay"]
    for name, dump in recording["dumps"].items():
        table, arguments = words(dump["arguments"])
        if name == "proc":
            table, arguments = ["expect"] if helpers else [], ["-o", "proc"]
        code, out, err = run("list", *source, *table, "--at", dump["at"], *arguments, *settings)
        assert code == 0, err
        same(out.splitlines(), dump["lines"], ordered=False)
        if dump["said"]:
            shown = re.search(r"(\d+ (?:flow entries|expectations) have been shown)", dump["said"])
            assert shown and shown[1] in err
    for _, events in recording["events"].items():
        table, arguments = words(events["arguments"])
        code, out, err = run("events", *source, *table, *arguments, *settings)
        assert code == 0, err
        same(out.splitlines(), events["lines"], ordered=True)
    assert run("count", *source, "--at", dump["at"], *settings)[1].strip() == recording["count"]
    line = run("stats", *source, *settings)[1].splitlines()[0]
    names, values = zip(*(pair.split("=") for pair in line.split("\t")[1].split()), strict=True)
    kernel = [dict(pair.split("=") for pair in cpu.split("\t")[1].split()) for cpu in recording["stats"]]
    assert list(names) == list(kernel[0]) and line.startswith("cpu=0   \t") and line.endswith(" ")
    assert [int(value) for value in values] == [sum(int(cpu[name]) for cpu in kernel) for name in names]


@pytest.mark.parametrize("through_dataset", (False, True), ids=("capture", "dataset"))
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_recorded(path: Path, through_dataset: bool, tmp_path: Path, run: Run) -> None:
    compare(json.loads(path.read_text(encoding="utf-8")), tmp_path, run, through_dataset)


@pytest.mark.parametrize("mix", ([], ["expect"]), ids=("flows", "expectations"))
def test_live(tmp_path: Path, run: Run, mix: list[str]) -> None:
    """The same on this machine's kernel, now."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("needs root on Linux for a network namespace")
    for program in ("conntrack", *(["nft"] if mix else [])):
        if shutil.which(program) is None:
            pytest.skip(f"the program {program} is not installed")
    target = tmp_path / "live.json"
    settings = ["nf_conntrack_acct=1", "nf_conntrack_timestamp=0"]
    command = [sys.executable, "-m", "tests.text.record", target, *mix, *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    if "CannotVerify" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    compare(json.loads(target.read_text(encoding="utf-8")), tmp_path, run, True)
