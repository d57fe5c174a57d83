"""Check files: what is wrong in them is said with file, line and what to write instead; the JSON schema agrees."""

# ruff: noqa: E501 - a line a case

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import ctreplay
from ctreplay import reasons
from ctreplay.check.expect import COUNTERS, is_counter
from ctreplay.check.load import load
from ctreplay.check.nodes import CheckFileError
from ctreplay.check.replays import Cache
from ctreplay.check.tables import compare
from ctreplay.check.testing import replay
from ctreplay.dataset import LEVELS
from ctreplay.sql.library import QueryError
from tests.check import captures as c

ROOT = Path(__file__).parents[2]
HEAD = "checks:\n  - captures: base.pcap\n    assert:\n"

# text, line of the error, words of its message; `!` where the schema cannot know
BROKEN: dict[str, tuple[str, int | None, str]] = {
    "empty": ("", None, "empty"),
    "only a comment": ("# nothing\n", None, "empty"),
    "a list": ("- a\n", 1, "has to be a mapping"),
    "a word": ("hello\n", 1, "has to be a mapping"),
    "no checks": ("sysctls: {}\n", 1, "`checks:` is missing"),
    "checks empty": ("checks: []\n", 1, "list of"),
    "checks is a mapping": ("checks:\n  captures: a\n", 1, "has to be a list"),
    "misspelled key": ("check:\n  - captures: a\n", 1, "did you mean 'checks'"),
    "misspelled item key": ("checks:\n  - capture: a.pcap\n    assert: []\n", 2, "did you mean 'captures'"),
    "no assert": ("checks:\n  - captures: a.pcap\n", 2, "`assert:` is missing"),
    "assert empty": ("checks:\n  - captures: a.pcap\n    assert: []\n", 3, "list of"),
    "assertion without a kind": (HEAD + "      - name: x\n", 4, "has none of"),
    "two kinds": (HEAD + "      - sql: SELECT 1\n        expect: {idle_cut: 0}\n", 4, "more than one of"),
    "misspelled form": (HEAD + "      - expect: {invalid_packet: 0}\n", 4, "did you mean 'invalid_packets'"),
    "two forms": (HEAD + "      - expect: {invalid_packets: 0, idle_cut: 0}\n", 4, "it takes one of"),
    "form as text": (HEAD + "      - expect: no invalid packets\n", 4, "has to be a mapping"),
    "bad count": (HEAD + "      - expect: {connections: many}\n", 4, "'>= 3'"),
    "negative count": (HEAD + "      - expect: {connections: -1}\n", 4, "number or a comparison"),
    "a count without end": (HEAD + f"      - expect: {{connections: '{'9' * 5000}'}}\n", 4, "number or a comparison!"),
    "true as a count": (HEAD + "      - expect: {connections: true}\n", 4, "not true"),
    "modifier that does not go with it": (HEAD + "      - expect: {peak_entries: 3, where: 'x'}\n", 4, "does not go with"),
    "counter without is": (HEAD + "      - expect: {counter: drop}\n", 4, "needs an `is:`"),
    "misspelled counter": (HEAD + "      - expect: {counter: erly_drop, is: 0}\n", 4, "did you mean 'early_drop'"),
    "no counter": (HEAD + "      - expect: {counter: x, is: 0}\n", 4, "or `reason.NAME`"),
    "misspelled reason": (HEAD + "      - expect: {counter: reason.tcp_chksum, is: 0}\n", 4, "did you mean 'reason.tcp_checksum'!"),
    "a reason without its prefix": (HEAD + "      - expect: {counter: tcp_checksum, is: 0}\n", 4, "did you mean 'reason.tcp_checksum'"),
    "no counter of an EtherType": (HEAD + "      - expect: {counter: reason.ethertype 0x88CC0, is: 0}\n", 4, "has no counter!"),
    "empty where": (HEAD + "      - expect: {connections: 3, where: ''}\n", 4, "has to be a text"),
    "empty sql": (HEAD + "      - sql: ''\n", 4, "has to be a text"),
    "sql is a number": (HEAD + "      - sql: 3\n", 4, "not a number"),
    "unknown query": (HEAD + "      - query: invalid_by_reasons\n", 4, "invalid_by_reason!"),
    "unknown parameter": (HEAD + "      - query: invalid_by_reason\n        parameters: {nope: 1}\n", 5, "no parameter nope!"),
    "parameters with sql": (HEAD + "      - sql: SELECT 1\n        parameters: {a: 1}\n", 5, "only with `query`"),
    "equals with expect": (HEAD + "      - expect: {idle_cut: 0}\n        equals: |\n          a\n", 5, "does not go with"),
    "both tables": (HEAD + "      - sql: SELECT 1\n        equals: |\n          a\n        equals_file: x.csv\n", 7, "exclude each other"),
    "a file where a table goes": (HEAD + "      - sql: SELECT 1\n        equals: x.csv\n", 5, "write `equals_file`!"),
    "rows of different keys": (HEAD + "      - sql: SELECT 1\n        equals:\n          - {a: 1}\n          - {b: 1}\n", 7, "this row has!"),
    "ragged CSV": (HEAD + "      - sql: SELECT 1\n        equals: |\n          a,b\n          1\n", 5, "row 1 has 1 values!"),
    "ordered without a table": (HEAD + "      - sql: SELECT 1\n        ordered: true\n", 5, "needs `equals`"),
    "ordered maybe": (HEAD + "      - sql: SELECT 1\n        ordered: maybe\n        equals: |\n          a\n", 5, "true or false"),
    "same name twice": (HEAD + "      - {name: a, sql: SELECT 1}\n      - {name: a, sql: SELECT 2}\n", 5, "line 4!"),
    "unknown sysctl": ("checks:\n  - captures: a\n    sysctls:\n      nf_conntrack_tcp_lose: 0\n    assert: [{sql: x}]\n", 4, "nf_conntrack_tcp_loose!"),
    "sysctl value": ("checks:\n  - captures: a\n    sysctls: {nf_conntrack_max: lots}\n    assert: [{sql: x}]\n", 3, "whole number"),
    "sysctl list": ("checks:\n  - captures: a\n    sysctls: [nf_conntrack_max=3]\n    assert: [{sql: x}]\n", 3, "mapping of names"),
    "packets level": ("packets: most\nchecks:\n  - captures: a\n    assert: [{sql: x}]\n", 1, "`notable`"),
    "merge": ("checks:\n  - captures: a\n    merge: 1\n    assert: [{sql: x}]\n", 3, "true or false"),
    "captures is a number": ("checks:\n  - captures: 3\n    assert: [{sql: x}]\n", 2, "has to be a text"),
    "captures is an empty list": ("checks:\n  - captures: []\n    assert: [{sql: x}]\n", 2, "empty list"),
    "helper": ("checks:\n  - captures: a\n    helpers: [fpt]\n    assert: [{sql: x}]\n", 3, "ftp!"),
}  # fmt: skip
NO_YAML: dict[str, tuple[bytes, int | None, str]] = {
    "tab": (b"checks:\n\t- captures: a\n", 2, "tab"),
    "unclosed bracket": (b"checks: [\n", None, "not valid YAML"),
    "unclosed quote": (b"checks:\n  - captures: 'a\n", None, "not valid YAML"),
    "colon in a text": (b"checks:\n  - captures: a: b\n", 2, "quotes"),
    "indentation": (b"checks:\n  - captures: a\n   assert: []\n", 3, "indentation"),
    "key twice": (b"checks: []\nchecks: []\n", 2, "a second time"),
    "a tag": (b"checks: !!python/object/apply:os.system [true]\n", 1, "tag"),
    "an alias to itself": (b"checks: &a [*a]\n", 1, "contains itself"),
    "unknown alias": (b"checks: *a\n", 1, "not valid YAML"),
    "two documents": (b"checks: []\n---\nchecks: []\n", None, "not valid YAML"),
    "Latin-1": (b"checks:\n  - captures: caf\xe9\n", 2, "UTF-8"),
    "NUL": (b"checks:\n  - captures: a\0b\n", None, "not valid YAML"),
    "a capture": (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(100), None, "UTF-8"),
    "deep": (b"checks: " + b"[" * 5000, None, ""),
    "complex key": (b"checks:\n  ? [a]\n  : b\n", 2, "plain text"),
    "billion laughs": (
        b"a: &a [x, x]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(20)),
        1,
        "no 'a'",
    ),
}  # fmt: skip


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "ctreplay.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def schema() -> Any:
    return json.loads((ROOT / "ctreplay" / "check" / "schema.json").read_text())


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name, tmp_path):
    text, line, words = BROKEN[name]
    with pytest.raises(CheckFileError) as error:
        load(written(tmp_path, text), "ctreplay.yaml")
    assert words.rstrip("!") in error.value.message
    assert error.value.line == line
    assert str(error.value).startswith("ctreplay.yaml:" if line is None else f"ctreplay.yaml:{line}: ")
    if not words.endswith("!"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(text), schema())


