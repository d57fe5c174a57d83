"""What `ctreplay check` prints and writes: lines, JSON, JUnit, annotations, updates; hostile text stays text."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from ctreplay.dataset.schema import TABLES
from tests.check import captures as c
from tests.traffic.build import ACK, FIN, PSH, RST, SYN

# a file name with everything that a terminal, XML, Markdown and a workflow command could take for its own
HOSTILE = "a\x1b[31m,b:%|`<&>\"'[x](y) 💥\nc.pcap"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "repository"
    found.mkdir()
    c.pcap(found / "web.pcap", c.with_stray(c.talk()))
    return found


def checks(folder: Path, *assertions: str, captures: str = "web.pcap") -> Path:
    path = folder / "ctreplay.yaml"
    body = "".join(f"      - {one}\n" for one in assertions)
    path.write_text(f"checks:\n  - captures: {json.dumps(captures, ensure_ascii=False)}\n    assert:\n{body}")
    return path


def test_rows_of_any_table_are_counted(run, folder):
    """By a condition on any of its columns; a failure shows the rows."""
    columns = {
        table: f"{one[0].name} IS NOT NULL AND {one[-1].name} IS NULL OR {one[-1].name} IS NOT NULL"
        for table, one in TABLES.items()
    }
    path = checks(folder, *(f'expect: {{{table}: ">= 0", where: "{columns[table]}"}}' for table in TABLES))
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(run("check", "--schema").stdout))
    done = run("check", cwd=folder)
    assert done.returncode == 0 and f"{len(TABLES)} passed" in done.stdout, done.stdout
    checks(folder, *(f"expect: {{{table}: 999}}" for table in TABLES))
    found = json.loads(run("check", "--json", cwd=folder).stdout)["results"]
    assert [one["status"] for one in found] == ["failed"] * len(TABLES)
    empty = {"expectations", "expectation_events"}
    assert {one["name"].split(":")[0] for one in found if not one["rows"]} == empty


def test_how_many_rows_are_not_shown(run, folder):
    """A counter and the peak have one row, whatever the number in it."""
    expects = ("counter: packets, is: 0", "peak_entries: 0", "invalid_packets: 0", "connections: 0", "captures: 7")
    checks(folder, *(f"expect: {{{one}}}" for one in (*expects, "transitions: 0", "packets: 7")))
    done = run("check", "--json", cwd=folder)
    rows = [(len(one["rows"]), one["total_rows"]) for one in json.loads(done.stdout)["results"]]
    transitions = rows[5][1]
    assert rows == [(1, 1), (1, 1), (1, 1), (5, 5), (1, 1), (10, transitions), (1, 1)] and transitions > 10
    assert [one for one in run("check", cwd=folder).stdout.splitlines() if " more" in one] == [
        f"      … {transitions - 10} more"
    ]


def test_a_failure_names_packets_and_the_command_that_explains_them(run, folder):
    checks(folder, "expect: {invalid_packets: 0}", "expect: {connections: 5}")
    done = run("check", cwd=folder)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "FAIL  web.pcap: no INVALID packets  (ctreplay.yaml:4)"
    assert lines[1].strip() == "INVALID packets: 1; expected 0"
    assert "192.0.2.80:443" in done.stdout
    assert "tcp_seq_over_upper_bound" in done.stdout
    command = next(line for line in lines if "ctreplay explain" in line).split()
    assert command[1:4] == ["explain", "web.pcap", "--packet"]
    assert "ok    web.pcap: connections: 5" in lines
    explained = run(*command[1:], cwd=folder)
    assert explained.returncode == 0, explained.stderr
    assert "INVALID" in explained.stdout


def test_the_explaining_command_carries_the_options(run, folder):
    path = checks(folder, "expect: {connections: 9}")
    path.write_text(path.read_text().replace("    assert", "    sysctls: {nf_conntrack_tcp_loose: 0}\n    assert"))
    for more in ([], ["--no-cache"]):
        done = run("check", *more, cwd=folder.parent)
        command = next(line for line in done.stdout.splitlines() if "ctreplay explain" in line)
        assert shlex.split(command)[2:] == ["repository/web.pcap", "1", "--sysctl", "nf_conntrack_tcp_loose=0"]


def test_number_comparisons_every_and_empty(run, folder):
    checks(
        folder,
        "expect: {every: assured, where: orig_dport = 443}",
        "expect: {every: assured}",
        "expect: {every: assured, where: orig_dport = 9}",
        "{name: or none, expect: {every: assured, where: orig_dport = 9, empty_ok: true}}",
        "expect: {end_reasons: [capture_end], where: proto = 'udp'}",
        "expect: {counter: invalid, is: 1}",
        "expect: {peak_entries: 1..5}",
    )
    results = json.loads(run("check", "--json", cwd=folder).stdout)["results"]
    assert [one["status"] for one in results] == ["passed", "failed", "failed", "passed", "passed", "passed", "passed"]
    assert "empty_ok" in results[2]["message"]
    assert results[1]["rows"][0]["orig_src"] == "10.0.0.1"


def test_rows_for_programs_have_numbers(run, folder):
    checks(
        folder,
        "sql: SELECT 7 AS a, true AS b, NULL::BIGINT AS c, 1.5::DOUBLE AS d, 'nan'::DOUBLE AS e, '7' AS f, [1] AS g",
        "expect: {connections: 0}",
        "{query: churn_rate, parameters: {}}",
    )
    found = json.loads(run("check", "--json", cwd=folder).stdout)["results"]
    assert found[0]["rows"] == [{"a": 7, "b": True, "c": None, "d": 1.5, "e": "nan", "f": "7", "g": "[1]"}]
    assert found[1]["rows"][0]["orig_dport"] == 443 and found[1]["rows"][0]["proto"] == "tcp"
    assert any(isinstance(value, int) for value in found[2]["rows"][0].values())


def test_idle_cut_blames_what_comes_next(run, folder):
    """An entry that times out after 60 s; a second conversation of the tuple 200 s later is none of its business."""
    handshake = [(True, SYN), (False, SYN | ACK), (True, ACK)]
    beyond = {"data": b"x", "shift": 5_000_000}

    def cut(name: str, *later: tuple[float, bool, int, dict[str, Any]]) -> str:
        one = c.Tcp(40001, 443)
        packets = [(c.T0 + n * 1000, one.send(*step)) for n, step in enumerate(handshake)]
        packets += [(c.T0 + round(at * c.SECOND), one.send(*step, **more)) for at, *step, more in later]
        c.pcap(folder / f"{name}.pcap", packets)
        path = checks(folder, "expect: {idle_cut: 0}", captures=f"{name}.pcap")
        timeouts = "{nf_conntrack_tcp_timeout_established: 60, nf_conntrack_tcp_timeout_close: 10}"
        path.write_text(path.read_text().replace("    assert", f"    sysctls: {timeouts}\n    assert"))
        return str(json.loads(run("check", "--json", cwd=folder).stdout)["results"][0]["status"])

    again = [(200 + n, *step, {}) for n, step in enumerate(handshake)]
    assert cut("opened-anew", *again) == "passed"
    assert cut("invalid-on-the-later", *again, (203, False, PSH | ACK, beyond)) == "passed"
    assert cut("invalid-after-the-later", *again, (203, False, RST | ACK, {}), (220, True, FIN | ACK, {})) == "passed"
    assert cut("picked-up-after-the-later", *again, (203, False, RST | ACK, {}), (220, True, ACK, {})) == "passed"
    assert cut("picked-up", (200, True, PSH | ACK, {"data": b"x"})) == "failed"
    assert cut("invalid", (200, True, FIN | ACK, {})) == "failed"
    assert cut("invalid-before-the-later", (199, True, FIN | ACK, {}), *again) == "failed"


def test_sql_errors_are_errors(run, folder):
    checks(
        folder, "sql: SELECT nope FROM connections", "sql: DROP VIEW connections", "sql: SELECT * FROM '/etc/passwd'"
    )
    done = run("check", cwd=folder)
    assert done.returncode == 2
    assert done.stdout.count("ERROR") >= 3
    assert 'Referenced column "nope"' in done.stdout
    assert "root:" not in done.stdout


def test_a_file_that_is_no_capture(run, folder):
    (folder / "web.pcap").write_bytes(b"nothing of the kind")
    checks(folder, "expect: {connections: 5}")
    done = run("check", "--junit", "out.xml", cwd=folder)
    assert done.returncode == 2
    assert "ERROR web.pcap: " in done.stdout
    assert ElementTree.parse(folder / "out.xml").find(".//error") is not None


def test_list_pattern_fail_fast_and_quiet(run, folder):
    checks(
        folder,
        "expect: {invalid_packets: 0}",
        "name: Second\n        expect: {connections: 9}",
        "expect: {idle_cut: 0}",
    )
    assert run("check", "--list", cwd=folder).stdout.splitlines() == [
        "ctreplay.yaml:4: web.pcap: no INVALID packets",
        "ctreplay.yaml:5: web.pcap: Second",
        "ctreplay.yaml:7: web.pcap: no connection cut while idle",
    ]
    assert "1 passed" in run("check", "-k", "IDLE", cwd=folder).stdout
    assert "1 failed" in run("check", "-k", "web*second", cwd=folder).stdout
    assert run("check", "-k", "nothing", cwd=folder).returncode == 2
    assert run("check", "--fail-fast", cwd=folder).stdout.splitlines()[-1].startswith("0 passed, 1 failed")
    assert "ok " not in run("check", "-q", cwd=folder).stdout


def test_a_dataset_in_place_of_the_captures(run, folder):
    checks(folder, "expect: {invalid_packets: 1}")
    assert run("web.pcap", "-o", "d.ctreplay", "-q", cwd=folder).returncode == 0
    (folder / "web.pcap").unlink()
    done = run("check", "d.ctreplay", "ctreplay.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "ok    d.ctreplay: INVALID packets: 1" in done.stdout


def test_cache_is_used_and_mistrusted(run, folder):
    checks(folder, "expect: {connections: 5}")
    cache = folder / "kept"
    arguments = ("check", "--cache", cache)
    assert "(0 from the cache)" in run(*arguments, cwd=folder).stdout
    assert "(1 from the cache)" in run(*arguments, cwd=folder).stdout
    (entry,) = cache.glob("*.ctreplay")
    table = entry / "connections.parquet"
    table.write_bytes(table.read_bytes()[:-20] + bytes(20))
    done = run(*arguments, cwd=folder)
    assert (done.returncode, "(0 from the cache)" in done.stdout) == (0, True)
    (entry / "run.json").unlink()
    assert "(0 from the cache)" in run(*arguments, cwd=folder).stdout
    c.pcap(folder / "web.pcap", c.talk())
    assert "(0 from the cache)" in run(*arguments, cwd=folder).stdout
    assert {one.suffix for one in cache.iterdir()} == {".ctreplay"}
    (folder / "file").write_text("")
    assert run("check", "--cache", "file", cwd=folder).returncode == 2
    done = run(*arguments, "--no-cache", cwd=folder)
    assert done.returncode == 2 and "exclude each other" in done.stderr


def test_only_what_the_cache_wrote_is_pruned(run, folder):
    checks(folder, "expect: {connections: 5}")
    assert run("check", "--cache", ".", cwd=folder).returncode == 0
    (entry,) = folder.glob("*.ctreplay")
    mine = [folder / name for name in ("mine.ctreplay", "web-2026.ctreplay", ".new-ideas")]
    left = folder / ".ctreplay-new-a1b2c3d4"
    for one in (*mine, left):
        one.mkdir()
    for one in (*mine, left, entry):
        os.utime(one, (0, 0))
    c.pcap(folder / "web.pcap", c.without(c.talk(), 0))
    run("check", "--cache", ".", cwd=folder)
    assert all(one.is_dir() for one in mine)
    assert not left.exists() and not entry.exists()


def test_junit_and_github_with_hostile_names(run, folder):
    (folder / "web.pcap").rename(folder / HOSTILE)
    checks(folder, "name: 'x|y ::error:: %0A'\n        expect: {invalid_packets: 0}", captures=HOSTILE)
    summary = folder / "summary.md"
    done = run("check", "--junit", "out.xml", "--github", cwd=folder, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1, done.stderr
    assert "\x1b" not in done.stdout
    (case,) = ElementTree.parse(folder / "out.xml").iter("testcase")
    assert case.get("name") == "x|y ::error:: %0A"
    assert case.get("line") == "4"
    failure = case.find("failure")
    assert failure is not None
    assert "tcp_seq_over_upper_bound" in (failure.text or "")
    commands = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert len(commands) == 1
    match = re.fullmatch(r"::error file=ctreplay\.yaml,line=4,title=([^,:]*)::(.*)", commands[0])
    assert match is not None
    assert "%250A" in match[1]
    assert "%0A" in match[2]
    row = summary.read_text().splitlines()[-1]
    assert row.count("|") == 5
    assert "<" not in row
    assert "`" not in row


def test_hostile_strings_in_rows(run, folder):
    text = "chr(27) || '[31m' || chr(10) || '</x>::error::' || chr(8238)"
    checks(folder, f'sql: "SELECT {text} AS bad, conn_id FROM connections"')
    done = run("check", "--junit", "out.xml", "--github", cwd=folder)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("::error::")]
    ElementTree.parse(folder / "out.xml")
    assert json.loads(run("check", "--json", cwd=folder).stdout)["results"][0]["rows"][0]["bad"].startswith("\x1b")


def test_annotations_are_relative_to_the_workspace(run, folder):
    checks(folder, "expect: {connections: 9}")
    done = run("check", "--github", folder / "ctreplay.yaml", GITHUB_WORKSPACE=str(folder.parent))
    assert "::error file=repository/ctreplay.yaml,line=4," in done.stdout


def test_update_changes_the_tables_and_nothing_else(run, folder):
    before = """\
