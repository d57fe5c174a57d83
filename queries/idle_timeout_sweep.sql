-- question: Which idle timeout is safe for this traffic, and what would it save?
-- incident: 7
-- needs: packets all
-- param: proto TEXT = 'tcp' | protocol
-- column: timeout_s | an idle timeout
-- column: connections_cut | connections with a silence as long or longer that went on afterwards
-- column: share_pct | of all connections of this protocol
-- column: longest_cut_s | longest silence among them
-- column: entry_seconds_saved | table space that the timeout would free: those silences, and the waiting at the end
-- read: the smallest timeout with connections_cut 0 is safe for what was captured. The knee is where connections_cut rises
--   while entry_seconds_saved hardly does.
-- next: replay with --sysctl nf_conntrack_tcp_timeout_established=SECONDS and see the transitions
WITH t AS (SELECT unnest([10, 30, 60, 120, 240, 350, 600, 900, 1800, 3600, 7200, 86400, 432000]) AS timeout_s),
g AS (SELECT g.conn_id, g.gap_s FROM gaps g JOIN connections c USING (conn_id)
      WHERE c.proto = $proto::VARCHAR AND g.gap_s IS NOT NULL),
-- TIME_WAIT and the like have timeouts of their own: only connections that were cut before spare them
longest AS (SELECT conn_id, max(gap_s) AS gap_s FROM g GROUP BY conn_id),
e AS (SELECT c.idle_before_end_s AS idle_s,
          CASE WHEN c.proto <> 'tcp' OR c.state = 'ESTABLISHED' THEN 'Infinity'::DOUBLE ELSE l.gap_s END AS spared_up_to_s
      FROM conns c LEFT JOIN longest l USING (conn_id) WHERE c.proto = $proto::VARCHAR)
SELECT t.timeout_s, (SELECT count(DISTINCT conn_id) FROM g WHERE gap_s >= t.timeout_s) AS connections_cut,
    round(100.0 * (SELECT count(DISTINCT conn_id) FROM g WHERE gap_s >= t.timeout_s)
        / nullif((SELECT count(*) FROM e), 0), 2) AS share_pct,
    (SELECT max(gap_s) FROM g WHERE gap_s >= t.timeout_s) AS longest_cut_s,
    round((SELECT coalesce(sum(gap_s - t.timeout_s), 0) FROM g WHERE gap_s >= t.timeout_s)
        + (SELECT coalesce(sum(idle_s - t.timeout_s), 0) FROM e
            WHERE idle_s > t.timeout_s AND spared_up_to_s >= t.timeout_s), 1) AS entry_seconds_saved
FROM t
ORDER BY t.timeout_s
