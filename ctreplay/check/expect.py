"""The short forms of `expect:` and the SQL that each stands for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ctreplay import reasons
from ctreplay.check.model import Count, Expect

MODIFIERS = ("where", "is", "empty_ok")

CONNECTION_COLUMNS = (
    "conn_id, proto, orig_src, orig_sport, orig_dst, orig_dport, "
    "state, end_reason, assured, orig_packets, reply_packets"
)
PACKET_COLUMNS = (
    "packet, frame, proto, src, sport, dst, dport, ctstate, reason, margin, coalesce(conn_id, tuple_conn_id) AS conn_id"
)
_COLUMNS = {
    "connections": (CONNECTION_COLUMNS, "conn_id"),
    "packets": (PACKET_COLUMNS, "packet"),
    "transitions": (
        "transition_id, packet, conn_id, event, direction, old_state, new_state, changes, timeout_s, reason",
        "transition_id",
    ),
    "expectations": (
        "expectation_id, created_packet AS packet, helper, proto, src, dst, dport, end_reason, "
        "master_conn_id AS conn_id, child_conn_id",
        "expectation_id",
    ),
    "expectation_events": ("event_id, ts, packet, expectation_id, event, reason", "event_id"),
    "occupancy": ("ts, entries, peak, inserts, destroys, early_drops, full_drops, assured, unreplied", "ts"),
    "stats": ("name, value, description", "name"),
    "captures": (
        "capture, path, interface_name, packets, reordered, truncated, kernel_drops, duplicates, undecodable, damaged",
        "capture",
    ),
}

# the short names are those that packets and conntrack's filters have for the original direction
CONNECTIONS = (
    "(SELECT *, orig_src AS src, orig_dst AS dst, orig_sport AS sport, orig_dport AS dport FROM connections) c"
)

# counters that the table stats always holds; a reason has a row only where it was met
COUNTERS = (
    "found", "invalid", "insert", "insert_failed", "drop", "early_drop", "error", "search_restart", "clash_resolve",
    "chaintoolong", "expect_new", "expect_create", "expect_delete", "helper_drops", "helper_failures", "packets",
    "tracked", "fragments", "reassembled", "fragment_timeouts", "fragment_pending", "late", "undecodable",
)  # fmt: skip
REASON_COUNTERS = tuple(f"reason.{name}" for name, _, _ in reasons.TABLE if name)
# named by their protocol when they are met
_ETHERTYPE = re.compile(r"reason\.ethertype 0x[0-9a-f]{4}")


def is_counter(name: str) -> bool:
    """Whether the table stats can hold a counter of this name."""
    return name in COUNTERS or name in REASON_COUNTERS or _ETHERTYPE.fullmatch(name) is not None


# An entry was cut when it timed out although its conversation went on: what comes next on the same tuple is an entry
# without a SYN (TCP: picked up mid-stream; UDP after a reply: any new entry), or a packet without one that is no SYN.
# Only what comes next: an entry that a SYN opened, and what is INVALID on it or after it, is another conversation.
_CUT = """
    end_reason = 'timeout'
    AND (state IS NULL AND seen_reply OR state IN ('ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT'))
    AND (SELECT arg_min(goes_on, packet) FROM (
        SELECT later.first_packet AS packet, later.midstream OR later.protonum <> 6 AS goes_on FROM connections later
        WHERE later.protonum = c.protonum AND later.zone = c.zone AND later.first_ts >= c.end_ts
          AND ((later.orig_src, later.orig_dst, coalesce(later.orig_sport, 0), coalesce(later.orig_dport, 0))
                = (c.orig_src, c.orig_dst, coalesce(c.orig_sport, 0), coalesce(c.orig_dport, 0))
            OR (later.orig_src, later.orig_dst, coalesce(later.orig_sport, 0), coalesce(later.orig_dport, 0))
                = (c.reply_src, c.reply_dst, coalesce(c.reply_sport, 0), coalesce(c.reply_dport, 0)))
          AND later.icmp_id IS NOT DISTINCT FROM c.icmp_id
        UNION ALL
        SELECT p.packet, true FROM packets p
        WHERE p.proto = c.proto AND p.ctstate = 'INVALID' AND p.ts >= c.end_ts
          AND p.conn_id IS NULL AND p.tuple_conn_id IS NULL
          AND (p.tcp_flags IS NULL OR (p.tcp_flags & 2) = 0)
          AND ((p.src, p.dst, coalesce(p.sport, 0), coalesce(p.dport, 0))
                = (c.orig_src, c.orig_dst, coalesce(c.orig_sport, 0), coalesce(c.orig_dport, 0))
            OR (p.src, p.dst, coalesce(p.sport, 0), coalesce(p.dport, 0))
                = (c.reply_src, c.reply_dst, coalesce(c.reply_sport, 0), coalesce(c.reply_dport, 0)))))
