"""The triage: its facts against SQL over the same dataset, its screen at the widths of real terminals."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import ctreplay
from ctreplay.dataset import seen
from ctreplay.replaying import replay_to
from ctreplay.report.screen import render
from ctreplay.report.triage import triage
from ctreplay.tracker import sysctl

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
CAPTURES = sorted(p for p in SAMPLES.iterdir() if ".pcap" in p.name)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("triage")
    triages = {}
    for capture in CAPTURES:
        target = folder / f"{capture.name}.ctreplay"
        ctreplay.replay(capture, target)
        triages[capture.name] = (target, triage(target))
    return triages


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_facts(found: dict[str, tuple[Path, dict[str, Any]]], capture: Path) -> None:
    path, facts = found[capture.name]
    json.dumps(facts)
    db = ctreplay.open_dataset(path)

    def counts(column: str) -> dict[str, int]:
        return dict(db.sql(f"SELECT coalesce({column}::VARCHAR, '-'), count(*) FROM connections GROUP BY 1").fetchall())

    entries = facts["entries"]
    assert entries["by_proto"] == counts("proto")
    assert entries["by_state"] == counts("state")
    assert entries["by_end_reason"] == counts("end_reason")
    row = db.sql(
        "SELECT count(*), count(*) FILTER (NOT seen_reply), count(*) FILTER (midstream),"
        " count(*) FILTER (proto = 'tcp' AND orig_packets > 2 AND NOT seen_reply) FROM connections"
    ).fetchall()[0]
    assert (entries["total"], entries["unreplied"], entries["midstream"], entries["tcp_one_sided"]) == row
    sources = db.sql(
        "SELECT orig_src, count(*), count(*) FILTER (NOT seen_reply), sum(orig_bytes + reply_bytes)::BIGINT"
        " FROM connections GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5"
    ).fetchall()
    assert [tuple(row.values()) for row in facts["talkers"]["sources"]] == [
        (address, entries, unreplied, size) for address, entries, unreplied, size in sources
    ]
    services = db.sql(
        "SELECT proto, orig_dst, orig_dport, count(*), count(*) FILTER (NOT seen_reply),"
        " sum(orig_bytes + reply_bytes)::BIGINT FROM connections GROUP BY 1, 2, 3"
        " ORDER BY 4 DESC, 1, 2, coalesce(orig_dport::VARCHAR, '') LIMIT 5"
    ).fetchall()
    assert [tuple(row.values()) for row in facts["talkers"]["services"]] == services
    invalid = db.sql("SELECT count(*) FROM packets WHERE ctstate = 'INVALID'").fetchall()[0][0]
    assert sum(row["packets"] for row in facts["invalid"]) == invalid
    for step in facts["next"]:
        name = step["command"].split()[-1]
        if " query " in step["command"]:
            assert (SAMPLES.parent / "queries" / f"{name}.sql").is_file()


@pytest.mark.parametrize("width", [80, 120])
def test_screen(found: dict[str, tuple[Path, dict[str, Any]]], width: int) -> None:
    for name, (_, facts) in found.items():
        out = io.StringIO()
        render(facts, Console(file=out, width=width, highlight=False))
        lines = out.getvalue().splitlines()
        assert max(len(line) for line in lines) <= width, name
        assert f"{facts['packets']:,} packets" in out.getvalue()


def test_hostile_names(found: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    _, facts = found[CAPTURES[0].name]
    facts = dict(facts, inputs=["a\x1b[31m[bold]\n.pcap"], dataset="x\ty[/bold]")
    out = io.StringIO()
    render(facts, Console(file=out, width=100, highlight=False))
    text = out.getvalue()
    assert "\x1b" not in text
    assert "a\\x1b[31m[bold]\\n.pcap" in text
    assert "x\\ty[/bold]" in text


def test_helper_that_was_off(found: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    _, facts = found["ftp_active.pcap"]
    (hint,) = facts["helper_hints"]
    assert (hint["helper"], hint["control_connections"], hint["missed"]) == ("ftp", 2, 6)
    assert any("helper_missed" in step["command"] for step in facts["next"])


@pytest.mark.parametrize("kept", [seen._KEPT, 3])
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_facts_are_the_same_while_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capture: Path, kept: int
) -> None:
    """What the writer has seen says the same as the dataset, also when it could not keep the connections."""
    monkeypatch.setattr(seen, "_KEPT", kept)
    target = tmp_path / "out"
    facts = replay_to([capture], target, sysctls=sysctl.defaults(), triaged=True)["triage"]
    assert facts == triage(target)


def test_a_replay_loads_no_library_for_parquet(tmp_path: Path) -> None:
    """It would take as long as a small replay."""
    code = (
        "import sys; from ctreplay.replaying import replay_to; from pathlib import Path;"
        f"replay_to([{str(CAPTURES[0])!r}], Path({str(tmp_path / 'out')!r}), sysctls={{}}, triaged=True);"
        "print([name for name in ('pyarrow', 'duckdb', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
