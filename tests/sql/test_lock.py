"""User SQL reads the dataset and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctreplay.sql import DatasetError, open_dataset
from ctreplay.sql.connection import connect
from ctreplay.sql.execute import SqlError, query_sql

REFUSED = [
    "COPY conns TO '/tmp/ctreplay-test-x.csv'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPLAIN ANALYZE COPY conns TO '/tmp/ctreplay-test-x.csv'",
    "/* a */ COPY conns TO '/tmp/ctreplay-test-x.csv'",
    "PREPARE p AS COPY conns TO '/tmp/ctreplay-test-x.csv'",
    "EXPORT DATABASE '/tmp/ctreplay-test-x'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('https://example.test/x.parquet')",
    "ATTACH '/tmp/ctreplay-test-x.db'",
    "INSTALL inet",
    "LOAD inet",
    "SELECT '10.0.0.1'::INET",
    "SET enable_external_access = true",
    "SET allowed_paths = ['/etc/passwd']",
    "RESET threads",
    "PRAGMA threads = 1",
    "CREATE TABLE t AS FROM read_csv('/etc/passwd')",
    "SELECT 1; COPY conns TO '/tmp/ctreplay-test-x.csv'",
    "CALL pragma_version()",
    "IMPORT DATABASE '/tmp'",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_refused(replayed, sql):
    with pytest.raises(SqlError) as caught:
        list(query_sql([replayed("tftp.pcap")], sql).batches)
    message = str(caught.value)
    assert "\n" not in message
    assert "HTTP" not in message and "http" not in message.replace("https://example.test", "")
    assert not list(Path("/tmp").glob("ctreplay-test-x*"))


def test_dataset_cannot_be_overwritten_even_below_our_check(replayed):
    import duckdb

    dataset = replayed("tftp.pcap")
    before = {path.name: path.read_bytes() for path in dataset.iterdir()}
    db = connect([dataset])
    with pytest.raises(duckdb.Error):
        db.execute(f"COPY (SELECT 1) TO '{dataset}/new.parquet'")
    with pytest.raises(duckdb.Error):
        db.execute(f"COPY (SELECT 1) TO '{dataset}/stats.parquet' (FORMAT parquet)")
    assert {path.name: path.read_bytes() for path in dataset.iterdir()} == before


@pytest.mark.parametrize("name", ["it's", 'a"b', "[x]*?", "a;b --", "spa ce", "ünï", "x\x1b[31m"])
def test_hostile_folder_names(replayed, tmp_path, name):
    import shutil

    target = tmp_path / name
    shutil.copytree(replayed("tftp.pcap"), target)
    assert next(query_sql([target], "SELECT count(*) AS n FROM connections").batches).to_pylist()[0]["n"] > 0
    assert open_dataset(target).execute("SELECT count(*) FROM conns").fetchone()[0] > 0


def test_what_may_be_said(replayed):
    dataset = replayed("tftp.pcap")
    for sql in (
        "FROM conns", "DESCRIBE conns", "SHOW TABLES", "SUMMARIZE connections", "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE FROM conns", "PRAGMA version", "SET VARIABLE a = 1; SELECT getvariable('a')",
        "CREATE TABLE t AS SELECT 1 AS x; INSERT INTO t VALUES (2); FROM t", "PIVOT conns ON proto USING count(*)",
        "WITH a AS (SELECT 1) FROM a", "-- only a comment\nSELECT 1",
    ):  # fmt: skip
        list(query_sql([dataset], sql).batches)


def test_not_a_dataset(tmp_path):
    with pytest.raises(DatasetError, match="no such dataset"):
        connect([tmp_path / "none"])
    (tmp_path / "run.json").write_text('{"sysctls": {}}')
    with pytest.raises(DatasetError, match="not as a replay writes it: packets"):
        connect([tmp_path])
    run = {"packets": 0, "packets_level": "all", "sysctls": {}, "helpers": [], "inputs": [], "damage": []}
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(DatasetError, match="incomplete dataset"):
        connect([tmp_path])


def test_broken_table(replayed, tmp_path):
    import shutil

    target = tmp_path / "broken.ctreplay"
    shutil.copytree(replayed("tftp.pcap"), target)
    (target / "packets.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(DatasetError, match="cannot be read"):
        connect([target])