"""


@dataclass(frozen=True, slots=True)
class Form:
    """`takes`: count, values, condition or name (a counter, with `is`)."""

    takes: str
    modifiers: tuple[str, ...]
    doc: str
    describe: Callable[[Expect], str]


def _number(count: Count | None) -> str:
    assert count is not None
    return count.text


def _where(expect: Expect) -> str:
    return f" where {' '.join(expect.where.split())}" if expect.where else ""


def _rows(table: str) -> Callable[[Expect], str]:
    return lambda e: f"{table}{_where(e)}: {_number(e.count)}"


FORMS: dict[str, Form] = {
    "invalid_packets": Form(
        "count",
        ("where",),
        "number of INVALID packets",
        lambda e: (
            ("no INVALID packets" if e.count == Count("0", 0, 0) else f"INVALID packets: {_number(e.count)}")
            + _where(e)
        ),
    ),
    "idle_cut": Form(
        "count",
        ("where",),
        "number of connections whose entry timed out although the conversation went on",
        lambda e: (
            ("no connection cut while idle" if e.count == Count("0", 0, 0) else f"cut while idle: {_number(e.count)}")
            + _where(e)
        ),
    ),
    "peak_entries": Form(
        "count", (), "most entries that were live at once", lambda e: f"peak table size: {_number(e.count)}"
    ),
    "reaches": Form(
        "values",
        ("where", "empty_ok"),
        "every connection (that `where` selects) reaches this state, or one of these",
        lambda e: f"every connection{_where(e)} reaches {' or '.join(e.values)}",
    ),
    "every": Form(
        "condition",
        ("where", "empty_ok"),
        "every connection (that `where` selects) satisfies this condition",
        lambda e: f"every connection{_where(e)}: {' '.join(e.condition.split())}",
    ),
    "states": Form(
        "values",
        ("where", "empty_ok"),
        "the allowed last states of the connections",
        lambda e: f"last state{_where(e)}: {', '.join(e.values)}",
    ),
    "end_reasons": Form(
        "values",
        ("where", "empty_ok"),
        "the allowed end reasons of the connections",
        lambda e: f"end reason{_where(e)}: {', '.join(e.values)}",
    ),
    "counter": Form(
        "name", ("is",), "a counter of the table stats, with `is`", lambda e: f"{e.values[0]}: {_number(e.count)}"
    ),
    "connections": Form("count", ("where",), "number of connections", _rows("connections")),
    "packets": Form("count", ("where",), "number of rows in packets (see `packets: all`)", _rows("packets")),
    "transitions": Form("count", ("where",), "number of transitions", _rows("transitions")),
    "expectations": Form("count", ("where",), "number of expectations", _rows("expectations")),
    "expectation_events": Form("count", ("where",), "number of events of expectations", _rows("expectation_events")),
    "occupancy": Form("count", ("where",), "number of seconds in which something happened", _rows("occupancy")),
    "stats": Form("count", ("where",), "number of counters", _rows("stats")),
    "captures": Form("count", ("where",), "number of capturing interfaces", _rows("captures")),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """SQL of a short form: `count` gives one number, `rows` what to show; `subject` names what is counted.

    `total`, where given, counts what the assertion speaks of: none at all would prove nothing.
    """

    count: str
    rows: str
    subject: str
    total: str = ""


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _condition(*parts: str) -> str:
    given = [f"(\n{part}\n)" for part in parts if part]
    return " WHERE " + " AND ".join(given) if given else ""


def _plan(table: str, condition: str, subject: str) -> Plan:
    columns, order = _COLUMNS[table]
    source = CONNECTIONS if table == "connections" else table
    return Plan(
        f"SELECT count(*) FROM {source}{condition}",
        f"SELECT {columns} FROM {source}{condition} ORDER BY {order}",
        subject,
    )


def plan(expect: Expect) -> Plan:
    """The SQL of a short form. For reaches, every, states and end_reasons the rows are those that break it."""
    where = expect.where
    match expect.form:
        case "invalid_packets":
            return _plan("packets", _condition("ctstate = 'INVALID'", where), "INVALID packets")
        case "idle_cut":
            return _plan("connections", _condition(_CUT, where), "connections cut while idle")
        case "peak_entries":
            return Plan(
                "SELECT coalesce(max(peak), 0) FROM occupancy",
                "SELECT ts, entries, peak, tcp, udp, assured, unreplied FROM occupancy ORDER BY peak DESC, ts LIMIT 1",
                "entries at the peak",
            )
        case "counter":
            name = _text(expect.values[0])
            return Plan(
                f"SELECT coalesce((SELECT value FROM stats WHERE name = {name}), 0)",
                f"SELECT name, value, description FROM stats WHERE name = {name}",
                expect.values[0],
            )
        case table if table in _COLUMNS:
            return _plan(table, _condition(where), table)
    values = ", ".join(_text(value) for value in expect.values)
    good = {
        "reaches": "EXISTS (SELECT 1 FROM transitions t WHERE t.conn_id = c.conn_id"
        f" AND t.new_state::VARCHAR IN ({values}))",
        "every": expect.condition,
        "states": f"coalesce(state::VARCHAR, 'none') IN ({values})",
        "end_reasons": f"end_reason IN ({values})",
    }[expect.form]
    scope = where or ("state IS NOT NULL" if expect.form == "reaches" else "")
    made = _plan("connections", _condition(scope, f"({good}\n) IS NOT TRUE"), "connections break it")
    return Plan(made.count, made.rows, made.subject, f"SELECT count(*) FROM {CONNECTIONS}{_condition(scope)}")
