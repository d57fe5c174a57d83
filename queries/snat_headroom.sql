-- question: How near to its end is the supply of SNAT ports: most simultaneous connections to one destination?
-- incident: 16
-- param: ports INTEGER 1..65535 = 64512 | source ports per address (1024-65535 are 64512)
-- param: addresses INTEGER 1..4294967295 = 1 | addresses in the SNAT pool
-- param: top INTEGER 1.. = 30 | how many destinations to show
-- column: proto | protocol
-- column: orig_dst | destination address
-- column: orig_dport | destination port
-- column: peak | most entries to it at once, over all sources
-- column: peak_ts | when
-- column: headroom | ports left then
-- column: used_pct | share of the ports in use then
-- column: in_time_wait | of the peak, entries that only waited in TIME_WAIT or CLOSE
-- column: sources | different sources in the capture
-- read: behind one address every connection to the same destination address and port needs a port of its own, also while it
--   waits in TIME_WAIT. Trouble starts well before 100 %.
-- next: churn_rate for the service; connection reuse, more addresses, or a shorter TIME_WAIT (replay with --sysctl)
WITH steps AS (
    SELECT c.proto, c.orig_dst, c.orig_dport, e.transition_id, e.ts, e.delta FROM entries_over_time e
    JOIN connections c USING (conn_id) WHERE c.orig_dport IS NOT NULL
), live AS (
    SELECT *, sum(delta) OVER (PARTITION BY proto, orig_dst, orig_dport ORDER BY transition_id) AS n FROM steps
), peak AS (
    SELECT proto, orig_dst, orig_dport, max(n)::BIGINT AS peak, arg_min(ts, (-n, transition_id)) AS peak_ts
    FROM live GROUP BY ALL
    ORDER BY peak DESC, proto, orig_dst, orig_dport LIMIT $top::BIGINT
)
SELECT p.proto, p.orig_dst, p.orig_dport, p.peak, p.peak_ts, $ports::BIGINT * $addresses::BIGINT - p.peak AS headroom,
    round(100.0 * p.peak / nullif($ports::BIGINT * $addresses::BIGINT, 0), 2) AS used_pct,
    (SELECT count(*) FROM state_spans s JOIN connections c USING (conn_id) WHERE c.proto = p.proto AND c.orig_dst = p.orig_dst
        AND c.orig_dport = p.orig_dport AND s.state IN ('TIME_WAIT', 'CLOSE') AND s.from_ts <= p.peak_ts
        AND (s.to_ts > p.peak_ts OR s.last_span AND c.end_reason = 'capture_end')) AS in_time_wait,
    (SELECT count(DISTINCT c.orig_src) FROM connections c WHERE c.proto = p.proto AND c.orig_dst = p.orig_dst
        AND c.orig_dport = p.orig_dport) AS sources
FROM peak p
ORDER BY p.peak DESC, p.proto, p.orig_dst, p.orig_dport
