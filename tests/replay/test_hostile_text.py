"""Names that are made to be obeyed: whatever the command and form, what is printed is text and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .program import SAMPLES, command, environment

# CSI of 8 bits, DEL, another direction of writing, a line separator, bytes that are no UTF-8
NAME = b"a\xc2\x9b31m\x7f\xe2\x80\xae\xe2\x80\xa8\xff.pcap"
# the locale that does not write bytes back as they came
LOCALE = {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8:strict"}


def called(folder: Path, *words: str | bytes | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*map(os.fsdecode, words)), cwd=folder, env=environment() | LOCALE,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip


def shown(done: subprocess.CompletedProcess[bytes]) -> str:
    """What stdout says, when all of it is printable."""
    for stream in (done.stdout, done.stderr):
        lines = stream.decode("utf-8").replace("\t", " ").split("\n")
        assert all(map(str.isprintable, lines)), lines
    assert b"internal error" not in done.stderr, done.stderr
    return done.stdout.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SAMPLES / "http_keepalive_reset.pcap", os.path.join(os.fsencode(tmp_path), NAME))
    return tmp_path


def test_json_is_printable_and_utf8(folder: Path) -> None:
    """Half a surrogate pair, which stands for such a byte in Python, is no JSON to other readers."""
    (folder / "ctreplay.yaml").write_text("checks:\n- captures: a*.pcap\n  assert:\n  - expect: {connections: 0}\n")
    plain = called(folder, SAMPLES / "http_keepalive_reset.pcap", "-o", "plain.ctreplay", "-q")
    assert plain.returncode == 0
    for words in (
        (NAME, "--json", "-o", NAME + b".ctreplay"),
        ("check", "--json"),
        ("check", "--list", "--json"),
        ("diff", "plain.ctreplay", NAME, "--json"),
        ("extract", "plain.ctreplay", "1", "-o", NAME + b".pcapng", "--json"),
    ):
        text = shown(called(folder, *words))
        json.loads(text)
        assert r"a\u009b31m\u007f\u202e\u2028\\xff" in text, words


def test_a_name_begins_no_line_of_a_message(folder: Path) -> None:
    """A workflow command is a line of its own, wherever a CI finds it."""
    name = "x\n::error::y"
    for words in (("list", name), ("diff", name, name), ("check", name), ("extract", name, "1", "-o", "x.pcap")):
        done = called(folder, *words)
        assert done.returncode == 2 and not shown(done)
        assert rb"x\n::error::y" in done.stderr and done.stderr.count(b"\n") == 1, done.stderr


def test_a_dataset_whose_path_looks_like_a_pattern(folder: Path) -> None:
    """DuckDB takes * ? [ in a name for many files: here those of another replay, with other connections."""
    called(folder, SAMPLES / "dns_lost_answer.pcap", "-o", "other.ctreplay", "-q")
    shutil.copy(SAMPLES / "http_keepalive_reset.pcap", folder / "web.pcap")
    (folder / "ctreplay.yaml").write_text("checks:\n- captures: web.pcap\n  assert:\n  - expect: {connections: 4}\n")
    for name in ("*.ctreplay", "o?her.ctreplay", "[o]ther.ctreplay", "**", r"back\sl*sh"):
        assert called(folder, "web.pcap", "-o", name, "-q").returncode == 0
        done = called(folder, "query", name, "-c", "SELECT count(*) AS n FROM connections", "--format", "csv")
        assert shown(done) == "n\n4\n", done.stderr
        done = called(folder, "diff", name, "web.pcap")
        assert done.returncode == 0 and shown(done).startswith("identical: 4 connections"), done.stdout
        done = called(folder, "check", "--cache", name + "/cache")
        assert done.returncode == 0, done.stdout + done.stderr
        shutil.rmtree(folder / name)


def test_a_dataset_whose_path_is_no_text(folder: Path) -> None:
    """The captures can be replayed again; tables cannot be read, and every command that reads them says so."""
    name = NAME + b".ctreplay"
    assert called(folder, NAME, "-o", name, "-q").returncode == 0
    for words in (("list", name), ("explain", name, "1")):
        done = called(folder, *words)
        assert done.returncode == 0 and shown(done), done.stderr
    for words in (("events", name), ("stats", name), ("query", name, "-c", "FROM runs"), ("diff", name, NAME),
                  ("diff", NAME, name)):  # fmt: skip
        done = called(folder, *words)
        assert done.returncode == 2 and not shown(done) and b"rename the folder" in done.stderr, (words, done.stderr)


def test_a_filter_that_is_no_text(folder: Path) -> None:
    for option in ("-p", "--dport"):
        done = called(folder, "list", NAME, option, b"\xff")
        assert done.returncode == 2 and not shown(done) and option.encode() in done.stderr, done.stderr


TEXT = "x\x1b[31m\n::error::y]]>\u202e\x9b\x00<b>&|"


@pytest.mark.parametrize(
    "table, columns",
    [
        ("connections", ("orig_src", "orig_dst", "reply_src", "reply_dst", "helper", "end_reason", "community_id")),
        ("transitions", ("reason", "new_state")),
        ("stats", ("name", "description", "severity")),
        ("captures", ("path", "interface_name", "linktype_name")),
    ],
)
def test_a_dataset_that_somebody_else_wrote(folder: Path, table: str, columns: tuple[str, ...]) -> None:
    """Texts in its tables are shown as text in every form, and XML stays well-formed."""
    assert called(folder, SAMPLES / "http_keepalive_reset.pcap", "-o", "good.ctreplay", "-q").returncode == 0
    shutil.copytree(folder / "good.ctreplay", folder / "evil.ctreplay")
    path = folder / "evil.ctreplay" / f"{table}.parquet"
    found = pq.read_table(path)
    for name in columns:
        found = found.set_column(found.schema.get_field_index(name), name, pa.array([TEXT] * len(found), pa.string()))
    pq.write_table(found, path)
    (folder / "ctreplay.yaml").write_text(f"checks:\n- assert:\n  - sql: SELECT {', '.join(columns)} FROM {table}\n")
    for words in (
        ("events", "evil.ctreplay"), ("events", "evil.ctreplay", "-o", "save"), ("events", "evil.ctreplay", "--json"),
        ("stats", "evil.ctreplay", "--all"), ("stats", "evil.ctreplay", "--json"),
        ("diff", "good.ctreplay", "evil.ctreplay", "--junit", "diff.xml"),
        ("diff", "good.ctreplay", "evil.ctreplay", "--json"),
        ("query", "evil.ctreplay", "-c", f"SELECT {', '.join(columns)} FROM {table}", "--format", "markdown"),
        ("check", "evil.ctreplay", "ctreplay.yaml", "--junit", "check.xml", "--github"),
        ("extract", "evil.ctreplay", "1", "-o", "x.pcapng", "--force"),
    ):  # fmt: skip
        shown(called(folder, *words))
    for name in ("diff.xml", "check.xml"):
        ElementTree.parse(folder / name)
    root = ElementTree.fromstring(shown(called(folder, "events", "evil.ctreplay", "-o", "xml")))
    assert len(root.findall("flow")) > 4


def test_a_first_check_file_for_such_a_name(folder: Path) -> None:
    """Every name of a file can stand in YAML, as long as it is text."""
    for number, name in enumerate((NAME.replace(b"\xff", "\U000e0001💥\x85\xa0\ufeff".encode()), NAME)):
        shutil.copy(SAMPLES / "http_keepalive_reset.pcap", os.path.join(os.fsencode(folder), name))
        init = called(folder, "check", "--init", name, "-o", f"{number}.yaml")
        shown(init)
        if name == NAME:
            assert init.returncode == 2 and b"rename the capture" in init.stderr
        else:
            done = called(folder, "check", f"{number}.yaml")
            assert init.returncode == done.returncode == 0 and shown(done), init.stderr + done.stderr


def test_a_run_json_with_half_a_character(folder: Path) -> None:
    assert called(folder, SAMPLES / "http_keepalive_reset.pcap", "-o", "run.ctreplay", "-q").returncode == 0
    path = folder / "run.ctreplay" / "run.json"
    whole = json.loads(path.read_text())
    for half, code in (("\U0001f600", 0), ("\ud800", 2)):
        path.write_text(json.dumps(whole | {"sysctls": whole["sysctls"] | {half: 1}}))
        for words in (("query", "run.ctreplay", "-c", "FROM sysctls"), ("extract", "run.ctreplay", "1", "-o", "-")):
            done = called(folder, *words)
            assert done.returncode == code, done.stderr
            assert code == 0 or b"run.json cannot be read" in done.stderr
