"""Macros: addresses, durations and text, the table at an instant. Documented here, shown by `ctreplay schema`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Macro:
    """`signature` as called; `sql` its body, with {s} where the dataset's schema goes."""

    signature: str
    doc: str
    sql: str

    @property
    def name(self) -> str:
        return self.signature.partition("(")[0]


MACROS: tuple[Macro, ...] = (
    Macro(
        "ct_v6_hex(ip)",
        "32 hex digits of an IPv6 address in text without a dotted end (for ip_hex)",
        """list_transform([ip], lambda ct_t: array_to_string(list_transform(list_filter(string_split(
            replace(ct_t, '::', ':' || repeat('0:',
                8 - len(list_filter(string_split(ct_t, ':'), lambda ct_g: ct_g <> '')))), ':'),
            lambda ct_g: ct_g <> ''), lambda ct_g: lpad(lower(ct_g), 4, '0')), ''))[1]""",
    ),
    Macro(
        "ct_v4_hex(ip)",
        "8 hex digits of an IPv4 address in text (for ip_hex)",
        """list_transform([string_split(ip, '.')], lambda ct_p: format('{:02x}{:02x}{:02x}{:02x}',
            ct_p[1]::UTINYINT, ct_p[2]::UTINYINT, ct_p[3]::UTINYINT, ct_p[4]::UTINYINT))[1]""",
    ),
    Macro(
        "ip_hex(ip)",
        "32 hex digits of an address (text of either family, or a 16-byte key): sorts and compares like the address; "
        "IPv4 is mapped (::ffff:0:0/96)",
        """list_transform([ip], lambda ct_v: CASE WHEN ct_v IS NULL THEN NULL
            WHEN typeof(ct_v) = 'BLOB' THEN lower(hex(ct_v))
            WHEN regexp_full_match(ct_v::VARCHAR, '[0-9]{1,3}(\\.[0-9]{1,3}){3}')
                THEN '00000000000000000000ffff' || ct_v4_hex(ct_v::VARCHAR)
            WHEN regexp_full_match(ct_v::VARCHAR, '[0-9a-fA-F:]*:[0-9.]+\\.[0-9.]+') THEN left(ct_v6_hex(
                regexp_replace(ct_v::VARCHAR, '[0-9.]+$', '0:0')), 24)
                || ct_v4_hex(regexp_extract(ct_v::VARCHAR, '[0-9.]+$'))
            WHEN regexp_full_match(ct_v::VARCHAR, '[0-9a-fA-F:]*:[0-9a-fA-F:]*') THEN ct_v6_hex(ct_v::VARCHAR)
            ELSE error('not an IP address: ' || ct_v::VARCHAR) END)[1]""",
    ),
    Macro(
        "ip_key(ip)",
        "the 16-byte key of an address in text, to compare with the *_key columns",
        "unhex(ip_hex(ip))",
    ),
    Macro(
        "ip_in(ip, cidr)",
        "whether an address (text or 16-byte key) lies in a network such as '10.0.0.0/8' or '2001:db8::/32'; one "
        "without /length means itself; IPv4 matches IPv6 networks only as ::ffff:0:0/96",
        """list_transform([{'a': ip_hex(ip), 'n': ip_hex(split_part(cidr, '/', 1)),
                'low': CASE WHEN contains(cidr, ':') THEN 0 ELSE 96 END,
                'bits': CASE WHEN contains(cidr, ':') THEN 0 ELSE 96 END +
                    CASE WHEN contains(cidr, '/') THEN TRY_CAST(split_part(cidr, '/', 2) AS INT)
                         WHEN contains(cidr, ':') THEN 128 ELSE 32 END}],
            lambda ct_x: CASE WHEN ct_x.a IS NULL THEN NULL
                WHEN ct_x.bits IS NULL OR ct_x.bits < ct_x.low OR ct_x.bits > 128 THEN error('not a network: ' || cidr)
                ELSE left(ct_x.a, ct_x.bits // 4) = left(ct_x.n, ct_x.bits // 4) AND (ct_x.bits % 4 = 0 OR
                    ((instr('0123456789abcdef', substr(ct_x.a, ct_x.bits // 4 + 1, 1)) - 1) >> (4 - ct_x.bits % 4)) =
                    ((instr('0123456789abcdef', substr(ct_x.n, ct_x.bits // 4 + 1, 1)) - 1) >> (4 - ct_x.bits % 4)))
                END)[1]""",
    ),
    Macro(
        "same24(ip)",
        "the neighbourhood of an address, to group by: the /24 of IPv4, the /64 of IPv6, as text",
        """list_transform([ip_hex(ip)], lambda ct_h: CASE WHEN ct_h IS NULL THEN NULL
            WHEN left(ct_h, 24) = '00000000000000000000ffff' THEN format('{}.{}.{}.0/24', ('0x' || ct_h[25:26])::INT,
                ('0x' || ct_h[27:28])::INT, ('0x' || ct_h[29:30])::INT)
            ELSE regexp_replace(format('{:x}:{:x}:{:x}:{:x}', ('0x' || ct_h[1:4])::INT, ('0x' || ct_h[5:8])::INT,
                ('0x' || ct_h[9:12])::INT, ('0x' || ct_h[13:16])::INT), '(^|:)0(:0)*$', '') || '::/64' END)[1]""",
    ),
    Macro(
        "dur(ns)",
        "nanoseconds as people say them: '350 ns', '1.25 ms', '12.0 s', '5m 50s', '2h 03m', '5d 00h'",
        """CASE WHEN ns IS NULL THEN NULL
            WHEN abs(ns) < 1000 THEN format('{} ns', ns::BIGINT)
            WHEN abs(ns) < 999500 THEN format('{:.3g} µs', ns / 1e3)
            WHEN abs(ns) < 999500000 THEN format('{:.3g} ms', ns / 1e6)
            WHEN abs(ns) < 60000000000::BIGINT THEN format('{:.1f} s', ns / 1e9)
            ELSE CASE WHEN ns < 0 THEN '-' ELSE '' END || list_transform([abs(ns)::BIGINT // 1000000000],
                lambda ct_s: CASE
                WHEN ct_s < 3600 THEN format('{}m {:02d}s', ct_s // 60, ct_s % 60)
                WHEN ct_s < 86400 THEN format('{}h {:02d}m', ct_s // 3600, ct_s % 3600 // 60)
                ELSE format('{}d {:02d}h', ct_s // 86400, ct_s % 86400 // 3600) END)[1] END""",
    ),
    Macro(
        "seconds(a, b)",
        "seconds from timestamp a to timestamp b, as DOUBLE (exact arithmetic: epoch_ns(b) - epoch_ns(a))",
        "(epoch_ns(b) - epoch_ns(a)) / 1e9",
    ),
    Macro(
        "instant(t)",
        "TIMESTAMP_NS in UTC of a timestamp or of ISO 8601 text, whose offset a plain cast would ignore",
        """list_transform([t], lambda ct_t: make_timestamp_ns(epoch_ns(ct_t::TIMESTAMP_NS) - CASE
            WHEN typeof(ct_t) <> 'VARCHAR' OR ct_t IS NULL THEN 0
            WHEN regexp_matches(ct_t::VARCHAR, ':[0-9.]+\\s*[+-][0-9]{2}(:?[0-9]{2})?\\s*$') THEN list_transform(
                [regexp_extract(ct_t::VARCHAR, '([+-])([0-9]{2}):?([0-9]{2})?\\s*$', ['sign', 'hours', 'minutes'])],
                lambda ct_z: (ct_z.sign || '1')::BIGINT * 60000000000
                    * (60 * ct_z.hours::BIGINT + coalesce(TRY_CAST(ct_z.minutes AS BIGINT), 0)))[1]
            WHEN regexp_matches(ct_t::VARCHAR, '[0-9]\\s*[A-Za-z_]+(/[A-Za-z_/]+)?\\s*$')
                AND NOT regexp_matches(ct_t::VARCHAR, '[0-9]\\s*(Z|z|UTC)\\s*$')
                THEN error('not UTC and no offset such as +05:00: ' || ct_t::VARCHAR)
            ELSE 0 END))[1]""",
    ),
    Macro(
        "endpoint(ip, port)",
        "'10.0.0.1:80', '[2001:db8::1]:80', without a port just the address",
        """CASE WHEN port IS NULL THEN ip::VARCHAR
            WHEN contains(ip::VARCHAR, ':') THEN '[' || ip || ']:' || port ELSE ip || ':' || port END""",
    ),
    Macro(
        "flow(proto, src, sport, dst, dport)",
        "'tcp 10.0.0.1:4711 > 10.0.0.2:80'",
        "proto || ' ' || endpoint(src, sport) || ' > ' || endpoint(dst, dport)",
    ),
    Macro(
        "tcp_flags_text(flags)",
        "TCP flags in tcpdump's letters: 'S', 'S.', '.', 'P.', 'F.', 'R'",
        """CASE WHEN flags IS NULL THEN NULL WHEN flags & 63 = 0 THEN 'none' ELSE
            concat(CASE WHEN flags & 1 > 0 THEN 'F' END, CASE WHEN flags & 2 > 0 THEN 'S' END,
                   CASE WHEN flags & 4 > 0 THEN 'R' END, CASE WHEN flags & 8 > 0 THEN 'P' END,
                   CASE WHEN flags & 32 > 0 THEN 'U' END, CASE WHEN flags & 16 > 0 THEN '.' END) END""",
    ),
    Macro(
        "ct_line(c)",
        "a row of ct_at as a line of `conntrack -L` (without use= of masters and without helper=): "
        "SELECT ct_line(c) FROM ct_at('2026-01-01 12:00:00') c",
        """concat(CASE WHEN c.proto IN ('tcp','udp','udplite','icmp','icmpv6','sctp','gre')
                    THEN rpad(c.proto, 8, ' ') ELSE 'unknown ' END, ' ', c.protonum, ' ',
                    coalesce(c.remaining_s::VARCHAR, '?'),
            CASE WHEN c.state IS NOT NULL THEN ' ' || c.state::VARCHAR END,
            ' src=', c.orig_src, ' dst=', c.orig_dst,
            CASE WHEN c.icmp_type IS NOT NULL
                 THEN ' type=' || c.icmp_type || ' code=' || c.icmp_code || ' id=' || c.icmp_id
                 WHEN c.proto = 'gre' THEN ' srckey=0x0 dstkey=0x0'
                 WHEN c.orig_sport IS NOT NULL THEN ' sport=' || c.orig_sport || ' dport=' || c.orig_dport END,
            CASE WHEN NOT c.seen_reply THEN ' [UNREPLIED]' END,
            ' src=', c.reply_src, ' dst=', c.reply_dst,
            CASE WHEN c.icmp_type IS NOT NULL
                 THEN ' type=' || icmp_answer(c.proto, c.icmp_type) || ' code=' || c.icmp_code || ' id=' || c.icmp_id
                 WHEN c.proto = 'gre' THEN ' srckey=0x0 dstkey=0x0'
                 WHEN c.reply_sport IS NOT NULL THEN ' sport=' || c.reply_sport || ' dport=' || c.reply_dport END,
            CASE WHEN c.assured THEN ' [ASSURED]' END, ' mark=', c.mark,
            CASE WHEN c.zone <> 0 THEN ' zone=' || c.zone END, ' use=1')""",
    ),
    Macro(
        "icmp_answer(proto, type)",
        "the ICMP type that answers a request type (the reply tuple's type)",
        """CASE proto WHEN 'icmp' THEN CASE type WHEN 8 THEN 0 WHEN 0 THEN 8 WHEN 13 THEN 14 WHEN 14 THEN 13
              WHEN 15 THEN 16 WHEN 16 THEN 15 WHEN 17 THEN 18 WHEN 18 THEN 17 ELSE type END
            ELSE CASE type WHEN 128 THEN 129 WHEN 129 THEN 128 WHEN 139 THEN 140 WHEN 140 THEN 139 ELSE type END END""",
    ),
)

