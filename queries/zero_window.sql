-- question: Which receivers closed their window (stopped reading), for how long, and how did it end?
-- needs: packets all
-- param: min_s DOUBLE 0.. = 0 | shortest stall in seconds
-- column: conn_id | the connection
-- column: flow | its tuple
-- column: receiver | the side that stopped reading: original or reply
-- column: receiver_address | its address
-- column: stalls | how often its window closed
-- column: packet | the first packet with window 0
-- column: stalled_s | time with a closed window, summed
-- column: longest_s | longest stall
-- column: probes | packets sent by the other side into the closed window
-- column: reopened | the last stall ended with an open window
-- column: ended | end_reason or state at the end
-- read: a closed window is the application's doing (it does not read), not the network's. reopened 'no': the connection died
--   or the capture ended in a stall. The tracker gives such entries the shorter max_retrans timeout.
-- next: look at the receiving application; ctreplay explain DATASET CONN
WITH w AS (
    SELECT packet, ts, conn_id, direction, tcp_window = 0 AS closed,
        lag(tcp_window = 0) OVER (PARTITION BY conn_id, direction ORDER BY packet) AS was_closed
    FROM packets
    WHERE proto = 'tcp' AND conn_id IS NOT NULL AND tcp_flags & 6 = 0
), turns AS (
    SELECT *, lead(ts) OVER v AS until_ts, lead(packet) OVER v AS until_packet FROM w
    WHERE closed IS DISTINCT FROM was_closed AND (closed OR was_closed)
    WINDOW v AS (PARTITION BY conn_id, direction ORDER BY packet)
), stalls AS (
    SELECT t.*, epoch_ns(coalesce(t.until_ts, c.last_ts)) - epoch_ns(t.ts) AS stall_ns
    FROM turns t JOIN connections c USING (conn_id)
    WHERE t.closed
), probes AS (
    SELECT s.conn_id, s.direction, count(*) AS n FROM stalls s JOIN packets p ON p.conn_id = s.conn_id
        AND p.proto = 'tcp' AND p.direction <> s.direction
        AND p.packet > s.packet AND p.packet < coalesce(s.until_packet, 9223372036854775807)
    GROUP BY ALL
)
SELECT s.conn_id, any_value(c.flow) AS flow, s.direction AS receiver,
    CASE s.direction WHEN 'original' THEN any_value(c.orig_src) ELSE any_value(c.orig_dst) END AS receiver_address,
    count(*) AS stalls, min(s.packet) AS packet, sum(s.stall_ns) / 1e9 AS stalled_s, max(s.stall_ns) / 1e9 AS longest_s,
    coalesce(any_value(p.n), 0) AS probes, arg_max(s.until_packet IS NOT NULL, s.packet) AS reopened,
    any_value(coalesce(nullif(c.end_reason, 'capture_end'), c.state::VARCHAR)) AS ended
FROM stalls s JOIN conns c USING (conn_id) LEFT JOIN probes p ON p.conn_id = s.conn_id AND p.direction = s.direction
GROUP BY s.conn_id, s.direction
HAVING max(s.stall_ns) >= $min_s::DOUBLE * 1e9
ORDER BY stalled_s DESC, s.conn_id
