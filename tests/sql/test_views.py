"""Views, macros, their documentation, and other tools' names."""

from __future__ import annotations

import ipaddress

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctreplay.sql import macros
from ctreplay.sql.catalog import bare, catalog
from ctreplay.sql.connection import STATE_ORDER, connect
from ctreplay.tracker import codes


@pytest.fixture(scope="module")
def db():
    with bare() as found:
        yield found


def one(db, sql, *values):
    return db.execute(f"SELECT {sql}", list(values)).fetchone()[0]


def test_everything_is_documented(db):
    for relation in catalog(db):
        assert relation.doc, relation.name
        for column in relation.columns:
            assert column.doc, f"{relation.name}.{column.name}"
    for macro in (*macros.MACROS, *macros.TABLE_MACROS):
        assert macro.doc


def test_states_of_the_tracker_are_all_ordered():
    assert set(codes.STATES) == set(STATE_ORDER)


def test_comments(replayed):
    db = connect([replayed("tftp.pcap")], comments=True)
    for kind, name in (("duckdb_views()", "view_name"), ("duckdb_tables()", "table_name")):
        rows = db.execute(f"SELECT {name}, comment FROM {kind} WHERE schema_name = 'main' AND NOT internal").fetchall()
        assert rows and all(row[1] for row in rows), [row for row in rows if not row[1]]
    rows = db.execute("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal").fetchall()
    assert all(row[2] for row in rows), [row for row in rows if not row[2]]


def test_state_sorts_by_life(replayed):
    db = connect([replayed("table_pressure.pcap.zst")])
    states = [
        row[0]
        for row in db.execute("SELECT DISTINCT state FROM conns WHERE state IS NOT NULL ORDER BY state").fetchall()
    ]
    assert states == [state for state in STATE_ORDER if state in states]


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@settings(max_examples=60, deadline=None)
@given(ADDRESSES, ADDRESSES, st.integers(0, 128))
def test_ip_macros_agree_with_the_standard_library(db, address, net, length):
    import socket

    # as the dataset writes addresses
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    text = socket.inet_ntop(family, address.packed)
    mapped = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    assert one(db, "ip_hex(?)", text) == mapped.hex()
    assert one(db, "ip_key(?)", text) == mapped
    # sometimes a network that really holds the address
    length = length % (net.max_prefixlen + 1)
    for base in (net, address):
        network = ipaddress.ip_network((base, length % (base.max_prefixlen + 1)), strict=False)
        expected = address.version == network.version and address in network
        if address.version == 6 and address.ipv4_mapped and network.version == 4:
            continue
        if address.version == 4 and network.version == 6 and network.overlaps(ipaddress.ip_network("::ffff:0:0/96")):
            continue
        assert one(db, "ip_in(?, ?)", text, str(network)) is expected
        assert one(db, "ip_in(?::BLOB, ?)", mapped, str(network)) is expected


def test_ip_in_refuses_nonsense(db):
    import duckdb

    for cidr in ("10.0.0.0/33", "10.0.0.0/x", "nonsense", "2001:db8::/129", "10.0.0/8"):
        with pytest.raises(duckdb.Error, match=r"not a network|not an IP address"):
            one(db, "ip_in('10.0.0.1', ?)", cidr)
    assert one(db, "ip_in(NULL, '10.0.0.0/8')") is None


@pytest.mark.parametrize(
    ("ip", "net"),
    [
        ("10.1.2.3", "10.1.2.0/24"), ("2001:db8::1", "2001:db8::/64"), ("fe80::1", "fe80::/64"), ("::1", "::/64"),
        ("2001:db8:1:2:3::1", "2001:db8:1:2::/64"), ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
    ],
)  # fmt: skip
def test_same24(db, ip, net):
    assert one(db, "same24(?)", ip) == net
    assert one(db, "same24(ip_key(?))", ip) == net


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"), (350, "350 ns"), (1250, "1.25 µs"), (12_345_678, "12.3 ms"), (12_000_000_000, "12.0 s"),
        (350_000_000_000, "5m 50s"), (7_380_000_000_000, "2h 03m"), (432_000_000_000_000, "5d 00h"),
        (-65_000_000_000, "-1m 05s"), (999_499, "999 µs"), (999_500, "1 ms"), (-999_500_000, "-1.0 s"),
    ],
)  # fmt: skip
def test_dur(db, ns, text):
    assert one(db, "dur(?::BIGINT)", ns) == text


