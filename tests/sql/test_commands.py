"""query, queries, schema as a person uses them: output, formats, errors."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import threading

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctreplay.cli.output import Format, layout, time_text, write
from ctreplay.sql import interrupt, library
from ctreplay.sql.execute import Result
from ctreplay.sql.interrupt import interruptible

from .conftest import SAMPLES


def test_named_query(replayed, run_ctreplay):
    done = run_ctreplay("query", replayed("half_open.pcap"), "half_open")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].split() == list(library.load("half_open").columns)
    assert set(lines[1]) <= {"─", " "}
    assert len(lines) == 6


def test_formats(replayed, run_ctreplay, tmp_path):
    dataset = replayed("half_open.pcap")
    sql = (
        "SELECT conn_id, flow, first_ts, state, seen_reply, duration_s, [1, 2] AS l, {'a': first_ts} AS s"
        " FROM conns ORDER BY 1"
    )
    rows = json.loads(run_ctreplay("query", dataset, "--json", "-c", sql).stdout)
    assert rows == json.loads(run_ctreplay("query", dataset, "--format", "json", "-c", sql).stdout)
    assert rows[0]["first_ts"].endswith("Z") and len(rows[0]["first_ts"]) == len("2026-11-21T00:29:19.879201000Z")
    assert rows[0]["l"] == [1, 2] and rows[0]["s"]["a"] == rows[0]["first_ts"]
    assert rows[0]["seen_reply"] is True and isinstance(rows[0]["duration_s"], float)
    table = list(csv.DictReader(io.StringIO(run_ctreplay("query", dataset, "--format", "csv", "-c", sql).stdout)))
    assert [int(row["conn_id"]) for row in table] == [row["conn_id"] for row in rows]
    assert table[0]["first_ts"] + "Z" == rows[0]["first_ts"]
    markdown = run_ctreplay("query", dataset, "--format", "markdown", "-c", sql).stdout.splitlines()
    assert len(markdown) == len(rows) + 2 and all(line.count(" | ") == 7 for line in markdown if "---" not in line)
    assert run_ctreplay("query", dataset, "--format", "parquet", "-c", sql).returncode == 2
    target = tmp_path / "x.parquet"
    assert run_ctreplay("query", dataset, "--format", "parquet", "-o", target, "-c", sql).returncode == 0
    stored = pq.read_table(target)
    assert stored.num_rows == len(rows) and str(stored.schema.field("first_ts").type) == "timestamp[ns]"
    empty = "SELECT 1 AS x WHERE false"
    assert json.loads(run_ctreplay("query", dataset, "--json", "-c", empty).stdout) == []
    assert run_ctreplay("query", dataset, "--format", "csv", "-c", empty).stdout == "x\n"
    assert "no rows" in run_ctreplay("query", dataset, "-c", empty).stderr


def test_the_last_of_several_statements_answers(replayed, run_ctreplay):
    dataset = replayed("tftp.pcap")
    text = "SELECT * FROM range(200000); SELECT 1 AS a; SET VARIABLE x = 3; SELECT getvariable('x') AS b"
    done = run_ctreplay("query", dataset, "--json", "-c", text)
    assert done.returncode == 0 and json.loads(done.stdout) == [{"b": 3}], done.stderr


def test_row_limit_says_how_to_get_all(replayed, run_ctreplay):
    dataset = replayed("tftp.pcap")
    done = run_ctreplay("query", dataset, "-c", "FROM range(60)")
    assert len(done.stdout.splitlines()) == 52 and "50 of 60 rows" in done.stderr and "--limit 0" in done.stderr
    done = run_ctreplay("query", dataset, "-c", "FROM range(60)", "--limit", "0")
    assert len(done.stdout.splitlines()) == 62 and done.stderr == ""


@pytest.mark.parametrize("columns", ["80", "120"])
def test_tables_fit_the_terminal(replayed, run_ctreplay, columns):
    for name in ("half_open", "rst_origin", "never_replied", "top_holders_at"):
        done = run_ctreplay("query", replayed("half_open.pcap"), name, COLUMNS=columns)
        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines()), default=0) <= int(columns)


def test_layout_cuts_text_never_numbers_or_times():
    names, right, fixed = ["number", "text"], [True, False], [True, False]
    text = layout(names, [["123456789"], ["x" * 100]], right, fixed, 40)
    assert "123456789" in text and "…" in text and max(map(len, text.splitlines())) <= 40
    # no room for a table: one column below the other
    text = layout(names, [["1" * 39], ["x" * 100]], right, fixed, 40)
    assert "── row 1 ──" in text


def test_times():
    assert time_text(0) == "1970-01-01 00:00:00.000000000"
    assert time_text(1_700_000_000_123_456_789, 9, "T") == "2023-11-14T22:13:20.123456789"
    assert time_text(-1, 9) == "1969-12-31 23:59:59.999999999"
    assert time_text(1_700_000_000_000_000_000, 0) == "2023-11-14 22:13:20"


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_hostile_text(replayed, run_ctreplay, form):
    sql = "SELECT chr(27) || '[31mred' || chr(155) || chr(10) || '|x' AS \"a" + "\x1b[2J" + '"'
    done = run_ctreplay("query", replayed("tftp.pcap"), "--format", form, "-c", sql)
    assert done.returncode == 0
    assert not any((ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160 for char in done.stdout)


def test_file_and_stdin(replayed, run_ctreplay, tmp_path):
    dataset = replayed("tftp.pcap")
    plain = tmp_path / "plain.sql"
    plain.write_text("-- nothing special\nSELECT count(*) AS n FROM conns;\n")
    assert json.loads(run_ctreplay("query", dataset, plain, "--json").stdout)[0]["n"] > 0
    own = tmp_path / "own.sql"
    own.write_text("-- question: How many?\n-- param: at_least INTEGER = 1 | fewest\nSELECT $at_least::INT AS n\n")
    assert json.loads(run_ctreplay("query", dataset, own, "--json", "-p", "at_least=7").stdout) == [{"n": 7}]
    assert json.loads(run_ctreplay("query", dataset, "--json", stdin="SELECT 42 AS n").stdout) == [{"n": 42}]
    assert run_ctreplay("query", dataset, stdin="").returncode == 2


def test_errors_are_one_line(replayed, run_ctreplay, tmp_path):
    dataset = replayed("tftp.pcap")
    for args, message in [
        (("none", "half_open"), "no such dataset"),
        ((dataset, "half_opn"), "did you mean half_open"),
        ((dataset, "half_open", "more"), "datasets come first"),
        ((dataset, "none.sql"), "No such file"),
        ((dataset, "-c", "SELECT nope FROM conns"), "ctreplay schema"),
        ((dataset, "-c", "SELEC"), "syntax error"),
        ((dataset, "-c", "SELECT 1", "-p", "a=b"), "named queries and files"),
        ((dataset, "half_open", "-p", "a"), "NAME=VALUE"),
        ((dataset, "half_open", "-o", dataset / "x.csv"), "not written into a dataset"),
        ((dataset, "half_open", "-o", tmp_path), "a folder; name a file"),
        ((dataset, "half_open", "-o", "", "--format", "parquet"), "a folder; name a file"),
        (
            (dataset, "half_open", "-o", tmp_path / "no" / "x", "--format", "parquet"),
            f"directory: {tmp_path / 'no' / 'x'}",
        ),
        ((replayed("tftp.pcap", "notable"), "idle_gaps"), "--packets all"),
    ]:
        done = run_ctreplay("query", *args)
        assert done.returncode == 2, args
        assert message in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_results_spare_the_captures(run_ctreplay, tmp_path):
    capture, target = tmp_path / "a.pcap", tmp_path / "a.ctreplay"
    capture.write_bytes((SAMPLES / "tftp.pcap").read_bytes())
    assert run_ctreplay(capture, "-o", target, "-q").returncode == 0
    (tmp_path / "link.csv").symlink_to(capture)
    for name in ("a.pcap", "link.csv"):
        done = run_ctreplay("query", target, "-c", "SELECT 1", "-o", tmp_path / name)
        assert done.returncode == 2 and "was made from" in done.stderr
    assert capture.read_bytes() == (SAMPLES / "tftp.pcap").read_bytes()


def test_queries(run_ctreplay):
    listed = json.loads(run_ctreplay("queries", "--json").stdout)
    assert [one["name"] for one in listed] == list(library.names())
    for one in listed:
        assert {"name", "question", "columns", "parameters"} <= set(one)
    for columns in ("80", "120"):
        done = run_ctreplay("queries", COLUMNS=columns)
        assert max(map(len, done.stdout.splitlines())) <= int(columns)
        assert all(name in done.stdout for name in library.names())
    done = run_ctreplay("queries", "half_open")
    assert "parameters" in done.stdout and "SELECT" in done.stdout
    assert run_ctreplay("queries", "nope").returncode == 2


def test_schema(run_ctreplay):
    found = json.loads(run_ctreplay("schema", "--json").stdout)
    assert {"connections", "packets", "stats"} <= {one["name"] for one in found["tables"]}
    assert {"conns", "zeek_conn"} <= {one["name"] for one in found["views"]}
    assert {"ip_in", "ct_at"} <= {one["name"] for one in found["macros"]}
    assert json.loads(run_ctreplay("schema", "--json", "conns").stdout)["views"][0]["name"] == "conns"
    done = run_ctreplay("schema", COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "timeout left" in run_ctreplay("schema", "connections").stdout
    assert "did you mean conns" in run_ctreplay("schema", "cons").stderr


def test_prompt(replayed, tmp_path):
    """The prompt on a real terminal."""
    import os
    import pty
    import subprocess
    import sys

    main, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ctreplay", "query", str(replayed("half_open.pcap"))],
        stdin=child, stdout=child, stderr=child, env=os.environ | {"COLUMNS": "100", "TERM": "dumb"},
    )  # fmt: skip
    os.close(child)
    os.write(
        main, b"SELECT 40 +\n2 AS answer;\nSELECT nope;\n.nope\n.tables\n.run half_open top=1\n.queries\n.help\n.quit\n"
    )
    text = b""
    try:
        while piece := os.read(main, 65536):
            text += piece
    except OSError:
        pass
    assert process.wait(60) == 0
    os.close(main)
    shown = text.decode()
    assert "answer" in shown and "42" in shown
    assert "not found in FROM" in shown or "Binder Error" in shown
    assert ".help lists them" in shown and "MACROS" in shown and "stuck_in" in shown and "retrans_heavy" in shown


def test_a_prompt_writes_no_file(replayed, tmp_path):
    import os
    import pty
    import subprocess
    import sys

    main, child = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "ctreplay", "query", str(replayed("half_open.pcap")), "-o", str(tmp_path / "x.csv")],
        stdin=child, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(child)
    os.close(main)
    assert done.returncode == 2 and "-o needs a query" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        "[]", "5", "null", '{"sysctls": 1}', '{"sysctls": {"nf_conntrack_max": "x"}}', '{"inputs": null}',
        '{"inputs": [{"path": 5}]}', '{"damage": "x"}', '{"damage": [1]}', '{"first_ts_ns": "x"}', '{"helpers": 1}',
        '{"helpers": ["ftp"]}', '{"helpers": [{"helper": "ftp", "port": 21}]}',
    ],
)  # fmt: skip
def test_a_run_json_of_other_types(replayed, run_ctreplay, tmp_path, change):
    """Every command that looks there says so, whatever it needs of it."""
    shutil.copytree(replayed("half_open.pcap"), tmp_path / "x")
    path = tmp_path / "x" / "run.json"
    changed = json.loads(change)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed if isinstance(changed, dict) else changed))
    for words in (["list"], ["events"], ["stats"], ["query", "half_open"], ["extract", "1", "-o", "-"]):
        done = run_ctreplay(words[0], tmp_path / "x", *words[1:])
        assert done.returncode == 2 and "run.json is not as a replay writes it" in done.stderr, done.stderr


def test_a_helper_of_another_version(replayed, run_ctreplay, tmp_path):
    shutil.copytree(replayed("half_open.pcap"), tmp_path / "x")
    path = tmp_path / "x" / "run.json"
    helpers = [{"helper": "telepathy", "protocol": "tcp", "port": 21}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"helpers": helpers}))
    done = run_ctreplay("list", tmp_path / "x")
    assert done.returncode == 2 and "a helper that this version does not know: 'telepathy'" in done.stderr


def test_an_interrupt_for_a_connection_that_is_closed(monkeypatch):
    """Who watches says nothing and goes on."""
    closed, db = duckdb.connect(), duckdb.connect()
    closed.close()
    monkeypatch.setattr(interrupt, "_working", [closed, db])
    numbers, sink = os.pipe()
    os.write(sink, bytes([signal.SIGINT]))
    os.close(sink)
    interrupt._watch(numbers)
    db.close()


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_result_that_is_not_whole_gets_no_name(tmp_path, form):
    """Nobody would see that rows are missing."""

    def batches():
        yield table.to_batches()[0]
        raise KeyboardInterrupt

    table = pa.table({"n": [1, 2]})
    target = tmp_path / "out"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write(Result(table.schema, batches(), lambda: None), Format(form), target, 0)
    assert target.read_text() == "before" and [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_result_for_a_device(replayed, run_ctreplay, form):
    """It is written to, and stays what it is."""
    words = ["query", replayed("half_open.pcap"), "-c", "SELECT 1 AS n", "--format", form, "-o"]
    done = run_ctreplay(*words, "/dev/full")
    assert (done.returncode, done.stderr) == (2, "ctreplay: No space left on device: /dev/full\n")
    if form != "parquet":
        done = run_ctreplay(*words, "/dev/stdout")
        assert done.returncode == 0 and "1" in done.stdout


@pytest.fixture
def interrupts():
    """As in a program at a terminal: tests that run in the background of a shell ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_nobody_watches_for_interrupts_any_more(interrupts):
    """A thread that still held a connection when the interpreter ends would abort the process."""
    before = threading.enumerate()
    with duckdb.connect() as db:
        for _ in range(200):
            with interruptible(db):
                assert len(threading.enumerate()) == len(before) + 1
            assert threading.enumerate() == before
        one, other = iter(interruptible(db).gen), iter(interruptible(db).gen)
        # results that are read in turns: the first to begin is the first to end
        next(one), next(other)
        one.close()
        assert len(threading.enumerate()) == len(before) + 1
        other.close()
    assert threading.enumerate() == before and signal.set_wakeup_fd(-1) == -1


def test_json_of_what_json_has_no_word_for(replayed, run_ctreplay):
    """What is no number is null inside a list too, times keep their nanoseconds, no column is lost."""
    sql = (
        "SELECT ['nan'::DOUBLE, 1.5] AS a, {'x': 'inf'::DOUBLE} AS a, MAP {'k': 'nan'::DOUBLE} AS a_1,"
        " [{'t': TIMESTAMP_NS '2020-01-01 00:00:00.123456789'}, NULL] AS t, ['\\xFE'::BLOB, NULL] AS b,"
        " [[1], NULL] AS c"
    )

    def constant(name):
        raise ValueError(name)

    done = run_ctreplay("query", replayed("half_open.pcap"), "--json", "-c", sql)
    found = json.loads(done.stdout, parse_constant=constant)
    assert found == [
        {"a": [None, 1.5], "a_1": {"x": None}, "a_1_1": [["k", None]],
         "t": [{"t": "2020-01-01T00:00:00.123456789Z"}, None], "b": ["fe", None], "c": [[1], None]}
    ]  # fmt: skip
