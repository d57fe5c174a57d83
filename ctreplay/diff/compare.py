"""Two datasets compared in SQL: connections by tuple and ordinal, packets by what they carry, counters by name.

Numbers that depend on how a capture was stored (file, frame, offset, capture) are never compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ctreplay.diff.sides import Side

if TYPE_CHECKING:
    import duckdb

KEY = ("zone", "protonum", "orig_src", "orig_sport", "orig_dst", "orig_dport", "icmp_type", "icmp_code", "icmp_id")
TIMES = ("first_ts", "last_ts", "end_ts")
_NUMBERS = ("first_packet", "last_packet")
_NEVER = {"conn_id", "community_id", "family", "proto", "orig_src_key", "orig_dst_key", "master_conn_id", *KEY}
# a change in these tells a story; those that come later follow from them or are times
STORY = (
    "state", "end_reason", "assured", "seen_reply", "midstream", "expected", "helper", "master", "mark",
    "orig_packets", "orig_bytes", "reply_packets", "reply_bytes",
    "reply_src", "reply_dst", "reply_sport", "reply_dport",
)  # fmt: skip
LATER = ("first_ts", "last_ts", "end_ts", "transitions", "status", "timeout_left_s", "first_packet", "last_packet")
_ABOUT = (
    "proto", "orig_src", "orig_sport", "orig_dst", "orig_dport", "icmp_type", "icmp_id",
    "state", "end_reason", "orig_packets", "reply_packets", "first_ts",
)  # fmt: skip
_PACKET_IDENTITY = ("proto", "src", "sport", "dst", "dport", "tcp_flags", "seq", "ack", "length")
_PACKET_NEVER = {"packet", "ts", "capture", "frame", "offset", "caplen", "wirelen", "conn_id", "tuple_conn_id"}
_EXPECTATION_NEVER = {
    "expectation_id", "master_conn_id", "created_ts", "created_packet", "end_ts", "end_packet", "child_conn_id",
}  # fmt: skip
_EVENT = (
    "concat_ws(' ', event, direction, nullif(coalesce(old_state || ' → ', '') || coalesce(new_state, ''), ''), "
    "timeout_s || ' s', '[' || array_to_string(changes, ', ') || ']', reason)"
)
TABLES = ("connections", "transitions", "packets", "expectations", "counters")


@dataclass(frozen=True, slots=True)
class Rules:
    """How to compare: match by packet number, times from each side's start, tolerance, what to ignore."""

    by_packet: bool = False
    relative: bool = False
    tolerance_ns: int = 0
    ignore: frozenset[str] = frozenset()


@dataclass(slots=True)
class Change:
    """A connection or packet. `fields` maps a changed column to its values; empty for gone and new."""

    kind: str
    what: str
    base_id: int | None
    new_id: int | None
    about: dict[str, str | None]
    fields: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)