@pytest.mark.parametrize("name", NO_YAML)
def test_not_yaml(name, tmp_path):
    text, line, words = NO_YAML[name]
    with pytest.raises(CheckFileError) as error:
        load(written(tmp_path, text), "ctreplay.yaml")
    assert words in error.value.message
    if line is not None:
        assert error.value.line == line


def test_errors_leave_by_the_command_line(run, tmp_path):
    written(tmp_path, "checks:\n  - captures: 'gone*.pcap'\n    assert: [{sql: SELECT 1}]\n")
    done = run("check")
    assert done.returncode == 2
    assert done.stderr.startswith("ctreplay: ctreplay.yaml:2: captures: no file matches 'gone*.pcap'")
    assert run("check", "nowhere.yaml").returncode == 2
    (tmp_path / "empty").mkdir()
    done = run("check", "empty")
    assert done.returncode == 2
    assert "--init" in done.stderr
    c.pcap(tmp_path / "x.pcap", c.talk())
    assert "--init x.pcap" in run("check", "x.pcap").stderr
    done = run("check", "--github")
    assert done.stdout.startswith("::error file=ctreplay.yaml,line=2,title=check file::captures")


def test_what_the_schema_accepts_loads(tmp_path):
    path = ROOT / "sample_pcaps" / "ctreplay.yaml"
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())
    assert len(load(path).groups) > 10


