"""Who writes the tables does not matter, and whatever happens to the writer, nothing half-written stays."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctreplay import replaying
from ctreplay.build import compiled
from ctreplay.cli import plain
from ctreplay.dataset import process
from ctreplay.dataset.schema import TABLES
from ctreplay.replaying import replay_to
from tests.traffic import build as b
from tests.traffic import generate, pcap

from .program import ROOT, SAMPLES, environment, leftovers

# a replay of argv[1] into argv[2] whose tables a process writes, whatever the size; `extra` runs before
PROGRAM = """
import sys
from pathlib import Path
from ctreplay import replaying
replaying.LARGE = 0
{extra}
replaying.replay_to([sys.argv[1]], Path(sys.argv[2]), sysctls={{}}, packets="all", jobs=2, progress=progress)
"""


@pytest.fixture(scope="module")
def several_batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More rows than batches in shared memory hold (in pure Python, for the time's sake, fewer)."""
    packets = sorted(generate(6, 4000), key=lambda row: row[0])
    span = packets[-1][0] - packets[0][0] + 10**9
    many = [(ts + n * span, data) for n in range(150 if compiled() else 2) for ts, data in packets]
    return pcap.write(tmp_path_factory.mktemp("batches") / "several.pcap", many)


def by_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "LARGE", 0)


def rows(folder: Path, table: str) -> pa.Table:
    """A table with plain text: names that occur nowhere may be in a dictionary or not."""
    found = pq.read_table(folder / f"{table}.parquet")
    kinds = [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in found.schema]
    return found.cast(pa.schema(kinds))


def same(one: Path, other: Path) -> None:
    for table in TABLES:
        assert rows(one, table) == rows(other, table), table


