"""`ctreplay CAPTURE…` from outside: exit codes, messages, and never half a dataset."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ctreplay
from ctreplay.capture import CaptureError
from ctreplay.dataset.schema import TABLES
from ctreplay.replaying import default_target
from tests.capture.builders import epb, idb, shb
from tests.traffic import generate, pcap

from .program import ROOT, SAMPLES, at_a_terminal, command, environment, leftovers, rows, run

SAMPLE = SAMPLES / "dns_lost_answer.pcap"
FORBIDDEN = ("\x1b", "\x07", "\x9b", "\x85", "\u202e")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture that takes a second or two."""
    packets = sorted(generate(5, 4000), key=lambda row: row[0])
    span = packets[-1][0] - packets[0][0] + 10**9
    many = [(ts + n * span, data) for n in range(150) for ts, data in packets]
    return pcap.write(tmp_path_factory.mktemp("large") / "large.pcap", many)


@pytest.mark.parametrize("packed", ["", ".gz", ".zst", ".xz", ".bz2"])
@pytest.mark.parametrize("kind", [".pcap", ".pcapng", ".cap", ""])
def test_name_of_the_dataset(kind: str, packed: str) -> None:
    assert default_target([f"some/where{kind}{packed}"]) == Path("where.ctreplay")


def test_name_of_the_dataset_of_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x[1].pcap").touch()
    monkeypatch.chdir(tmp_path / "a" / "b")
    names = {
        "..": "a", ".": "b", "../b/": "b", "../x*.pcap": "x", "*.pcap.gz": "captures", "[ab]?.pcap": "captures",
        "../x[1].pcap": "x[1]",
    }  # fmt: skip
    assert {path: default_target([path]).name.removesuffix(".ctreplay") for path in names} == names


def test_plain_run(tmp_path: Path) -> None:
    done = run(SAMPLE, cwd=tmp_path)
    assert done.returncode == 0 and leftovers(tmp_path) == ["dns_lost_answer.ctreplay"]
    assert "\x1b" not in done.stdout + done.stderr, "no colours into a pipe"
    assert len(done.stdout.splitlines()) <= 50 and max(map(len, done.stdout.splitlines())) <= 120


@pytest.mark.parametrize("words", [["replay", SAMPLE, "-o", "x"], ["explain", SAMPLE, "1"]], ids=["replay", "explain"])
@pytest.mark.parametrize("value", [None, "", "1"])
def test_no_color(words: list[str | Path], value: str | None, tmp_path: Path) -> None:
    """On a terminal: styles, unless NO_COLOR is there and not empty."""
    ours, its = os.openpty()
    more = {} if value is None else {"NO_COLOR": value}
    process = subprocess.Popen(
        command(*words), cwd=tmp_path, env=environment() | {"TERM": "xterm"} | more, stdout=its,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(its)
    shown = b""
    with contextlib.suppress(OSError):  # its end
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0 and b"Traceback" not in shown and shown
    assert (b"\x1b[" in shown) is (not value)


def test_every_command_has_json() -> None:
    from ctreplay.cli.common import COMMANDS

    for name in COMMANDS:
        assert " --json " in run(name, "--help").stdout, name


def test_an_existing_dataset_stays(tmp_path: Path) -> None:
    assert run(SAMPLE, "-o", tmp_path / "x", "-q").returncode == 0
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "x").iterdir()}
    done = run(SAMPLE, "-o", tmp_path / "x")
    assert done.returncode == 2 and "--force" in done.stderr and not done.stdout
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "x").iterdir()} == before
    done = run(SAMPLE, "-o", tmp_path / "x", "--force", "-q")
    assert done.returncode == 0 and leftovers(tmp_path) == ["x"]
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "x").iterdir()} != before


def test_force_replaces_a_link(tmp_path: Path) -> None:
    target = tmp_path / "x"
    (tmp_path / "kept").write_text("kept")
    target.symlink_to(tmp_path / "kept")
    assert run(SAMPLE, "-o", target, "-q").returncode == 2
    assert run(SAMPLE, "-o", target, "-q", "--force").returncode == 0
    assert (target / "run.json").is_file() and (tmp_path / "kept").read_text() == "kept"
    assert leftovers(tmp_path) == ["kept", "x"]