def test_schema_is_printed(run):
    assert json.loads(run("check", "--schema").stdout) == schema()


def test_forms_are_in_the_schema_with_their_words():
    from ctreplay.check.expect import FORMS

    known = {
        next(iter(one["required"])): one
        for one in schema()["$defs"].values()
        if "required" in one and one.get("additionalProperties") is False and "properties" in one
    }
    for name, form in FORMS.items():
        assert set(known[name]["properties"]) == {name, *form.modifiers}, name


def test_counters_are_those_of_stats(tmp_path):
    ctreplay.replay(c.pcap(tmp_path / "one.pcap", c.talk()), tmp_path / "one.ctreplay")
    rows = ctreplay.open_dataset(tmp_path / "one.ctreplay").sql("SELECT name FROM stats").fetchall()
    fixed = [name for (name,) in rows if not name.startswith("reason.")]
    assert list(COUNTERS) == fixed == schema()["$defs"]["counter_name"]["anyOf"][0]["enum"]
    assert all(is_counter(name) for (name,) in rows)


def test_the_fixture_knows_the_counters_too(tmp_path):
    capture = c.pcap(tmp_path / "one.pcap", c.with_stray(c.talk()))
    with closing(replay(capture, folder=tmp_path, cache=Cache(tmp_path / "cache"), keep=True)) as run:
        assert run.counter("reason.tcp_seq_over_upper_bound") == 1
        assert run.counter("reason.tcp_checksum") == run.counter("early_drop") == 0
        with pytest.raises(ValueError, match="no counter 'erly_drop'"):
            run.counter("erly_drop")


def test_packets_that_were_not_kept_are_no_answer(tmp_path):
    """Nothing found among packets that were not kept shows nothing."""
    capture = ROOT / "sample_pcaps" / "retransmissions.pcap"
    for level in LEVELS:
        with closing(
            replay(capture, folder=tmp_path, cache=Cache(tmp_path / "cache"), keep=True, packets=level)
        ) as run:
            if level == "all":
                assert run.query("retrans_heavy")
            else:
                with pytest.raises(QueryError, match="every packet"):
                    run.query("retrans_heavy")
            with pytest.raises(QueryError, match="compares replays"):
                run.query("compare_runs")
            if level == "none":
                for ask in (run.packets, lambda: run.assert_no("packets", "ctstate = 'INVALID'")):
                    with pytest.raises(ValueError, match="kept no packets"):
                        ask()
            else:
                assert run.packets() or level == "notable"
            run.assert_no("connections", "proto = 'udp'")


def test_short_names_of_a_connections_ends(run, tmp_path):
    """`dport` is the orig_dport, for the fixture and for every form that takes `where`."""
    capture = c.pcap(tmp_path / "one.pcap", c.talk())
    with closing(replay(capture, folder=tmp_path, cache=Cache(tmp_path / "cache"), keep=True)) as found:
        some = found.connections("orig_dport = 443")
        assert some and some == found.connections("dport = 443") and "dport" not in some[0]
        assert found.connections(f"src = '{some[0]['orig_src']}' AND dst = '{some[0]['orig_dst']}'")
        found.assert_no("connections", "sport = 7 AND dport = 443")
    text = HEAD.replace("base.pcap", "one.pcap")
    for form in (f"connections: {len(some)}", "idle_cut: 0", "every: orig_dport = dport", "reaches: ESTABLISHED"):
        text += f"      - expect: {{{form}, where: dport = 443}}\n"
    written(tmp_path, text)
    done = run("check", cwd=tmp_path)
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout + done.stderr