# the subqueries have the moment worked out once, not for every row
_AT = """
    SELECT c.* EXCLUDE (state, status, seen_reply, assured, timeout_left_s),
        l.state, l.status, l.status & 2 > 0 AS seen_reply, l.status & 4 > 0 AS assured,
        CASE WHEN d.exact THEN (d.deadline_ns - epoch_ns(moment)) // 1000000000
             WHEN p.timeout_s IS NOT NULL AND (SELECT value = 'all' FROM {s}run_info WHERE name = 'packets_level')
                THEN p.timeout_s - (epoch_ns(moment) - epoch_ns(p.ts) + 999999999) // 1000000000
             -- up to a second too little: timeout_left_s is whole seconds
             WHEN d.deadline_ns IS NOT NULL THEN greatest((d.deadline_ns - epoch_ns(moment)) // 1000000000, 0)
             END AS remaining_s,
        (coalesce(d.exact, false) OR (SELECT value = 'all' FROM {s}run_info WHERE name = 'packets_level'))
            AS remaining_exact
    FROM (SELECT *, (SELECT instant(t)) AS moment FROM {s}connections WHERE first_ts <= (SELECT instant(t))
            AND (end_ts > (SELECT instant(t)) OR (end_reason = 'capture_end'
                AND epoch_ns(end_ts) + timeout_left_s * 1000000000 >= epoch_ns((SELECT instant(t)))))) c
    JOIN (SELECT conn_id, arg_max(new_state, transition_id) FILTER (new_state IS NOT NULL) AS state,
                 arg_max(new_status, transition_id) AS status
          FROM {s}transitions WHERE ts <= (SELECT instant(t)) GROUP BY conn_id) l USING (conn_id)
    LEFT JOIN (SELECT conn_id, arg_max(timeout_s, packet) AS timeout_s, arg_max(ts, packet) AS ts FROM {s}packets
          WHERE refreshed AND conn_id IS NOT NULL AND ts <= (SELECT instant(t)) GROUP BY conn_id) p USING (conn_id)
    LEFT JOIN (SELECT conn_id, epoch_ns(end_ts) + CASE WHEN end_reason = 'capture_end' THEN timeout_left_s * 1000000000
                 ELSE 0 END AS deadline_ns, end_reason = 'timeout' AS exact FROM {s}connections
          WHERE last_ts <= (SELECT instant(t)) AND end_reason IN ('timeout', 'capture_end')) d USING (conn_id)"""

TABLE_MACROS: tuple[Macro, ...] = (
    Macro(
        "ct_at(t)",
        "the table at an instant (text, UTC unless it has an offset, or TIMESTAMP_NS): connections alive at t with "
        "their state, seen_reply and assured of then, remaining_s and remaining_exact. Which entries were alive and in "
        "which state is exact, behind the capture's last packet to the second; remaining_s is known with --packets "
        "all, and for entries that no later packet renewed (remaining_exact: to the second), else null. "
        "`ctreplay list --at T` is exact always",
        f"SELECT * EXCLUDE (moment) FROM ({_AT})",
    ),
)


def script(schema: str) -> str:
    """CREATE MACRO for all scalar macros, in an order that lets them use each other."""
    order = sorted(MACROS, key=lambda macro: macro.name == "ct_line")
    return ";\n".join(f"CREATE MACRO {schema}{macro.signature} AS {macro.sql}" for macro in order)


def table_script(schema: str) -> str:
    """CREATE MACRO for the table macros of one dataset."""
    return ";\n".join(
        f"CREATE MACRO {schema}{macro.signature} AS TABLE {macro.sql.replace('{s}', schema)}" for macro in TABLE_MACROS
    )
