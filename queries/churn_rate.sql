-- question: How fast do connections come and go, and which service makes them?
-- incident: 1, 2
-- param: top INTEGER 1.. = 30 | how many services to show
-- column: proto | protocol
-- column: orig_dst | the service's address
-- column: orig_dport | its port
-- column: entries | connections in the capture
-- column: per_s | new connections per second, mean over the capture
-- column: busiest_s | most new connections within one second
-- column: busiest_ts | that second (UTC), the first of several
-- column: hold_s | mean time an entry occupied the table
-- column: steady_entries | entries this service keeps in the table: per_s times hold_s (Little's law)
-- column: payload_less | TCP connections of handshake and end only: up to 8 packets, of at most 60 bytes (IPv6: 80) on average
-- read: many short connections with a high hold_s: the table pays for connections that are long over (TIME_WAIT); keep-alive
--   or pooling at the client helps more than any timeout.
-- next: table_forecast for three times the traffic; entry_seconds_by_state
WITH span AS (
    SELECT greatest((max(value::BIGINT) - min(value::BIGINT)) / 1e9, 1) AS s FROM run_info
    WHERE name IN ('first_ts_ns', 'last_ts_ns')
), per_second AS (
    SELECT proto, orig_dst, orig_dport, epoch_ns(first_ts) // 1000000000 AS sec, count(*) AS n FROM connections GROUP BY ALL
), busiest AS (
    SELECT proto, orig_dst, orig_dport, max(n) AS busiest_s, make_timestamp_ns(arg_min(sec, (-n, sec)) * 1000000000) AS busiest_ts
    FROM per_second GROUP BY ALL
)
SELECT c.proto, c.orig_dst, c.orig_dport, count(*) AS entries, count(*) / any_value(span.s) AS per_s,
    any_value(b.busiest_s) AS busiest_s, any_value(b.busiest_ts) AS busiest_ts, avg(c.held_ns) / 1e9 AS hold_s,
    count(*) / any_value(span.s) * avg(c.held_ns) / 1e9 AS steady_entries,
    count(*) FILTER (c.proto = 'tcp' AND c.total_packets <= 8
        AND c.total_bytes <= c.total_packets * CASE c.family WHEN 'ipv6' THEN 80 ELSE 60 END) AS payload_less
FROM conns c JOIN busiest b ON b.proto = c.proto AND b.orig_dst = c.orig_dst
    AND b.orig_dport IS NOT DISTINCT FROM c.orig_dport, span
GROUP BY c.proto, c.orig_dst, c.orig_dport
ORDER BY entries DESC, c.proto, c.orig_dst, c.orig_dport
LIMIT $top::BIGINT