def test_table_at_an_instant_is_the_exact_table(replayed):
    """ct_at against `ctreplay list --at`, which replays: same entries, states, and times left where it says exact."""
    from ctreplay.timetravel.instant import Instant
    from ctreplay.timetravel.origin import find
    from ctreplay.timetravel.travel import travel

    for name, level in (("tuple_reuse.pcap", "all"), ("idle_timeout.pcap", "notable"), ("udp_stream.pcap", "all")):
        dataset = replayed(name, level)
        db = connect([dataset])
        first, last = db.execute("SELECT epoch_ns(min(first_ts)), epoch_ns(max(last_ts)) FROM connections").fetchone()
        for share in (0.1, 0.37, 0.5, 0.83, 0.999):
            at = first + int((last - first) * share)

            def entries(trip, at=at):
                trip.to(Instant("epoch", at))
                now = trip.now
                return {e.conn_id: (e.deadline - now) // 1_000_000_000 for e in trip.engine.tracker.table.entries()}

            expected = travel(find([dataset], {}), entries)
            rows = db.execute(
                "SELECT conn_id, remaining_s, remaining_exact FROM ct_at(make_timestamp_ns(?::BIGINT))", [at]
            ).fetchall()
            assert {row[0] for row in rows} == set(expected), (name, share)
            for conn_id, remaining, exact in rows:
                if exact:
                    assert remaining == expected[conn_id], (name, share, conn_id)
                elif remaining is not None:
                    assert expected[conn_id] - remaining in (0, 1)


def test_ct_line(replayed):
    db = connect([replayed("tftp.pcap")])
    lines = [
        row[0]
        for row in db.execute("SELECT ct_line(c) FROM ct_at((SELECT max(last_ts) FROM connections)) c").fetchall()
    ]
    assert any(line.startswith("udp      17 ") and " [UNREPLIED] src=" in line for line in lines)
    assert all(line.endswith(" mark=0 use=1") for line in lines)


def states(db):
    return dict(db.execute('SELECT "id.orig_p"::BIGINT || \'-\' || "id.resp_p", conn_state FROM zeek_conn').fetchall())


def test_zeek_conn_states(replayed):
    found = states(connect([replayed("half_open.pcap")]))
    by_port = {key.rpartition("-")[2]: value for key, value in found.items()}
    assert by_port["81"] == "S0" and by_port["82"] == "S1" and by_port["83"] == "REJ"
    db = connect([replayed("http_keepalive_reset.pcap")])
    rows = db.execute("SELECT conn_state, history FROM zeek_conn ORDER BY ts").fetchall()
    assert rows[0] == ("SF", "ShADadFf") or rows[0][0] == "SF"
    assert "RSTR" in {row[0] for row in rows}
    assert all(row[1] and row[1].startswith("Sh") for row in rows)
    # history needs every packet
    db = connect([replayed("http_keepalive_reset.pcap", "notable")])
    assert {row[0] for row in db.execute("SELECT history FROM zeek_conn").fetchall()} == {None}
    midstream = connect([replayed("midstream.pcap")])
    assert {row[0] for row in midstream.execute("SELECT conn_state FROM zeek_conn WHERE proto = 'tcp'").fetchall()} == {
        "OTH"
    }


def test_foreign_views_hold_every_connection(replayed):
    db = connect([replayed("ipv6_mixed.pcap")])
    count = one(db, "count(*) FROM connections")
    for name in ("zeek_conn", "ecs_flow", "ocsf_network_activity", "ipfix_biflow", "eve_flow"):
        assert one(db, f"count(*) FROM {name}") == count
    reasons = dict(db.execute('SELECT "flowEndReason", count(*) FROM ipfix_biflow GROUP BY 1').fetchall())
    assert set(reasons) <= {1, 3, 4, 5}


def test_entries_over_time_peak_is_that_of_the_run(replayed):
    from ctreplay.sql import read_run

    dataset = replayed("table_pressure.pcap.zst")
    assert one(connect([dataset]), "max(entries) FROM entries_over_time") == read_run(dataset)["peak_entries"]


def test_several_datasets_keep_apart(replayed):
    db = connect([replayed("tftp.pcap"), replayed("sctp.pcap")])
    for name in ("conns", "pkts", "events", "lives", "reasons", "zeek_conn", "state_spans"):
        columns = [row[0] for row in db.execute(f"DESCRIBE {name}").fetchall()]
        assert columns[0] == "run"
    assert one(db, "count(*) FROM events") == one(db, "count(*) FROM transitions")
    rows = db.execute("SELECT DISTINCT run FROM ct_at((SELECT min(first_ts) FROM connections))").fetchall()
    assert len(rows) <= 2
    assert [row[1] for row in db.execute("FROM runs ORDER BY position").fetchall()] == ["tftp", "sctp"]


def test_macros_do_not_mind_the_names_of_a_query(replayed):
    db = connect([replayed("tftp.pcap")])
    names = ("t", "g", "p", "v", "x", "h", "s", "i")
    for name in names:
        row = db.execute(
            f"SELECT same24({name}.orig_src), ip_in({name}.orig_src, '10.0.0.0/8'), ip_hex({name}.orig_src), "
            f"dur(epoch_ns({name}.last_ts)) FROM connections {name} LIMIT 1"
        ).fetchone()
        assert row[:3] == ("10.1.0.0/24", True, "00000000000000000000ffff0a01000a")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("'2026-01-01T00:00:00.123456789+05:00'", "2025-12-31 19:00:00.123456789"),
        ("'2026-01-01 00:00:00-0530'", "2026-01-01 05:30:00"),
        ("'2026-01-01 00:00 +02'", "2025-12-31 22:00:00"),
        ("'2026-01-01T00:00:00Z'", "2026-01-01 00:00:00"),
        ("'2026-01-01 00:00:00 UTC'", "2026-01-01 00:00:00"),
        ("'2026-01-01'", "2026-01-01 00:00:00"),
        ("TIMESTAMPTZ '2026-01-01 00:00:00+05:00'", "2025-12-31 19:00:00"),
        ("TIMESTAMP_NS '2026-01-01 00:00:00.123456789'", "2026-01-01 00:00:00.123456789"),
    ],
)
def test_an_instant_obeys_its_offset(replayed, text, utc):
    db = connect([replayed("tftp.pcap")])
    assert db.execute(f"SELECT instant({text})::VARCHAR").fetchall() == [(utc,)]
    assert one(db, "instant(NULL) IS NULL") is True
    with pytest.raises(duckdb.Error, match="no offset such as"):
        db.execute("SELECT instant('2026-01-01 00:00:00 Europe/Berlin')")


def test_ct_at_obeys_the_offset_of_its_text(replayed):
    db = connect([replayed("tftp.pcap")])
    moment = one(db, "(max(first_ts) + INTERVAL 5 HOURS)::VARCHAR FROM connections")
    alive = one(db, "count(*) FROM ct_at((SELECT max(first_ts) FROM connections))")
    assert alive > 0
    assert one(db, f"count(*) FROM ct_at('{moment}+05:00')") == alive
    assert one(db, f"count(*) FROM ct_at('{moment}')") == 0