def test_cells_of_a_list_of_rows(tmp_path):
    cells = "{n: null, yes: true, no: false, a: [1, null, x], f: 1.5, t: 'true'}"
    text = HEAD + f"      - sql: SELECT 1\n        equals:\n          - {cells}\n"
    jsonschema.validate(yaml.safe_load(text), schema())
    expected = load(written(tmp_path, text)).groups[0].assertions[0].expected
    assert (expected.columns, expected.rows) == (
        ("n", "yes", "no", "a", "f", "t"), (("NULL", "true", "false", "[1, NULL, x]", "1.5", "true"),)
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ctreplay.yaml", "ctreplay.yml", "web.ctreplay.yaml", "web.ctreplay.yml"])
def test_check_files_are_found_by_their_names(run, tmp_path, name):
    c.pcap(tmp_path / "base.pcap", c.talk())
    (tmp_path / name).write_text(HEAD + "      - expect: {connections: 5}\n")
    for other in ("yaml", ".ctreplay.yaml/x.yaml", "xctreplay.yaml", "web.yaml", ".hidden/ctreplay.yaml"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_text("not: a check file")
    done = run("check", cwd=tmp_path)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_counters_of_reasons(tmp_path):
    known = [name for name in reasons.NAMES if name] + ["ethertype 0x88cc"]
    text = HEAD + "".join(f"      - expect: {{counter: reason.{name}, is: 0}}\n" for name in known)
    jsonschema.validate(yaml.safe_load(text), schema())
    assert len(load(written(tmp_path, text)).groups[0].assertions) == len(known)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("3", [3], [2, 4]), ("'= 3'", [3], [4]), ("'== 3'", [3], [4]), ("'!= 0'", [1], [0]), ("'>= 3'", [3, 9], [2]),
        ("'> 3'", [4], [3]), ("'<= 3'", [0, 3], [4]), ("'< 3'", [2], [3]), ("3..5", [3, 5], [2, 6]),
        ("'>= 1,000'", [1000], [999]), ("10_000", [10000], [9999]),
    ],
)  # fmt: skip
def test_counts(text, yes, no, tmp_path):
    found = load(
        written(tmp_path, HEAD + f"      - expect: {{connections: {text}}}\n".replace("{{", "{").replace("}}", "}"))
    )
    count = found.groups[0].assertions[0].expect.count
    assert all(count.holds(one) for one in yes)
    assert not any(count.holds(one) for one in no)


# cells as they were found and as they were expected, and the lines of the difference
CELLS: list[tuple[str, str, list[str]]] = [
    ("1.0", "01", []), ("+1e3", "1000", []), (" x ", "x", []), ("0.30000000000000004", "0.3", []), ("NULL", "NULL", []),
    ("1", "2", ["-2", "+1"]), ("-0.5", "0.5", ["-0.5", "+-0.5"]), ("1e3x", "1000", ["-1000", "+1e3x"]),
    ("1795220959.876543", "1795220959.88", ["-1795220959.88", "+1795220959.87654"]),
    ("++ a", "-- b", ["--- b", "+++ a"]), ("@@", "a", ["-a", "+@@"]),
    ("9" * 5000, "9" * 5000, []), ("9" * 20, "9" * 19 + "8", ["-" + "9" * 19 + "8", "+" + "9" * 20]),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected", "difference"), CELLS)
def test_cells(found, expected, difference):
    lines = compare(("x",), [(found,)], ("x",), [(expected,)], False)
    assert lines == ([" x", *difference] if difference else [])


def test_yaml_words_stay_words(tmp_path):
    text = HEAD + "      - expect: {states: [no, on, 12:30:00, ESTABLISHED]}\n"
    assert load(written(tmp_path, text)).groups[0].assertions[0].expect.values == (
        "no",
        "on",
        "12:30:00",
        "ESTABLISHED",
    )


def test_options_of_the_file_hold_for_its_items(tmp_path):
    text = "sysctls: {nf_conntrack_max: 5, net.netfilter.nf_conntrack_tcp_loose: 0}\nchecks:\n"
    text += "  - {captures: a, sysctls: {nf_conntrack_max: 7}, packets: all, assert: [{sql: x}]}\n"
    options = load(written(tmp_path, text)).groups[0].options
    assert dict(options.sysctls) == {"nf_conntrack_max": 7, "nf_conntrack_tcp_loose": 0}
    assert options.packets == "all"


def test_replays_from_threads_do_not_share_a_folder(tmp_path):
    """Their paths are relative to folders of their own, and the process stays where it was."""
    from ctreplay.check.model import Options
    from ctreplay.check.replays import replay_into

    folders = [tmp_path / str(number) for number in range(4)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        c.pcap(folder / f"{number}.pcap", c.talk())
    before = os.getcwd()

    def work(number: int) -> int:
        target = tmp_path / f"{number}.ctreplay"
        for _ in range(8):
            shutil.rmtree(target, ignore_errors=True)
            assert replay_into((f"{number}.pcap",), Options(), folders[number], target)["packets"]
        return number

    with ThreadPoolExecutor(len(folders)) as pool:
        assert list(pool.map(work, range(len(folders)))) == [0, 1, 2, 3]
    assert os.getcwd() == before