@pytest.mark.parametrize("force", [True, False])
def test_another_replay_was_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    """It took the name when this one was about to: the last one that may replace a dataset stays, and nothing else."""
    target, other = tmp_path / "x", tmp_path / "y"
    for place in (target, other) if force else (other,):
        ctreplay.replay(SAMPLE, place)
    rename = os.rename
    calls: list[Any] = []

    def between(source: Any, place: Any) -> None:
        calls.append(place)
        # the name is free, and taken at once
        if len(calls) == 1 + force and Path(place) == target:
            rename(other, target)
        rename(source, place)

    monkeypatch.setattr(os, "rename", between)
    if force:
        ctreplay.replay(SAMPLES / "http_keepalive_reset.pcap", target, force=True)
    else:
        with pytest.raises(FileExistsError):
            ctreplay.replay(SAMPLES / "http_keepalive_reset.pcap", target)
    assert len(calls) == (4 if force else 1) and leftovers(tmp_path) == ["x"]
    run = json.loads((target / "run.json").read_text())
    assert ("keepalive" in run["inputs"][0]["path"]) is force


@pytest.mark.parametrize("what", ["file", "pipe", "folder"])
def test_force_spares_what_is_no_dataset(tmp_path: Path, what: str) -> None:
    target = tmp_path / "x"
    if what == "file":
        target.write_text("mine")
    elif what == "pipe":
        os.mkfifo(target)
    else:
        target.mkdir()
        (target / "mine").write_text("mine")
    before = target.lstat()
    done = run(SAMPLE, "-o", target, "-q", "--force")
    assert done.returncode == 2 and "no dataset; remove it yourself" in done.stderr
    assert os.path.samestat(before, target.lstat()) and leftovers(tmp_path) == ["x"]
    with pytest.raises(FileExistsError):
        ctreplay.replay(SAMPLE, target, force=True)


@pytest.mark.parametrize("what", ["itself", "its folder", "a link to it", "the folder above"])
def test_force_spares_the_captures(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    capture = folder / "a.pcap"
    capture.write_bytes(SAMPLE.read_bytes())
    target = {"itself": capture, "its folder": folder, "a link to it": capture, "the folder above": tmp_path}[what]
    given = folder if what == "its folder" else capture
    if what == "a link to it":
        given = tmp_path / "link"
        given.symlink_to(capture)
    done = run(given, "-o", target, "-q", "--force")
    assert done.returncode == 2 and "capture" in done.stderr, done.stderr
    assert capture.read_bytes() == SAMPLE.read_bytes() and leftovers(folder) == ["a.pcap"]


def test_a_file_given_twice_is_said_to_be_replayed_once(tmp_path: Path) -> None:
    again = tmp_path / "again.pcap"
    again.symlink_to(SAMPLE)
    once = run(SAMPLE, "-o", tmp_path / "x", "--json")
    done = run(SAMPLE, again, SAMPLE, "-o", tmp_path / "y", "--json")
    assert done.returncode == 0 and once.stderr == ""
    assert done.stderr == (
        f"repeated: {again}: the same file as {SAMPLE}, replayed once\n"
        f"repeated: {SAMPLE}: given more than once, replayed once\n"
    )
    first, second = (json.loads((tmp_path / name / "run.json").read_text()) for name in "xy")
    assert first["packets"] == second["packets"] and first["inputs"] == second["inputs"]
    assert [one["path"] for one in second["repeated"]] == [str(again), str(SAMPLE)] and first["repeated"] == []
    assert [note["what"] for note in json.loads(done.stdout)["trust"]].count("repeated") == 2
    shown = run("list", again, SAMPLE)
    assert shown.stdout == run("list", SAMPLE).stdout and shown.stderr.count("repeated: ") == 1


def test_captures_of_a_dataset_that_became_links_are_still_two(tmp_path: Path) -> None:
    one, two = tmp_path / "a.pcap", tmp_path / "b.pcap"
    for path in (one, two):
        path.write_bytes(SAMPLE.read_bytes())
    assert run(one, two, "-o", tmp_path / "x", "-q").returncode == 0
    before = run("stats", tmp_path / "x", "--at", "end").stdout
    two.unlink()
    two.hardlink_to(one)
    assert run("stats", tmp_path / "x", "--at", "end").stdout == before


def test_force_replaces_no_folder_that_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "kept").write_text("kept")
    done = run(SAMPLE, "-o", tmp_path / "x", "-q", "--force")
    assert done.returncode == 2 and "no dataset" in done.stderr
    assert (tmp_path / "x" / "y" / "kept").read_text() == "kept" and leftovers(tmp_path) == ["x"]


def test_force_spares_what_may_not_be_removed(tmp_path: Path) -> None:
    """Renamed aside, another user's dataset would stay under a hidden name."""
    if os.geteuid():
        pytest.skip("needs another user")
    folder = tmp_path / "anyone's"
    folder.mkdir()
    ctreplay.replay(SAMPLE, folder / "x")
    code = (
        f"import os; os.chmod({str(folder)!r}, 0o777); os.chdir({str(folder)!r}); os.setgid(65534); os.setuid(65534)\n"
        "from pathlib import Path\n"
        "from ctreplay.dataset.writer import DatasetWriter, NotReplaceable\n"
        "try: DatasetWriter(Path('x'), {}, True, 'turns').commit({})\n"
        "except NotReplaceable as exc: print(exc.what)"
    )
    words = [sys.executable, "-c", "import ctreplay.dataset.tables, pathlib, shutil, json\n" + code]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert "files you may not remove" in done.stdout, done.stderr
    assert leftovers(folder) == ["x"]