@dataclass(slots=True)
class Difference:
    """Counts by kind, and changes in an order worth reading. Of connections it may be the first ones of each kind:
    `telling` counts all of a kind that are more than `LATER` columns.
    """

    counts: dict[str, int] = field(default_factory=dict)
    telling: dict[str, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    packet_counts: dict[str, int] = field(default_factory=dict)
    packet_columns: dict[str, int] = field(default_factory=dict)
    expectation_counts: dict[str, int] = field(default_factory=dict)
    counters: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    connections: list[Change] = field(default_factory=list)
    packets: list[Change] = field(default_factory=list)
    expectations: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    packet_noun: str = "packet"

    @property
    def equal(self) -> bool:
        """Nothing differs."""
        return not (self.connections or self.packets or self.expectations or self.counters)


def known_columns() -> set[str]:
    """What --ignore takes."""
    from ctreplay.dataset import schema

    columns = {one.name for table in ("connections", "packets") for one in schema.TABLES[table]}
    return columns | set(TABLES) - {"connections"} | {"master"}


def matched_columns(by_packet: bool) -> set[str]:
    """What --ignore cannot take: connections and packets are told apart by it."""
    found = {*KEY, "community_id", "family", "proto", "orig_src_key", "orig_dst_key"}
    return found - {*_PACKET_IDENTITY} if by_packet else found | {*_PACKET_IDENTITY}


def compare(base: Side, new: Side, rules: Rules, most: int | None = None) -> Difference:
    """The difference between two datasets, with at most `most` changes of connections of each kind (None: all).

    Raises duckdb.Error when one cannot be read.
    """
    import duckdb

    from ctreplay.sql.interrupt import interruptible

    found = Difference()
    with duckdb.connect() as db, interruptible(db):
        for name, side in (("base", base), ("new", new)):
            _load(db, name, side)
        if base.same_as(new):
            found.notes.append("base and new are the same, replayed with the same options")
        _connections(db, rules, (base, new), found, most)
        if "packets" not in rules.ignore:
            _packets(db, rules, (base, new), found)
        if "expectations" not in rules.ignore:
            _expectations(db, rules, found)
        if "counters" not in rules.ignore:
            _counters(db, (base, new), found)
    return found


def _load(db: duckdb.DuckDBPyConnection, name: str, side: Side) -> None:
    from ctreplay.sql import pattern_of

    db.execute(f"CREATE SCHEMA {name}")
    for table in ("connections", "transitions", "packets", "expectations", "stats"):
        file = pattern_of(side.dataset / f"{table}.parquet").replace("'", "''")
        db.execute(f"CREATE VIEW {name}.{table} AS SELECT * FROM read_parquet('{file}')")


def _columns(db: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Columns that both sides have, in the order of the base."""
    both = [
        [str(row[0]) for row in db.execute(f"SELECT column_name FROM (DESCRIBE {side}.{table})").fetchall()]
        for side in ("base", "new")
    ]
    return [one for one in both[0] if one in both[1]]


def _starts(pair: tuple[Side, Side], rules: Rules) -> tuple[int, int]:
    if not rules.relative:
        return 0, 0
    return int(pair[0].run.get("first_ts_ns") or 0), int(pair[1].run.get("first_ts_ns") or 0)


def _time_differs(column: str, starts: tuple[int, int], tolerance: int) -> str:
    base, new = f"epoch_ns(b.{column}) - {starts[0]}", f"epoch_ns(n.{column}) - {starts[1]}"
    return f"((b.{column} IS NULL) <> (n.{column} IS NULL) OR coalesce(abs(({base}) - ({new})), 0) > {tolerance})"


def _join(columns: Iterable[str]) -> str:
    return " AND ".join(f"b.{one} IS NOT DISTINCT FROM n.{one}" for one in columns)


def _connections(
    db: duckdb.DuckDBPyConnection, rules: Rules, pair: tuple[Side, Side], found: Difference, most: int | None
) -> None:
    _pair(db, rules)
    tests = _tests(db, rules, pair)
    flags = ", ".join(f'({test}) AS "d_{column}"' for column, test in tests.items())
    retold = ""
    if "transitions" in tests:
        _retold(db, rules)
        retold = " LEFT JOIN retold r ON r.base_id = p.base_id"
    db.execute(
        f"CREATE TABLE compared AS SELECT p.base_id, p.new_id, {flags} FROM pairs p"
        " JOIN base.connections b ON b.conn_id = p.base_id JOIN new.connections n ON n.conn_id = p.new_id" + retold
    )
    anything = _any(tests)
    counts = db.execute(
        "SELECT (SELECT count(*) FROM pairs WHERE new_id IS NULL), (SELECT count(*) FROM pairs WHERE base_id IS NULL),"
        f" (SELECT count(*) FROM compared WHERE {anything}), (SELECT count(*) FROM compared WHERE NOT ({anything})),"
        f" (SELECT count(*) FROM compared WHERE {_any(column for column in tests if column not in LATER)})"
    ).fetchone()
    assert counts is not None
    found.counts = dict(zip(("gone", "new", "changed", "equal"), counts[:4], strict=True))
    found.telling = found.counts | {"changed": counts[4]}
    for column in tests:
        row = db.execute(f'SELECT count(*) FROM compared WHERE "d_{column}"').fetchone()
        if row and row[0]:
            found.columns[column] = row[0]
    first = "" if most is None else f" LIMIT {most}"
    for kind, side, other in (("gone", "base", "new"), ("new", "new", "base")):
        for row in db.execute(
            f"SELECT p.{side}_id, {_about('c')} FROM pairs p JOIN {side}.connections c ON c.conn_id = p.{side}_id"
            f" WHERE p.{other}_id IS NULL ORDER BY 1{first}"
        ).fetchall():
            base_id, new_id = (row[0], None) if kind == "gone" else (None, row[0])
            found.connections.append(
                Change(kind, "connection", base_id, new_id, dict(zip(_ABOUT, row[1:], strict=True)))
            )
    values = ", ".join(
        f'CASE WHEN "d_{column}" THEN [{_value("b", column)}, {_value("n", column)}] END' for column in tests
    )
    rank = " + ".join(
        f'CASE WHEN "d_{one}" THEN {2 ** (len(STORY) - at)} ELSE 0 END' for at, one in enumerate(STORY) if one in tests
    )
    for row in db.execute(
        f"SELECT d.base_id, d.new_id, {_about('n')}{', ' if values else ''}{values}"
        f" FROM (SELECT *, {rank or '0'} AS rank FROM compared WHERE {anything} ORDER BY rank DESC, base_id{first}) d"
        " JOIN base.connections b ON b.conn_id = d.base_id JOIN new.connections n ON n.conn_id = d.new_id"
        " ORDER BY d.rank DESC, 1"
    ).fetchall():
        told, changed = row[2 : 2 + len(_ABOUT)], row[2 + len(_ABOUT) :]
        change = Change("changed", "connection", row[0], row[1], dict(zip(_ABOUT, told, strict=True)))
        for column, value in zip(tests, changed, strict=True):
            if value is not None:
                change.fields[column] = (value[0], value[1])
        found.connections.append(change)


def _pair(db: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """The table of connections that belong together: base_id and new_id, NULL where the other side has none."""
    keys = ", ".join(KEY)
    for side in ("base", "new"):
        db.execute(
            f"CREATE TABLE {side}_k AS SELECT conn_id, {keys}, row_number() OVER (PARTITION BY {keys} ORDER BY conn_id)"
            f" AS ordinal FROM {side}.connections"
        )
    on = f"{_join(KEY)} AND " + ("b.conn_id = n.conn_id" if rules.by_packet else "b.ordinal = n.ordinal")
    db.execute(
        "CREATE TABLE pairs AS SELECT b.conn_id AS base_id, n.conn_id AS new_id"
        f" FROM base_k b FULL JOIN new_k n ON {on}"
    )


def _tests(db: duckdb.DuckDBPyConnection, rules: Rules, pair: tuple[Side, Side]) -> dict[str, str]:
    """What is compared, and the condition under which it differs."""
    starts = _starts(pair, rules)
    tests: dict[str, str] = {}
    for column in _columns(db, "connections"):
        if column in _NEVER or column in rules.ignore or (column in _NUMBERS and not rules.by_packet):
            continue
        tests[column] = (
            _time_differs(column, starts, rules.tolerance_ns)
            if column in TIMES
            else f"b.{column} IS DISTINCT FROM n.{column}"
        )
    if rules.tolerance_ns and "timeout_left_s" in tests:
        # whole seconds of what was left
        apart = "abs(b.timeout_left_s::HUGEINT - n.timeout_left_s::HUGEINT) * 1000000000"
        tests["timeout_left_s"] = (
            "((b.timeout_left_s IS NULL) <> (n.timeout_left_s IS NULL)"
            f" OR coalesce({apart} >= {rules.tolerance_ns + 10**9}, false))"
        )
    if "master" not in rules.ignore and "master_conn_id" not in rules.ignore:
        tests["master"] = (
            "coalesce((SELECT m.new_id FROM pairs m WHERE m.base_id = b.master_conn_id), -1 - b.master_conn_id, 0)"
            " <> coalesce(n.master_conn_id, 0)"
        )
    if "transitions" not in rules.ignore:
        tests["transitions"] = "r.base_id IS NOT NULL"
    return tests


def _retold(db: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """The table of pairs whose events differ; those of one connection as one text would have to be sorted first."""
    packet = "coalesce('packet ' || packet || ': ', '') || " if rules.by_packet else ""
    for side in ("base", "new"):
        db.execute(
            f"CREATE TABLE {side}_t AS SELECT conn_id, {packet}{_EVENT} AS text,"
            f" row_number() OVER (PARTITION BY conn_id ORDER BY transition_id) AS place FROM {side}.transitions"
        )
    told = (
        "(SELECT p.base_id, t.place, t.text FROM {0}_t t JOIN pairs p ON p.{0}_id = t.conn_id"
        " WHERE p.base_id IS NOT NULL AND p.new_id IS NOT NULL)"
    )
    db.execute(
        f"CREATE TABLE retold AS SELECT DISTINCT base_id FROM {told.format('base')} b FULL JOIN {told.format('new')} n"
        " USING (base_id, place) WHERE b.text IS DISTINCT FROM n.text"
    )


def _any(columns: Iterable[str]) -> str:
    return " OR ".join(f'"d_{column}"' for column in columns) or "false"


def _about(side: str) -> str:
    return ", ".join(f"{side}.{one}::VARCHAR" for one in _ABOUT)


def _value(side: str, column: str) -> str:
    if column == "transitions":
        table = {"b": "base_t", "n": "new_t"}[side]
        return f"(SELECT string_agg(t.text, chr(10) ORDER BY t.place) FROM {table} t WHERE t.conn_id = {side}.conn_id)"
    if column == "master":
        return f"{side}.master_conn_id::VARCHAR"
    return f"{side}.{column}::VARCHAR"


def _packets(db: duckdb.DuckDBPyConnection, rules: Rules, pair: tuple[Side, Side], found: Difference) -> None:
    levels = [str(side.run.get("packets_level")) for side in pair]
    if "none" in levels:
        found.notes.append("packets were not compared: one side was replayed with --packets none")
        return
    if levels != ["all", "all"]:
        found.packet_noun = "notable packet"
    which = "true"
    if levels[0] != levels[1]:
        which = "ctstate IN ('INVALID', 'RELATED', 'UNTRACKED')"
    identity = ", ".join(_PACKET_IDENTITY)
    for side in ("base", "new"):
        db.execute(
            f"CREATE TABLE {side}_p AS SELECT *, row_number() OVER (PARTITION BY {identity} ORDER BY packet) AS ordinal"
            f" FROM {side}.packets WHERE {which}"
        )
    on = "b.packet = n.packet" if rules.by_packet else f"{_join(_PACKET_IDENTITY)} AND b.ordinal = n.ordinal"
    tests = {
        column: f"b.{column} IS DISTINCT FROM n.{column}"
        for column in _columns(db, "packets")
        if column not in _PACKET_NEVER
        and column not in rules.ignore
        and (rules.by_packet or column not in _PACKET_IDENTITY)
    }
    if not {"ts", "first_ts"} & rules.ignore:
        tests["ts"] = _time_differs("ts", _starts(pair, rules), rules.tolerance_ns)
    names = ("proto", "src", "sport", "dst", "dport", "ctstate", "reason", "ts")
    about = ", ".join(f"coalesce(b.{one}, n.{one})::VARCHAR" for one in names)
    either = " OR ".join(f"({test})" for test in tests.values()) or "false"
    values = ", ".join(f"CASE WHEN {test} THEN [b.{one}::VARCHAR, n.{one}::VARCHAR] END" for one, test in tests.items())
    rows = db.execute(
        f"SELECT b.packet, n.packet, {about}{', ' if values else ''}{values} FROM base_p b FULL JOIN new_p n ON {on}"
        f" WHERE b.packet IS NULL OR n.packet IS NULL OR {either}"
        " ORDER BY coalesce(n.packet, b.packet), n.packet, b.packet"
    ).fetchall()
    counts = {"gone": 0, "new": 0, "changed": 0}
    for row in rows:
        kind = "new" if row[0] is None else "gone" if row[1] is None else "changed"
        counts[kind] += 1
        change = Change(kind, "packet", row[0], row[1], dict(zip(names, row[2 : 2 + len(names)], strict=True)))
        if kind == "changed":
            for column, value in zip(tests, row[2 + len(names) :], strict=True):
                if value is not None:
                    change.fields[column] = (value[0], value[1])
                    found.packet_columns[column] = found.packet_columns.get(column, 0) + 1
        found.packets.append(change)
    if rows:
        found.packet_counts = counts


def _expectations(db: duckdb.DuckDBPyConnection, rules: Rules, found: Difference) -> None:
    columns = [one for one in _columns(db, "expectations") if one not in _EXPECTATION_NEVER | rules.ignore]
    listed = ", ".join(f'"{one}"' for one in columns)
    for kind, side, other in (("gone", "base", "new"), ("new", "new", "base")):
        for row in db.execute(
            f"SELECT COLUMNS(*)::VARCHAR FROM (SELECT {listed} FROM {side}.expectations"
            f" EXCEPT ALL SELECT {listed} FROM {other}.expectations) ORDER BY ALL"
        ).fetchall():
            about: dict[str, Any] = dict(zip(columns, row, strict=True))
            found.expectations.append(Change(kind, "expectation", None, None, about))
            found.expectation_counts[kind] = found.expectation_counts.get(kind, 0) + 1


def _counters(db: duckdb.DuckDBPyConnection, pair: Sequence[Side], found: Difference) -> None:
    for name, base, new in db.execute(
        "SELECT coalesce(b.name, n.name), b.value, n.value FROM base.stats b FULL JOIN new.stats n USING (name)"
        " WHERE coalesce(b.value, 0) <> coalesce(n.value, 0) ORDER BY 1"
    ).fetchall():
        found.counters[name] = (base, new)
    peaks = tuple(int(side.run.get("peak_entries") or 0) for side in pair)
    if peaks[0] != peaks[1]:
        found.counters["peak_entries"] = (peaks[0], peaks[1])