def test_rows_do_not_depend_on_who_writes(
    several_batches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for jobs in (1, 2):
        replay_to([several_batches], tmp_path / str(jobs), sysctls={}, packets="all", jobs=jobs)
    by_process(monkeypatch)
    for jobs in (2, 3, 8):
        target = tmp_path / f"process {jobs}"
        run = replay_to([several_batches], target, sysctls={}, packets="all", jobs=jobs, triaged=True)
        same(tmp_path / "1", target)
        assert run["triage"]["packets"] == run["packets"]
    same(tmp_path / "1", tmp_path / "2")


@pytest.mark.parametrize("behind", ["always", "by turns", "without room"])
def test_batches_that_the_replay_encodes(
    several_batches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: str
) -> None:
    """As it does rather than wait for the process; where they have no room they go there as they are."""
    by_thread = replay_to([several_batches], tmp_path / "thread", sysctls={}, packets="all", jobs=2, triaged=True)
    by_process(monkeypatch)
    turns = itertools.cycle([True, False, False] if behind == "by turns" else [True])
    monkeypatch.setattr(process.WriterProcess, "_behind", lambda self, table: next(turns))
    sent = []
    send, lay = process.WriterProcess._send, process._lay

    def note(self: process.WriterProcess, *message: Any) -> None:
        sent.append(message[0])
        send(self, *message)

    monkeypatch.setattr(process.WriterProcess, "_send", note)
    if behind == "without room":
        monkeypatch.setattr(process, "_lay", lambda chunks, room: lay(chunks, room[:1000]))
    run = replay_to([several_batches], tmp_path / "process", sysctls={}, packets="all", jobs=2, triaged=True)
    same(tmp_path / "thread", tmp_path / "process")
    assert run["triage"]["talkers"] == by_thread["triage"]["talkers"]
    assert ("packed" in sent) == (behind != "without room") and ("batch" in sent) == (behind != "always")


def test_rows_that_are_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expectations, helpers and masters go to the process as objects."""
    options: dict[str, Any] = {"sysctls": {}, "packets": "all", "helpers": ["ftp"]}
    replay_to([SAMPLES / "ftp_active.pcap"], tmp_path / "thread", jobs=2, **options)
    by_process(monkeypatch)
    replay_to([SAMPLES / "ftp_active.pcap"], tmp_path / "process", jobs=2, **options)
    same(tmp_path / "thread", tmp_path / "process")
    rows = pq.read_table(tmp_path / "process" / "connections.parquet").to_pylist()
    assert any(row["master_conn_id"] for row in rows) and any(row["helper"] == "ftp" for row in rows)


@pytest.mark.parametrize("behind", [False, True])
def test_reasons_with_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: bool) -> None:
    """A protocol that nobody foresaw has its name in the dataset, whoever writes it."""
    frames = [(n, bytes(12) + (0x0900 + n % 7).to_bytes(2, "big") + bytes(50)) for n in range(1, 50)]
    capture = pcap.write(tmp_path / "odd.pcap", frames)
    spoilt = bytearray(capture.read_bytes())
    spoilt[20] = 1  # LINKTYPE_ETHERNET
    capture.write_bytes(spoilt)
    by_process(monkeypatch)
    monkeypatch.setattr(process.WriterProcess, "_behind", lambda self, table: behind)
    for jobs in (2, 1):
        replay_to([capture], tmp_path / str(jobs), sysctls={}, packets="all", jobs=jobs)
    same(tmp_path / "1", tmp_path / "2")
    assert "ethertype 0x0903" in rows(tmp_path / "2", "packets")["reason"].to_pylist()


@pytest.mark.parametrize(("module", "name"), [(subprocess, "Popen"), (os, "memfd_create")])
def test_no_process_to_be_had(
    several_batches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """A thread writes then."""
    expected = replay_to([several_batches], tmp_path / "thread", sysctls={}, jobs=2, triaged=True)
    by_process(monkeypatch)
    asked = []

    def refuse(*_arguments: Any, **_options: Any) -> None:
        asked.append(name)
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(module, name, refuse)
    run = replay_to([several_batches], tmp_path / "out", sysctls={}, jobs=2, triaged=True)
    assert asked
    same(tmp_path / "thread", tmp_path / "out")
    assert run["inputs"] == expected["inputs"] and run["triage"]["talkers"] == expected["triage"]["talkers"]


def test_a_process_that_is_killed(several_batches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_process(monkeypatch)
    write = process.WriterProcess.write

    def kill_first(self: process.WriterProcess, *arguments: Any) -> None:
        self.process.kill()
        self.process.wait()
        write(self, *arguments)

    monkeypatch.setattr(process.WriterProcess, "write", kill_first)
    with pytest.raises(OSError, match=r"has ended \(exit code -9\)"):
        replay_to([several_batches], tmp_path / "out", sysctls={}, packets="all", jobs=2)
    assert leftovers(tmp_path) == []


def test_a_process_that_has_no_room(several_batches: Path, tmp_path: Path) -> None:
    # of the process alone: the shared memory is a file too
    limit = (
        "from ctreplay.dataset import process\n"
        "serving = process.serving\n"
        "def limited(*arguments):\n"
        "    *start, code = serving(*arguments)\n"
        "    return [*start, 'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); ' + code]\n"
        "process.serving = limited\n"
        "progress = None"
    )
    code = PROGRAM.format(extra=limit)
    done = subprocess.run(
        [sys.executable, "-c", code, several_batches, tmp_path / "out"], cwd=ROOT, env=environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "OSError" in done.stderr and "too large" in done.stderr, done.stderr
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("large", [0, 1 << 40], ids=["process", "thread"])
def test_memory_that_ends(tmp_path: Path, large: int) -> None:
    """Said as what it is; what was written is removed."""
    datagram = b.ip(bytes(4), bytes([10, 0, 0, 1]), b.UDP, b.udp(4000, 53, b"x"))
    flood = [
        (n * 1000, datagram[:12] + n.to_bytes(4, "big") + datagram[16:]) for n in range(1 << 24, (1 << 24) + 130_000)
    ]
    capture = pcap.write(tmp_path / "flood.pcap", flood)
    (tmp_path / "out").mkdir()
    limit = (
        "import resource\n"
        "def progress(at, size, packets):\n"
        "    status = dict(line.split(':') for line in open('/proc/self/status'))\n"
        "    used = int(status['VmData'].split()[0]) << 10\n"
        "    if packets == 50_000: resource.setrlimit(resource.RLIMIT_DATA, (used + (4 << 20), -1))\n"
        f"replaying.LARGE = {large}"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(extra=limit), capture, tmp_path / "out" / "x"], cwd=ROOT,
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "Errno 12" in done.stderr, done.stderr
    assert "out of memory after 50,000 packets, with " in done.stderr
    assert leftovers(tmp_path / "out") == []


def test_a_replay_that_is_killed(several_batches: Path, tmp_path: Path) -> None:
    """The process sees that nobody is there any more and removes what it has written."""
    code = PROGRAM.format(extra="import os, signal\ndef progress(*_): os.kill(os.getpid(), signal.SIGKILL)")
    done = subprocess.run(
        [sys.executable, "-c", code, several_batches, tmp_path / "out"], cwd=ROOT, env=environment(), timeout=60,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    until = time.monotonic() + 20
    while leftovers(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert leftovers(tmp_path) == []


WORDS = [
    "replay", "list", "a.pcap", "b c.pcap", "-", "-o", "--output", "out", "--force", "--packets", "all", "none", "some",
    "-j", "--jobs", "2", "0", "-1", "²", "-q", "--quiet", "--json", "--strict", "--help", "--", "-qj2", "--helper",
    "ftp", "--packets=all", "", "--sysctl", "nf_conntrack_max=3", "--sysctl=a=b", "--sysctl=", "--sysctl-file",
    "x.conf", "--sysctl-file=x=y", "--helper=sip=5060/udp", "--jobs=3", "--output=o", "--force=1", "--output=-", "-o=x",
]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=7))
def test_plain_is_what_the_parser_understands(words: list[str]) -> None:
    import typer

    from ctreplay.cli import app
    from ctreplay.cli import replaying as command

    found = plain.plain_replay(words)
    if found is None:
        return
    seen: list[dict[str, Any]] = []

    def take(*positional: Any, **named: Any) -> None:
        names = ("captures", "output", "force", "packets", "sysctl", "sysctl_file", "helper", "jobs")
        seen.append(dict(zip(names, positional, strict=True)) | named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "replay", take)
        typer.main.get_command(app.app).main(app.arguments(words), standalone_mode=False)
    usual: dict[str, Any] = {
        "output": None, "force": False, "packets": "notable", "sysctl": (), "sysctl_file": None, "helper": (),
        "jobs": None, "strict": False, "as_json": False, "quiet": False,
    }  # fmt: skip
    assert seen == [usual | found]
    assert os.fspath(found.get("output") or "out")


def test_plain_understands_the_usual() -> None:
    assert plain.plain_replay(["a.pcap"]) == {"captures": ["a.pcap"]}
    words = "replay a.pcap -o x b.pcap -q -j 2 --packets all --force"
    found = plain.plain_replay(words.split())
    wanted = {"captures": ["a.pcap", "b.pcap"], "output": Path("x"), "quiet": True, "jobs": 2}
    assert found == wanted | {"packets": "all", "force": True}
    words = "a.pcap --sysctl nf_conntrack_max=9 --helper=ftp --sysctl=udp_timeout=3 --sysctl-file x --output=o"
    found = plain.plain_replay(words.split())
    wanted = {"captures": ["a.pcap"], "output": Path("o"), "sysctl_file": Path("x"), "helper": ["ftp"]}
    assert found == wanted | {"sysctl": ["nf_conntrack_max=9", "udp_timeout=3"]}