@pytest.mark.parametrize("failing", [1, 2])
def test_one_of_two_datasets_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """Whatever goes wrong while the new one takes the place of the old."""
    target = tmp_path / "x"
    ctreplay.replay(SAMPLE, target)
    before = (target / "run.json").read_bytes()
    rename, calls = os.rename, []

    def broken(source: Any, destination: Any) -> None:
        calls.append(source)
        if len(calls) == failing:
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(KeyboardInterrupt):
        ctreplay.replay(SAMPLE, target, force=True)
    assert (target / "run.json").read_bytes() == before and leftovers(tmp_path) == ["x"]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_from_outside_nothing_is_left(tmp_path: Path, large: Path, jobs: str, number: signal.Signals) -> None:
    words = command(large, "-o", tmp_path / "x", "-q", "-j", jobs)
    with subprocess.Popen(words, env=environment(), preexec_fn=at_a_terminal) as process:  # noqa: PLW1509
        while not leftovers(tmp_path) and process.poll() is None:
            time.sleep(0.001)
        # under way
        time.sleep(0.15)
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    end = time.monotonic() + 5
    while leftovers(tmp_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert not leftovers(tmp_path)


TWICE = """
import os, signal, sys, time
from ctreplay.dataset import writer
number, jobs, capture, target = sys.argv[1:]
def send(then):
    def sent(*arguments):
        os.kill(os.getpid(), int(number))
        then(*arguments)
    return sent
writer._remove = send(writer._remove)
writer.DatasetWriter.small = send(writer.DatasetWriter.small)
sys.argv[1:] = [capture, "-o", target, "-q", "-j", jobs]
for one in (signal.SIGINT, signal.SIGHUP):
    signal.signal(one, signal.SIG_DFL)
from ctreplay.__main__ import program
program()
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ended_twice_nothing_is_left(tmp_path: Path, large: Path, jobs: str, number: signal.Signals) -> None:
    """`timeout` sends its signal twice, as does who is impatient: the second one must not stop the cleaning up."""
    done = subprocess.run(
        [sys.executable, "-c", TWICE, str(int(number)), jobs, large, tmp_path / "x"], env=environment(), text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 128 + number and "Traceback" not in done.stderr, done.stderr
    assert not leftovers(tmp_path)


ENDLESS = "SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("what", ["query", "check", "diff"])
def test_other_commands_ended_from_outside(tmp_path: Path, large: Path, what: str, number: signal.Signals) -> None:
    """With the processes that work for them, and what lies in the folder for temporary files."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "ctreplay.yaml").write_text(
        f"checks:\n  - captures: {SAMPLES}/[dv]*.pcap\n    assert: [{{sql: '{ENDLESS}'}}]\n"
    )
    if what == "query":
        assert run(SAMPLE, "-q", "-o", tmp_path / "x").returncode == 0
    words = {
        "query": ["query", tmp_path / "x", "-c", ENDLESS],
        "check": ["check", "--no-cache", "--jobs", "2", tmp_path / "ctreplay.yaml"],
        "diff": ["diff", large, large],
    }
    # its output ends only when nobody is left who could write to it
    process = subprocess.Popen(
        command(*words[what]), env=environment(TMPDIR=str(temporary)), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=at_a_terminal,  # noqa: PLW1509
    )  # fmt: skip
    tasks = Path(f"/proc/{process.pid}/task")
    end = time.monotonic() + 20

    def under_way() -> bool:
        if what == "query":
            # DuckDB has its threads
            return len(leftovers(tasks)) > 1
        return len((tasks / str(process.pid) / "children").read_text().split()) == 2

    while not under_way() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1 if what != "diff" else 0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (128 + number if number != signal.SIGKILL else -number), err
    assert (out, err) == ("", "ctreplay: interrupted\n" if number == signal.SIGINT else "")
    assert number == signal.SIGKILL or not leftovers(temporary)


