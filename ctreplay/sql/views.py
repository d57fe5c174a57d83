"""Views over the tables: joined names, durations, per-packet facts, lives of a tuple, the table over time."""

from __future__ import annotations

from dataclasses import dataclass

from ctreplay.dataset.schema import Column, _columns


@dataclass(frozen=True)
class View:
    """`columns` documents the view's own columns (those of a table keep its documentation); {s} is the schema."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    sql: str


def view(name: str, doc: str, columns: str, sql: str) -> View:
    """A view with its columns as `name | type [unit] | meaning` lines."""
    return View(name, doc, _columns(columns) if columns.strip() else (), sql)


# tables that the connection makes from run.json and the closed lists
FACTS: tuple[View, ...] = (
    view("runs", "The datasets of this session, in the order named", """
        position | int64 | 1 for the first
        run | text | its name, as in the column run that tables have with several datasets
        path | text | its folder
    """, ""),
    view("run_info", "What ran: the single values of run.json", """
        name | text | key of run.json
        value | text | its value as text
    """, ""),
    view("sysctls", "The settings of this replay", """
        name | text | sysctl without net.netfilter.
        value | int64 | value used; timeouts in seconds
        default_value | int64 | the kernel's default
    """, ""),
    view("reasons", "Every reason that packets.reason can hold", """
        name | text | the reason
        class | text | invalid, ignored, untracked, dropped, fragment, undecodable or note
        meaning | text | what it says about the packet
    """, ""),
)  # fmt: skip

_TUPLE = "zone, proto, orig_src, orig_dst, orig_sport, orig_dport, icmp_type, icmp_code, icmp_id"

VIEWS: tuple[View, ...] = (
    view(
        "conns",
        "Connections with durations and one text for the tuple",
        """
        flow | text | the original tuple: proto source > destination
        duration_s | double [s] | from the first to the last packet
        duration_ns | int64 [ns] | the same, exact
        held_s | double [s] | how long the entry occupied the table
        held_ns | int64 [ns] | the same, exact
        idle_before_end_s | double [s] | silence between the last packet and the end of the entry
        total_packets | int64 [packets] | both directions
        total_bytes | int64 [bytes] | both directions
        open_at_end | bool | still alive when the capture ended: its true end is unknown
        """,
        """SELECT *, flow(proto, orig_src, orig_sport, orig_dst, orig_dport) AS flow,
            seconds(first_ts, last_ts) AS duration_s, epoch_ns(last_ts) - epoch_ns(first_ts) AS duration_ns,
            seconds(first_ts, end_ts) AS held_s, epoch_ns(end_ts) - epoch_ns(first_ts) AS held_ns,
            seconds(last_ts, end_ts) AS idle_before_end_s,
            orig_packets + reply_packets AS total_packets, orig_bytes + reply_bytes AS total_bytes,
            end_reason = 'capture_end' AS open_at_end
        FROM {s}connections""",
    ),
    view(
        "events",
        "Transitions with the connection they belong to: conntrack -E as a table",
        """
        flow | text | the original tuple: proto source > destination
        since_start_s | double [s] | time since the entry was created
        """,
        """SELECT t.*, c.proto, c.orig_src, c.orig_sport, c.orig_dst, c.orig_dport,
            flow(c.proto, c.orig_src, c.orig_sport, c.orig_dst, c.orig_dport) AS flow,
            seconds(c.first_ts, t.ts) AS since_start_s
        FROM {s}transitions t JOIN {s}connections c USING (conn_id)""",
    ),
    view(
        "pkts",
        "Packets with what their reason means and the connection they belong to or concern (which packets are here "
        "depends on --packets: by default only notable ones)",
        """
        about_conn_id | int64 | conn_id, else tuple_conn_id: the connection this packet concerns
        class | text | class of the reason: invalid, ignored, untracked, dropped, fragment, undecodable or note
        meaning | text | what the reason means
        flags | text | TCP flags in tcpdump's letters
        flow | text | this packet: proto source > destination
        conn_flow | text | original tuple of the connection it concerns
        conn_age_s | double [s] | age of that connection at this packet
        time_s | double [s] | time since the first packet of the capture
        """,
        """SELECT p.*, coalesce(p.conn_id, p.tuple_conn_id) AS about_conn_id, r.class, r.meaning,
            tcp_flags_text(p.tcp_flags) AS flags,
            flow(p.proto, p.src, p.sport, p.dst, p.dport) AS flow,
            flow(c.proto, c.orig_src, c.orig_sport, c.orig_dst, c.orig_dport) AS conn_flow,
            seconds(c.first_ts, p.ts) AS conn_age_s,
            (epoch_ns(p.ts) - (SELECT value::BIGINT FROM {s}run_info WHERE name = 'first_ts_ns')) / 1e9 AS time_s
        FROM {s}packets p LEFT JOIN {s}reasons r ON r.name = p.reason
        LEFT JOIN {s}connections c ON c.conn_id = coalesce(p.conn_id, p.tuple_conn_id)""",
    ),
    view(
        "invalid",
        "Every INVALID packet, with the bound it violated; complete also without --packets all",
        """
        bound | text | the window bound that was violated
        """,
        """SELECT *, CASE reason WHEN 'tcp_seq_over_upper_bound' THEN 'seq > seq_high'
                WHEN 'tcp_ack_over_upper_bound' THEN 'ack > ack_high'
                WHEN 'tcp_rst_below_max_ack' THEN 'seq < seq_low' END AS bound
        FROM {s}pkts WHERE ctstate = 'INVALID'""",
    ),
    view(
        "entries_over_time",
        "Live entries after every change of the table, exact to the nanosecond",
        """
        entries | int64 | live entries after this change
        delta | int64 | +1 NEW, -1 DESTROY
        """,
        """SELECT ts, transition_id, packet, conn_id, event, reason, CASE event WHEN 'NEW' THEN 1 ELSE -1 END AS delta,
            (sum(CASE event WHEN 'NEW' THEN 1 ELSE -1 END) OVER (ORDER BY transition_id))::BIGINT AS entries
        FROM {s}transitions WHERE event <> 'UPDATE'""",
    ),
    view(
        "state_spans",
        "How long each entry stood in each state; a span ends with every UPDATE, also one of status, helper or mark",
        """
        state | dict | the state
        unreplied | bool | no reply seen yet
        assured | bool | ASSURED during this span
        from_ts | ts | beginning
        to_ts | ts | end; for what is open at the end of the capture its last packet
        held_ns | int64 [ns] | its length
        held_s | double [s] | its length
        last_span | bool | the last one of its entry
        transition_id | int64 | the transition that began it
        """,
        """SELECT conn_id, proto, state, new_status & 2 = 0 AS unreplied, new_status & 4 > 0 AS assured, ts AS from_ts,
            next_ts AS to_ts, epoch_ns(next_ts) - epoch_ns(ts) AS held_ns, seconds(ts, next_ts) AS held_s, last_span,
            transition_id
        FROM (SELECT t.conn_id, t.transition_id, c.proto, t.event, t.new_status, t.ts,
                last_value(t.new_state IGNORE NULLS) OVER w AS state,
                coalesce(lead(t.ts) OVER w, c.end_ts) AS next_ts,
                coalesce(lead(t.event) OVER w = 'DESTROY', true) AS last_span
              FROM {s}transitions t JOIN {s}connections c USING (conn_id)
              WINDOW w AS (PARTITION BY t.conn_id ORDER BY t.transition_id)) WHERE event <> 'DESTROY'""",
    ),
    view(
        "lives",
        "The lives of a tuple one after another: what other tools show as one connection, or as several",
        """
        flow | text | the original tuple: proto source > destination
        life | int64 | number of this life of the tuple
        lives | int64 | how many there were
        prev_conn_id | int64 | the life before
        prev_state | dict | its last state
        prev_end_reason | dict | how it ended
        gap_ns | int64 [ns] | from the last packet of the life before to the first of this one
        gap_s | double [s] | the same
        gap_after_end_s | double [s] | from the end of the life before to the first packet of this one
        """,
        f"""SELECT c.*, flow(proto, orig_src, orig_sport, orig_dst, orig_dport) AS flow, row_number() OVER w AS life,
            count(*) OVER (PARTITION BY {_TUPLE}) AS lives, lag(conn_id) OVER w AS prev_conn_id,
            lag(state) OVER w AS prev_state, lag(end_reason) OVER w AS prev_end_reason,
            epoch_ns(first_ts) - lag(epoch_ns(last_ts)) OVER w AS gap_ns,
            (epoch_ns(first_ts) - lag(epoch_ns(last_ts)) OVER w) / 1e9 AS gap_s,
            (epoch_ns(first_ts) - lag(epoch_ns(end_ts)) OVER w) / 1e9 AS gap_after_end_s
        FROM {{s}}connections c WINDOW w AS (PARTITION BY {_TUPLE} ORDER BY conn_id)""",
    ),
    view(
        "gaps",
        "The silence before each packet of a connection, ICMP errors about it left out (needs --packets all)",
        """
        gap_ns | int64 [ns] | since the packet of this connection before
        gap_s | double [s] | the same
        prev_packet | int64 | that packet
        prev_direction | dict | its direction
        prev_state | dict | state of the connection during the gap
        next_packet | int64 | the packet of this connection after this one
        """,
        """SELECT packet, ts, conn_id, direction, ctstate, reason, state, flags, payload, flow, conn_flow,
            epoch_ns(ts) - lag(epoch_ns(ts)) OVER w AS gap_ns,
            (epoch_ns(ts) - lag(epoch_ns(ts)) OVER w) / 1e9 AS gap_s,
            lag(packet) OVER w AS prev_packet, lag(direction) OVER w AS prev_direction, lag(state) OVER w AS prev_state,
            lead(packet) OVER w AS next_packet
        FROM {s}pkts WHERE conn_id IS NOT NULL AND ctstate IS NOT NULL AND reason IS DISTINCT FROM 'icmp_error'
        WINDOW w AS (PARTITION BY conn_id ORDER BY packet)""",
    ),
)
