-- question: Is somebody flooding with SYNs, from where, at whom?
-- incident: 12
-- param: min_conns INTEGER 1.. = 20 | fewest half-open connections to report a target
-- column: orig_dst | the target
-- column: orig_dport | its port
-- column: half_open | connections that never got past the handshake
-- column: sources | different source addresses
-- column: networks | different /24 or /64
-- column: top_source | the one with most
-- column: top_source_pct | its share
-- column: completed | connections to the same port that were established
-- column: per_s | half-open connections per second while it lasted
-- column: peak_live | most of them in the table at once
-- column: held_s | mean time each held an entry
-- column: first_ts | beginning
-- column: last_ts | end
-- read: very many sources with one SYN each: spoofed. One source and many ports: a scan (port_scan). SYN_RECV entries hold
--   60 s each by default; peak_live is the table space the flood took.
-- next: half_open for the states; replay with --sysctl nf_conntrack_tcp_timeout_syn_recv=20 or a smaller nf_conntrack_max
WITH furthest AS (
    SELECT conn_id, max(new_state) FILTER (new_state <> 'CLOSE') AS state FROM transitions WHERE new_state IS NOT NULL
    GROUP BY conn_id
), t AS (
    SELECT c.*, f.state IN ('SYN_SENT', 'SYN_SENT2', 'SYN_RECV') AS half FROM conns c JOIN furthest f USING (conn_id)
    WHERE c.proto = 'tcp' AND NOT c.midstream
), steps AS (
    SELECT orig_dst, orig_dport, first_ts AS ts, 1 AS d FROM t WHERE half
    UNION ALL SELECT orig_dst, orig_dport, end_ts, -1 FROM t WHERE half AND end_reason <> 'capture_end'
), live AS (
    SELECT orig_dst, orig_dport, sum(d) OVER (PARTITION BY orig_dst, orig_dport ORDER BY ts, d ROWS UNBOUNDED PRECEDING) AS n
    FROM steps
), peak AS (SELECT orig_dst, orig_dport, max(n)::BIGINT AS peak_live FROM live GROUP BY ALL),
by_source AS (
    SELECT orig_dst, orig_dport, orig_src, count(*) AS n FROM t WHERE half GROUP BY ALL
), top AS (
    SELECT orig_dst, orig_dport, arg_max(orig_src, (n, orig_src)) AS top_source, max(n) AS n FROM by_source GROUP BY ALL
)
SELECT t.orig_dst, t.orig_dport, count(*) FILTER (half) AS half_open, count(DISTINCT t.orig_src) FILTER (half) AS sources,
    count(DISTINCT same24(t.orig_src)) FILTER (half) AS networks, any_value(top.top_source) AS top_source,
    round(100.0 * any_value(top.n) / count(*) FILTER (half), 1) AS top_source_pct, count(*) FILTER (NOT half) AS completed,
    count(*) FILTER (half) / greatest(seconds(min(t.first_ts) FILTER (half), max(t.first_ts) FILTER (half)), 1) AS per_s,
    any_value(peak.peak_live) AS peak_live, avg(t.held_ns) FILTER (half) / 1e9 AS held_s,
    min(t.first_ts) FILTER (half) AS first_ts, max(t.first_ts) FILTER (half) AS last_ts
FROM t JOIN top USING (orig_dst, orig_dport) JOIN peak USING (orig_dst, orig_dport)
GROUP BY t.orig_dst, t.orig_dport
HAVING count(*) FILTER (half) >= $min_conns::BIGINT
ORDER BY half_open DESC, t.orig_dst, t.orig_dport