def test_few_descriptors(tmp_path: Path) -> None:
    """Files that overlap are held open only as far as there are descriptors for them."""
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(90):
        (folder / f"{n:03}.pcap").write_bytes(SAMPLE.read_bytes())
    limited = ["bash", "-c", 'ulimit -n 48; exec "$@"', "-", sys.executable, "-m", "ctreplay"]
    done = subprocess.run(
        [*limited, str(folder), "-o", str(tmp_path / "x"), "-q"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stderr
    found = json.loads((tmp_path / "x" / "run.json").read_text())
    alone = ctreplay.replay(SAMPLE, tmp_path / "one")
    assert not found["damage"] and found["packets"] == 90 * alone["packets"]


def test_damage_and_strict(tmp_path: Path) -> None:
    path = SAMPLES / "truncated.pcap"
    done = run(path, "-o", tmp_path / "a")
    assert done.returncode == 0 and "frame" in done.stderr and "offset" in done.stderr
    done = run(path, "-o", tmp_path / "b", "--strict", "-q")
    assert done.returncode == 3 and json.loads((tmp_path / "b" / "run.json").read_text())["complete"] is False


@pytest.mark.parametrize(
    "words", ["list", "list --at packet:99", "count", "events", "stats", "explain", "explain 1", "verify"]
)
def test_damage_is_told_of_without_a_dataset(tmp_path: Path, words: str) -> None:
    """Once, whatever else is said; of a dataset the replay that wrote it has told."""
    path = SAMPLES / "truncated.pcap"
    name, *more = words.split()
    done = run(name, path, *more, cwd=tmp_path)
    if "cannot verify on this machine" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == (2 if "packet:99" in words else 0), done.stderr
    assert done.stderr.count("damaged: ") == 1 and "frame 20, offset 3048" in done.stderr
    if name != "verify":
        assert run(path, "-o", tmp_path / "x", "-q").returncode == 0
        assert "damaged" not in run(name, tmp_path / "x", *more).stderr


def test_more_interfaces_than_can_be_told_apart(tmp_path: Path) -> None:
    """Each with a frame that is no IP, the last thousand damage: in linear time, and the screen is not full of it."""
    count = 66_500
    described = b"".join(idb(linktype=101) for _ in range(count))
    path = tmp_path / "x.pcapng"
    path.write_bytes(shb() + described + b"".join(epb(number, 0, b"\x10") for number in range(count)))
    done = run(path, "-o", tmp_path / "x")
    assert done.returncode == 0
    table = rows(tmp_path / "x" / "captures.parquet")
    assert table.num_rows == 65535 and set(table["undecodable"].to_pylist()) == {1}
    assert (tmp_path / "x" / "captures.parquet").stat().st_size < 2_000_000
    damage = json.loads((tmp_path / "x" / "run.json").read_text())["damage"]
    assert len(damage) == 1001 and json.loads(table["damage"][65534].as_py()) == json.loads(table["damage"][0].as_py())
    assert len(done.stderr.splitlines()) == 9 and "993 more places" in done.stderr
    assert "998 more places" in done.stdout and len(done.stdout.splitlines()) < 50


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"", ""), (b"hello, this is no capture at all", ""), (b"\xa1\xb2\xc3", "")],
)
def test_what_is_no_capture(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.pcap"
    if content is not None:
        path.write_bytes(content)
    done = run(path, cwd=tmp_path)
    assert done.returncode == 2 and str(path) in done.stderr and message in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout
    assert leftovers(tmp_path) == (["x.pcap"] if content is not None else [])


@pytest.mark.parametrize(
    "words",
    [
        ["--packets", "some", SAMPLE], ["--sysctl", "nf_conntrack_upd_timeout=1", SAMPLE], ["--sysctl", "x", SAMPLE],
        ["--sysctl-file", "missing", SAMPLE], ["--unknown", SAMPLE], ["replay"], ["-o"],
    ],
)  # fmt: skip
def test_usage(tmp_path: Path, words: list[str]) -> None:
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr and "Traceback" not in done.stderr
    assert leftovers(tmp_path) == []


def test_sysctls_from_file_and_command_line(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("net.netfilter.nf_conntrack_udp_timeout = 5\nnet.ipv4.ipfrag_time = 6\n")
    done = run(
        SAMPLE, "-o", tmp_path / "x", "-q", "--sysctl-file", tmp_path / "x.conf",
        "--sysctl", "net.netfilter.nf_conntrack_udp_timeout=7",
    )  # fmt: skip
    assert done.returncode == 0
    found = json.loads((tmp_path / "x" / "run.json").read_text())["sysctls_set"]
    assert found == {"nf_conntrack_udp_timeout": 7, "ipfrag_time": 6}


def test_json(tmp_path: Path) -> None:
    done = run(SAMPLE, "-o", tmp_path / "x", "--json")
    found = json.loads(done.stdout)
    assert found["packets"] == json.loads((tmp_path / "x" / "run.json").read_text())["packets"]
    assert done.returncode == 0 and done.stdout.count("\n") == 1


def test_quiet(tmp_path: Path) -> None:
    done = run(SAMPLE, "-o", tmp_path / "x", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("capture", ["small", "large"])
def test_no_numpy(tmp_path: Path, large: Path, capture: str) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('numpy was imported')")
    done = subprocess.run(
        command(SAMPLE if capture == "small" else large, "-o", tmp_path / "x", "-q"),
        env=environment(PYTHONPATH=f"{ROOT}:{tmp_path}"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_from_a_pipe(tmp_path: Path) -> None:
    data = SAMPLE.read_bytes()
    done = subprocess.run(
        command("-", "-q", "--packets", "all"), input=data, cwd=tmp_path, env=environment(), capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and leftovers(tmp_path) == ["stdin.ctreplay"]
    assert run(SAMPLE, "-q", "--packets", "all", cwd=tmp_path).returncode == 0
    one, two = (json.loads((tmp_path / name / "run.json").read_text()) for name in leftovers(tmp_path))
    assert one["rows"] == two["rows"] and one["inputs"][0]["sha256"] == two["inputs"][0]["sha256"]


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -c 1 >/dev/null', "bash", *command(SAMPLE, "-o", tmp_path / "x")],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


SAYING = [
    ["replay", "CAPTURE", "--force", "--helper", "ftp"], ["CAPTURE", "--force"], ["CAPTURE", "--force", "--json"],
    ["list", "DATASET"], ["events", "DATASET"], ["stats", "DATASET"], ["count", "DATASET"], ["explain", "DATASET"],
    ["query", "DATASET", "never_replied"], ["extract", "DATASET", "1", "-o", "-"], ["queries"], ["schema"],
    ["diff", "DATASET", "DATASET"],
]  # fmt: skip


@pytest.fixture
def saying(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line of `SAYING` with this standard output."""
    dataset = tmp_path / "x"
    assert run(SAMPLE, "-q", "-o", dataset).returncode == 0
    places = {"CAPTURE": [SAMPLE, "-o", dataset], "DATASET": [dataset]}

    def start(words: list[str], out: Any, **more: str) -> subprocess.CompletedProcess[str]:
        found = [part for word in words for part in places.get(word, [word])]
        return subprocess.run(
            command(*found), env=environment(**more), stdout=out, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    return start


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", SAYING, ids=" ".join)
def test_nobody_reads(saying: Callable[..., Any], words: list[str], unbuffered: str) -> None:
    """That is no failure, but what was only begun to be compared has not been found equal."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as nobody:
        done = saying(words, nobody, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == (1 if unbuffered and words[0] == "diff" else 0)
    assert "Exception" not in done.stderr and "rror" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", SAYING, ids=" ".join)
def test_output_to_a_full_disk(saying: Callable[..., Any], words: list[str], unbuffered: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "w") as full:
        done = saying(words, full, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 2
    assert "Exception" not in done.stderr and done.stderr.count("No space left on device") == 1
    assert "standard output" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("full", [False, True])
def test_messages_that_cannot_be_written(tmp_path: Path, full: bool, unbuffered: str) -> None:
    """Results and exit codes are the same as where somebody reads the messages."""
    if full and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    damaged = SAMPLES / "truncated.pcap"
    assert run(damaged, "-q", "-o", tmp_path / "x").returncode == 0
    for words in (
        [damaged, "-o", tmp_path / "y", "--force", "--strict"], ["list", tmp_path / "x"],
        ["diff", tmp_path / "x", SAMPLES / "vlan.pcap"], ["list", "nothing"], ["list"],
    ):  # fmt: skip
        read = run(*words, env={"PYTHONUNBUFFERED": unbuffered})
        reading, writing = os.pipe()
        os.close(reading)
        with open("/dev/full", "w") if full else os.fdopen(writing) as lost:
            done = subprocess.run(
                command(*words), env=environment(PYTHONUNBUFFERED=unbuffered), stdout=subprocess.PIPE, stderr=lost,
                text=True, timeout=60, check=False,
            )  # fmt: skip
        assert read.stderr, words
        assert (done.returncode, bool(done.stdout)) == (read.returncode, bool(read.stdout)), words


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_other_encodings(saying: Callable[..., Any], tmp_path: Path, encoding: str) -> None:
    """Lines, arrows and dots that a terminal lacks become what looks like them."""
    for words in [*SAYING, ["explain", "DATASET", "1"], ["query", "DATASET", "top_holders_at"], ["--help"]]:
        with (tmp_path / "out").open("wb") as out:
            done = saying(words, out, PYTHONIOENCODING=encoding)
        assert (done.returncode, "rror" in done.stderr) == (0, False), words
        if words[0] != "extract":
            text = (tmp_path / "out").read_text(encoding)
            assert "\\u" not in text and (text.isascii() or encoding != "ascii"), words


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]], ids=str)
def test_closed_streams(tmp_path: Path, large: Path, closed: list[int]) -> None:
    """What is opened instead of them is not written to."""
    code = f"import os, sys; [os.close(n) for n in {closed}]; os.execv(sys.argv[1], sys.argv[1:])"
    for capture, name in ((SAMPLE, "small"), (large, "large")):
        words = command(capture, "-o", tmp_path / name)
        done = subprocess.run([sys.executable, "-c", code, *words], env=environment(), timeout=60, check=False)
        assert done.returncode == 0
        expected = tmp_path / f"{name} open"
        assert run(capture, "-q", "-o", expected).returncode == 0
        for table in TABLES:
            if table != "captures":
                assert rows(tmp_path / name / f"{table}.parquet") == rows(expected / f"{table}.parquet")


HOSTILE = [
    "new\nline.pcap", "esc\x1b[31mred\x1b[0m.pcap", "quo'te\"s.pcap", "[bold red]markup[bold].pcap", "bell\x07.pcap",
    "back\\slash.pcap", "csi\x9b2J.pcap", "right\u202eto-left.pcap", "percent %s {x}.pcap", "semi;colon $(x).pcap",
]  # fmt: skip


SAID_AFTERWARDS = """
import os, sys
from ctreplay.__main__ import _open_closed
from ctreplay.cli.common import named_stdout, unfailing_stderr
_open_closed()
named_stdout()
unfailing_stderr()
files = [os.open(sys.argv[1] + str(n), os.O_CREAT | os.O_WRONLY) for n in range(5)]
print("result", flush=True)
print("message", file=sys.stderr, flush=True)
"""


def test_messages_to_closed_streams_go_nowhere(tmp_path: Path) -> None:
    """No file that is opened later has their number."""
    code = "import os, sys; os.close(1); os.close(2); os.execv(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", code, sys.executable, "-c", SAID_AFTERWARDS, str(tmp_path / "file")]
    done = subprocess.run(words, env=environment(), timeout=60, check=False)
    assert done.returncode == 0 and [one.read_bytes() for one in sorted(tmp_path.iterdir())] == [b""] * 5


def harmless(shown: str, colour: bool = False) -> None:
    assert "Traceback" not in shown
    for bad in FORBIDDEN[1:] if colour else FORBIDDEN:
        assert bad not in shown, ascii(bad)
    assert "\x1b[31mred" not in shown
    assert "new\nline" not in shown


@pytest.mark.parametrize("colour", [False, True])
def test_hostile_names(tmp_path: Path, colour: bool) -> None:
    for name in HOSTILE:
        (tmp_path / name).write_bytes((SAMPLES / "truncated.pcap").read_bytes())
    paths = [tmp_path / name for name in HOSTILE]
    env = {"FORCE_COLOR": "1", "TERM": "xterm"} if colour else {"NO_COLOR": "1", "TERM": "xterm"}
    done = run(*paths, cwd=tmp_path, env=env)
    assert done.returncode == 0 and (tmp_path / "new\nline.ctreplay").is_dir()
    harmless(done.stdout + done.stderr, colour)
    assert "markup[bold]" in done.stderr and "new\\nline" in done.stderr
    done = run(*paths, cwd=tmp_path, env=env)
    assert done.returncode == 2, "the dataset is there"
    harmless(done.stdout + done.stderr, colour)
    found = json.loads(run(*paths, "--json", "--force", cwd=tmp_path, env=env).stdout)
    assert found["inputs"] == [str(path) for path in paths]


@pytest.mark.parametrize("name", [HOSTILE[0], HOSTILE[1], HOSTILE[6]], ids=lambda name: ascii(name))  # noqa: PLW0108
def test_hostile_names_that_are_missing(tmp_path: Path, name: str) -> None:
    done = run(tmp_path / "no" / name)
    assert done.returncode == 2
    harmless(done.stdout + done.stderr)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/not\xff\xfeutf8.pcap"
    Path(os.fsdecode(path)).write_bytes(SAMPLE.read_bytes())

    def run_bytes(words: list[Any], folder: Path) -> subprocess.CompletedProcess[bytes]:
        line = [*map(os.fsencode, command()), *map(os.fsencode, words)]
        return subprocess.run(line, cwd=folder, env=environment(), capture_output=True, timeout=60, check=False)

    for options in ([], ["--json", "--force"]):
        done = run_bytes([path, *options], tmp_path)
        assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
        done.stdout.decode("utf-8")
    (folder,) = (p for p in tmp_path.iterdir() if p.is_dir())
    json.loads((folder / "run.json").read_text(encoding="utf-8"))
    # and it is found again
    for words in (["list", folder, "--at", "packet:5"], ["explain", folder, "--packet", "5"]):
        assert b"udp" in run_bytes(words, tmp_path).stdout


def interrupted(tmp_path: Path, large: Path, which: signal.Signals) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command(large, "-o", tmp_path / "out", "--packets", "all"), env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=at_a_terminal,  # noqa: PLW1509
    )  # fmt: skip
    deadline = time.monotonic() + 20
    # it writes: the temporary folder is there and grows
    while time.monotonic() < deadline and process.poll() is None:
        written = sum(p.stat().st_size for folder in tmp_path.glob(".out.*.partial") for p in folder.iterdir())
        if written > 100_000:
            break
        time.sleep(0.005)
    process.send_signal(which)
    return process


def test_interrupted(tmp_path: Path, large: Path) -> None:
    process = interrupted(tmp_path, large, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "interrupted" in err and "discarded" in err and "Traceback" not in err and not out
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("words", ["lsit x", "lsit x --at +1s", "explian", "querys --json", "chek -q"])
def test_a_command_that_is_misspelt(tmp_path: Path, words: str) -> None:
    """Also with options of the command that was meant; a capture of that name is replayed."""
    name = words.split(maxsplit=1)[0]
    done = run(*words.split(), cwd=tmp_path)
    assert done.returncode == 2 and f"{name}: neither a command nor a capture; did you mean" in done.stderr
    (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    assert run(name, "-q", cwd=tmp_path).returncode == 0
    # neither a file far from every command nor a wrong option is a misspelt command
    assert "does not exist" in run("capture.pcap", cwd=tmp_path).stderr
    assert "nope" in run(SAMPLE, "--helper", "nope", cwd=tmp_path).stderr


def test_a_dataset_in_the_place_of_a_capture(tmp_path: Path) -> None:
    assert run(SAMPLE, "-q", "-o", tmp_path / "x").returncode == 0
    done = run(tmp_path / "x", cwd=tmp_path)
    assert done.returncode == 2 and "a dataset, no capture; `ctreplay explain`" in done.stderr


AT_THE_START = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Finder:
    def find_spec(self, name, *rest):
        if name == "ctreplay.cli.common":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from ctreplay.__main__ import program
program()
"""


def test_interrupted_at_the_start() -> None:
    """Before there is anything to say or to clean up the signal ends it, which a shell shows as 130."""
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_START, "queries"], env=environment(), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_interrupted_in_sql(tmp_path: Path) -> None:
    """DuckDB makes an error of its own of it."""
    (tmp_path / "ctreplay.yaml").write_text(
        f"checks:\n  - captures: {SAMPLE}\n    assert: [{{expect: {{invalid_packets: 0}}}}, {{sql: '{ENDLESS}'}}]\n"
    )
    process = subprocess.Popen(
        command("check", "--no-cache"), cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=at_a_terminal,  # noqa: PLW1509
    )  # fmt: skip
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "ctreplay: interrupted\n")


def test_killed(tmp_path: Path, large: Path) -> None:
    process = interrupted(tmp_path, large, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert all(name.startswith(".out.") and name.endswith(".partial") for name in leftovers(tmp_path))
    for folder in tmp_path.glob(".out.*"):
        assert not (folder / "run.json").exists()
    done = run(SAMPLE, "-o", tmp_path / "out", "-q")
    assert done.returncode == 0, "what a killed run left is no obstacle"


@pytest.mark.parametrize("limit", [100, 5_000, 200_000])
def test_no_room_left(tmp_path: Path, large: Path, limit: int) -> None:
    """A file size limit stands for a full disk: the write fails, the message says so, nothing is left."""

    def restrict() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        command(large, "-o", tmp_path / "out", "--packets", "all"), env=environment(), capture_output=True, text=True,
        timeout=60, preexec_fn=restrict, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and "too large" in done.stderr and "no dataset was written" in done.stderr
    assert leftovers(tmp_path) == []


def test_a_full_disk(tmp_path: Path, large: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        done = run(large, "-o", mount / "out", "--packets", "all")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr and "No space left on device" in done.stderr
        assert leftovers(mount) == []
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.parametrize("place", ["/proc/out", "{tmp}/file/out"])
def test_no_place_for_a_dataset(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    done = run(SAMPLE, "-o", place.format(tmp=tmp_path))
    assert done.returncode == 2 and done.stderr.startswith("ctreplay: ") and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["replay", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['ctreplay', *sys.argv[1:]]\n"
        "from ctreplay.cli import main\n"
        "try:\n    main()\nexcept SystemExit as exc:\n    assert not exc.code\n"
        "heavy = {'pyarrow', 'duckdb', 'rich', 'dpkt', 'numpy', 'backports.zstd', 'pyroute2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ctreplay" in done.stdout


def test_version() -> None:
    done = run("--version")
    assert (done.returncode == 0 and "6.18" in done.stdout and "compiled" in done.stdout) or "pure" in done.stdout


def test_a_capture_that_grows_is_replayed_as_far_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the triage and run.json say so."""
    from ctreplay import replaying

    capture = tmp_path / "a.pcap"
    data = SAMPLE.read_bytes()
    capture.write_bytes(data)
    wired = replaying.stats_rows

    def grown(*given: Any) -> Any:
        capture.write_bytes(data + data[24:])
        return wired(*given)

    monkeypatch.setattr(replaying, "stats_rows", grown)
    found = ctreplay.replay(capture, tmp_path / "x")
    assert found["inputs"][0]["size"] == len(data) and found["complete"]
    assert found["inputs"][0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert [(one["path"], f"first {len(data):,} bytes" in one["why"]) for one in found["skipped"]] == [
        (str(capture), True)
    ]


@pytest.mark.parametrize(
    ("captures", "options", "error", "message"),
    [
        ([], {"output": None}, CaptureError, "no captures given"),
        (["-"], {}, CaptureError, "-: there is no standard input"),
        (["nowhere.pcap"], {}, CaptureError, "nowhere.pcap: does not exist"),
        ([SAMPLE], {"packets": "some"}, ValueError, "not 'some'"),
        ([SAMPLE], {"helpers": "zzz"}, ValueError, "unknown helper 'zzz'"),
        ([SAMPLE], {"sysctls": {"nope": 1}}, ValueError, "unknown sysctl 'nope'"),
        ([SAMPLE], {"output": "there"}, FileExistsError, "force.*'there'"),
        ([SAMPLE], {"output": "other", "force": True}, FileExistsError, "no dataset.*'other'"),
    ],
)
@pytest.mark.parametrize("stdin", ["closed", "none"])
def test_errors_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdin: str, captures: Any, options: Any, error: Any, message: str
) -> None:
    """Each is an exception that says what is wrong of what, and leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").write_text("kept")
    closed = open(os.devnull)  # noqa: SIM115 - it is closed at once
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed if stdin == "closed" else None)
    with pytest.raises(error, match=message):
        ctreplay.replay(captures, **{"output": "x"} | options)
    assert leftovers(tmp_path) == ["other", "there"]


def test_one_helper_from_python(tmp_path: Path) -> None:
    found = [
        ctreplay.replay(SAMPLE, tmp_path / "x", helpers=given, force=True)["helpers"] for given in ("ftp", ["ftp"])
    ]
    assert found[0] == found[1] != []


def test_the_current_folder_may_change_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another thread may do."""
    from ctreplay import replaying

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    counters = replaying.stats_rows

    def moving(*given: Any) -> Any:
        os.chdir(tmp_path / "elsewhere")
        return counters(*given)

    monkeypatch.setattr(replaying, "stats_rows", moving)
    ctreplay.replay(SAMPLE, "x")
    assert leftovers(tmp_path) == ["elsewhere", "x"] and leftovers(tmp_path / "elsewhere") == []


def live(tmp_path: Path, *words: Any, data: bytes) -> subprocess.Popen[bytes]:
    """A command that has read most of these bytes from its standard input, and then was interrupted."""
    process = subprocess.Popen(
        command(*words), cwd=tmp_path, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=at_a_terminal,  # noqa: PLW1509
    )  # fmt: skip
    assert process.stdin and process.stderr and len(data) > 1 << 18, "more than a pipe holds"
    process.stdin.write(data)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith(b"ctreplay: reading on until the pipe ends")
    return process


@pytest.mark.parametrize("words", [["-", "-q"], ["explain", "-", "1"]], ids=["replay", "explain"])
def test_a_live_capture_is_ended(words: list[str], tmp_path: Path, large: Path) -> None:
    """Who writes the pipe has Ctrl-C too, and what it then still writes belongs to the capture."""
    data = large.read_bytes()
    process = live(tmp_path, *words, data=data[: len(data) // 2])
    out, err = process.communicate(data[len(data) // 2 :], timeout=60)
    assert (process.returncode, err) == (0, b"")
    if words[0] == "-":
        run = json.loads((tmp_path / "stdin.ctreplay" / "run.json").read_text(encoding="utf-8"))
        assert run["complete"] and run["inputs"][0]["sha256"] == hashlib.sha256(data).hexdigest()
    else:
        assert out


def test_a_live_capture_is_discarded(tmp_path: Path, large: Path) -> None:
    process = live(tmp_path, "-", data=large.read_bytes()[: 1 << 20])
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == b"" and b"interrupted: " in err and b"discarded" in err
    assert leftovers(tmp_path) == []


def test_only_a_pipe_is_live() -> None:
    """Nobody else would end a file at the standard input."""
    code = "from ctreplay.cli.live import LiveInput, standard_input; print(isinstance(standard_input(), LiveInput))"
    with SAMPLE.open("rb") as file:
        for stdin, live in ((file, False), (subprocess.PIPE, True)):
            words = [sys.executable, "-c", code]
            done = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, env=environment())
            assert done.communicate()[0] == f"{live}\n".encode()
