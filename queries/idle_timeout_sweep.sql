-- question: Which idle timeout is safe for this traffic, and what would it save?
-- incident: 7
-- needs: packets all
-- param: proto TEXT = 'tcp' | protocol
-- column: timeout_s | an idle timeout
-- column: connections_cut | connections with a silence as long or longer that went on afterwards (TCP: in ESTABLISHED)
-- column: share_pct | of all connections of this protocol
-- column: longest_cut_s | longest silence among them
-- column: entry_seconds_saved | table space that the timeout would free: those silences, and the waiting at the end
-- read: the smallest timeout with connections_cut 0 is safe for what was captured; silences that outlived an entry in this
--   replay count too. The knee is where connections_cut rises while entry_seconds_saved, an estimate, hardly does.
-- next: replay with --sysctl nf_conntrack_tcp_timeout_established=SECONDS and see the transitions
WITH t AS (SELECT unnest([10, 30, 60, 120, 240, 350, 600, 900, 1800, 3600, 7200, 86400, 432000]) AS timeout_s),
waits AS (
    -- packets that do not set the timeout do not end a silence
    SELECT p.conn_id, c.proto, (epoch_ns(p.ts) - last_value(CASE WHEN p.refreshed THEN epoch_ns(p.ts) END IGNORE NULLS) OVER w)
            / 1e9 AS gap_s, lag(p.state) OVER w AS state
    FROM packets p JOIN connections c USING (conn_id) WHERE c.proto = lower($proto::VARCHAR) AND p.proto = c.proto
        AND p.reason IS DISTINCT FROM 'icmp_error'
    WINDOW w AS (PARTITION BY p.conn_id ORDER BY p.packet ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
g AS (SELECT conn_id, gap_s FROM waits WHERE gap_s IS NOT NULL AND (proto <> 'tcp' OR state = 'ESTABLISHED')),
-- TIME_WAIT and the like have timeouts of their own: only connections that were cut before spare them
longest AS (SELECT conn_id, max(gap_s) AS gap_s FROM g GROUP BY conn_id),
e AS (SELECT c.idle_before_end_s AS idle_s,
          CASE WHEN c.proto <> 'tcp' OR c.state = 'ESTABLISHED' THEN 'Infinity'::DOUBLE ELSE l.gap_s END AS spared_up_to_s
      FROM conns c LEFT JOIN longest l USING (conn_id) WHERE c.proto = lower($proto::VARCHAR)),
ways AS (
    SELECT *, least((orig_src, orig_sport), (orig_dst, orig_dport)) AS one_end,
        greatest((orig_src, orig_sport), (orig_dst, orig_dport)) AS other_end
    FROM connections WHERE proto = lower($proto::VARCHAR) AND orig_sport IS NOT NULL
),
-- what went on after its entry had expired came back as another entry, either way round
came_back AS (
    SELECT lag(conn_id) OVER w AS conn_id, seconds(lag(last_ts) OVER w, first_ts) AS gap_s, midstream,
        lag(end_reason) OVER w AS ended, lag(state) OVER w AS state
    FROM ways WINDOW w AS (PARTITION BY zone, one_end, other_end ORDER BY conn_id)
),
cut AS (
    FROM g
    UNION ALL
    SELECT conn_id, gap_s FROM came_back
    WHERE ended = 'timeout' AND (lower($proto::VARCHAR) IN ('udp', 'udplite') OR midstream AND state = 'ESTABLISHED')
)
SELECT t.timeout_s, (SELECT count(DISTINCT conn_id) FROM cut WHERE gap_s >= t.timeout_s) AS connections_cut,
    round(100.0 * (SELECT count(DISTINCT conn_id) FROM cut WHERE gap_s >= t.timeout_s)
        / nullif((SELECT count(*) FROM e), 0), 2) AS share_pct,
    (SELECT max(gap_s) FROM cut WHERE gap_s >= t.timeout_s) AS longest_cut_s,
    round((SELECT coalesce(sum(gap_s - t.timeout_s), 0) FROM g WHERE gap_s >= t.timeout_s)
        + (SELECT coalesce(sum(idle_s - t.timeout_s), 0) FROM e
            WHERE idle_s > t.timeout_s AND spared_up_to_s >= t.timeout_s), 1) AS entry_seconds_saved
FROM t
ORDER BY t.timeout_s