# a comment
checks:
  - captures: web.pcap   # another
    assert:
      - name: states
        sql: SELECT state, count(*) AS n FROM connections WHERE proto = 'tcp' GROUP BY state
        equals: |
          state,n
          CLOSE,9

      - name: in a list
        sql: SELECT proto, count(*) AS n FROM connections GROUP BY proto
        equals:
          - {proto: tcp, n: 3}
          - {proto: udp, n: 7}
        # behind it
      - name: empty
        sql: SELECT orig_dport FROM connections WHERE proto = 'udp'
        equals:
      - name: in a file
        query: invalid_by_reason
        equals_file: expected/reasons.csv
      - name: fine already
        sql: SELECT count(*) AS n FROM connections
        equals: [{n: 5.0}]
"""
    path = folder / "ctreplay.yaml"
    path.write_text(before)
    assert run("check", cwd=folder).returncode == 1
    assert path.read_text() == before
    done = run("check", "--update", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-          CLOSE,9" in done.stdout
    after = path.read_text()
    assert "# a comment\n" in after
    assert "# another\n" in after
    assert "        # behind it\n" in after
    assert "        equals: [{n: 5.0}]\n" in after
    assert "          udp,1\n" in after
    assert "        equals: |\n          orig_dport\n          53\n" in after
    assert "tcp_seq_over_upper_bound" in (folder / "expected" / "reasons.csv").read_text()
    assert run("check", cwd=folder).returncode == 0
    assert run("check", "--update", cwd=folder).stdout.startswith("ok")
    assert path.read_text() == after


def test_update_refuses_one_table_for_two_captures(run, folder):
    c.pcap(folder / "web2.pcap", c.talk()[:10])
    path = checks(
        folder,
        "sql: SELECT count(*) AS n FROM connections\n        equals: |\n          n\n          1",
        captures="web*.pcap",
    )
    before = path.read_text()
    done = run("check", "--update", "-j", "1", cwd=folder)
    assert done.returncode == 2
    assert "ctreplay.yaml:4" in done.stderr
    assert path.read_text() == before


def test_init_writes_checks_that_hold(run, folder):
    c.pcap(folder / "dns: odd 'name'.pcap", [one for one in c.talk() if one[1][9] == 17])
    done = run("check", "--init", "web.pcap", "dns: odd 'name'.pcap", cwd=folder)
    assert done.returncode == 0, done.stderr
    again = run("check", "-j", "1", cwd=folder)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("ok ") >= 8
    assert run("check", "--init", "web.pcap", cwd=folder).returncode == 2, "an existing file stays"
    c.pcap(folder / "web.pcap", c.talk())
    assert run("check", "-j", "1", cwd=folder).returncode == 1


def test_init_with_odd_names(run, folder):
    names = ["bell\x07 del\x7f.pcap", 'é - 😀 \u2028: \\"x".pcap', "*.pcap"]
    for name in names:
        (folder / name).write_bytes((folder / "web.pcap").read_bytes())
        done = run("check", "--init", name, "-o", "odd.ctreplay.yaml", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert run("check", "odd.ctreplay.yaml", "-j", "1", cwd=folder).returncode == 0
        (folder / "odd.ctreplay.yaml").unlink()
    latin = os.fsdecode(b"caf\xe9.pcap")
    (folder / latin).write_bytes((folder / "web.pcap").read_bytes())
    done = run("check", "--init", latin, "-o", "odd.ctreplay.yaml", cwd=folder)
    assert done.returncode == 2 and "not UTF-8" in done.stderr and "rename" in done.stderr
    assert not (folder / "odd.ctreplay.yaml").exists()


def test_update_as_json_is_one_object(run, folder):
    checks(folder, "sql: SELECT count(*) AS n FROM connections\n        equals: |\n          n\n          1")
    done = run("check", "--update", "--json", cwd=folder)
    assert json.loads(done.stdout)["results"][0]["message"] == "updated"
    assert "+          5" in done.stderr


def test_lines_fit_narrow_terminals(run, folder):
    checks(folder, "expect: {invalid_packets: 0}", "sql: SELECT * FROM connections")
    for columns in (80, 120):
        done = run("check", cwd=folder, COLUMNS=str(columns))
        lines = [line for line in done.stdout.splitlines() if "ctreplay explain" not in line]
        assert max(map(len, lines)) <= columns, max(lines, key=len)


def test_the_command_is_ready_for_a_shell(run, folder):
    (folder / "web.pcap").rename(folder / "two words $HOME.pcap")
    checks(folder, "expect: {invalid_packets: 0}", captures="two words*.pcap")
    done = run("check", cwd=folder)
    command = next(line for line in done.stdout.splitlines() if "ctreplay explain" in line)
    assert shlex.split(command)[2] == "two words $HOME.pcap"


def test_the_command_explains_captures_that_were_replayed_together(run, folder):
    c.split(folder / "parts", c.talk(), 2)
    checks(folder, "expect: {connections: 99}", captures="parts/*.pcap")
    path = folder / "ctreplay.yaml"
    path.write_text(path.read_text().replace("    assert", "    merge: true\n    assert"))
    for more in ([], ["--no-cache"]):
        done = run("check", *more, cwd=folder)
        command = next(line for line in done.stdout.splitlines() if "ctreplay explain" in line).split()
        assert len([word for word in command if word.endswith(".pcap")]) == 2
        explained = run(*command[1:], cwd=folder)
        assert explained.returncode == 0, explained.stderr
        assert explained.stdout


def test_rows_are_no_workflow_commands(run, folder):
    """GitHub obeys a line that begins with `::`, whatever stands before it, and `##[` anywhere."""
    checks(folder, """sql: SELECT '::add-mask::1' AS "##[error]a" """)
    done = run("check", "--github", cwd=folder)
    lines = done.stdout.splitlines()
    pause = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[0])
    assert done.returncode == 1 and pause is not None
    end = lines.index(f"::{pause[1]}::")
    paused = [number for number, line in enumerate(lines) if re.match(r"\s*::|.*##\[", line) and number < end]
    assert len(paused) > 2 and len([line for line in lines[end + 1 :] if line.startswith("::")]) == 1
    assert "##[" not in "".join(line for line in lines[end + 1 :] if not line.startswith("::error file="))
    assert "stop-commands" not in run("check", cwd=folder).stdout
    assert json.loads(run("check", "--github", "--json", cwd=folder).stdout)["failed"] == 1
