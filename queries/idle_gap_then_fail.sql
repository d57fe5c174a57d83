-- question: Which connections died after a silence (a NAT, firewall or load balancer forgot them)?
-- incident: 6
-- needs: packets all
-- param: min_s DOUBLE 0.. = 30 | shortest silence in seconds
-- param: within_s DOUBLE 0.. = 60 | how long after the silence to look for the failure
-- column: packet | the first packet after the silence
-- column: conn_id | its connection; for 'refused' the one that was forgotten
-- column: flow | the packet's source and destination
-- column: gap_s | the silence
-- column: failed_how | 'RST' (by the other side), 'no answer'; where the tracker itself forgot it 'new entry' or 'refused'
-- column: after_s | time until the RST, or the time without an answer
-- column: tries | packets with data sent by this side after the silence
-- column: ended | end_reason or state at the end
-- read: the same gap_s in many rows, and none of them below it among the survivors (idle_gaps), names the timeout of the
--   device: 60, 240, 350, 600, 900, 3600. RST: the device says so; no answer: it drops silently.
-- next: keepalive_intervals: do the clients keep connections alive more often than that?
WITH later AS (
    -- INVALID packets have no direction: sides are told by their addresses; ICMP errors are no answer
    SELECT g.packet, g.conn_id, g.flow, g.gap_s, g.ts, p.packet AS next_packet, p.ts AS next_ts, p.tcp_flags & 4 > 0 AS rst,
        p.payload > 0 OR p.proto <> 'tcp' AS data,
        p.src = f.src AND p.dst = f.dst AND p.sport IS NOT DISTINCT FROM f.sport AS same_side
    FROM gaps g JOIN packets f ON f.packet = g.packet JOIN pkts p ON p.about_conn_id = g.conn_id AND p.packet >= g.packet
        AND epoch_ns(p.ts) - epoch_ns(g.ts) <= $within_s::DOUBLE * 1e9 AND p.reason IS DISTINCT FROM 'icmp_error'
    WHERE g.gap_s >= $min_s::DOUBLE
), after AS (
    SELECT packet, conn_id, flow, gap_s, ts, min(next_packet) FILTER (NOT same_side) AS answer,
        count(*) FILTER (same_side AND data) AS tries, max(epoch_ns(next_ts)) AS last_ns
    FROM later GROUP BY ALL
), forgotten AS (
    -- what was closed or reset has not been forgotten
    SELECT conn_id, zone, end_ts, last_ts, orig_src AS src, orig_dst AS dst, orig_sport AS sport, orig_dport AS dport
    FROM connections WHERE proto = 'tcp' AND end_reason = 'timeout' AND state NOT IN ('TIME_WAIT', 'CLOSE')
    UNION ALL
    SELECT conn_id, zone, end_ts, last_ts, reply_src, reply_dst, reply_sport, reply_dport
    FROM connections WHERE proto = 'tcp' AND end_reason = 'timeout' AND state NOT IN ('TIME_WAIT', 'CLOSE')
), refused AS (
    -- with nf_conntrack_tcp_loose=0 nothing is picked up
    SELECT p.packet, o.conn_id, p.flow, seconds(o.last_ts, p.ts) AS gap_s, p.payload
    FROM pkts p JOIN forgotten o USING (src, dst, sport, dport)
    WHERE p.reason = 'tcp_loose_off' AND o.end_ts <= p.ts
    QUALIFY row_number() OVER (PARTITION BY p.packet ORDER BY o.end_ts DESC) = 1
), judged AS (
    SELECT a.packet, a.conn_id, a.flow, a.gap_s,
        CASE WHEN x.rst AND NOT x.same_side THEN 'RST'
             WHEN a.answer IS NULL AND a.tries > 1 THEN 'no answer' END AS failed_how,
        coalesce(seconds(a.ts, x.next_ts), (a.last_ns - epoch_ns(a.ts)) / 1e9) AS after_s, a.tries
    FROM after a LEFT JOIN later x ON x.packet = a.packet AND x.next_packet = a.answer
    UNION ALL
    SELECT n.first_packet, n.conn_id, n.flow, min(seconds(o.last_ts, n.first_ts)), 'new entry', NULL, any_value(n.orig_packets)
    FROM conns n JOIN forgotten o ON n.zone = o.zone AND n.orig_src = o.src AND n.orig_dst = o.dst
        AND n.orig_sport = o.sport AND n.orig_dport = o.dport AND o.end_ts <= n.first_ts
    WHERE n.proto = 'tcp' AND n.midstream
    GROUP BY n.first_packet, n.conn_id, n.flow
    HAVING min(seconds(o.last_ts, n.first_ts)) >= $min_s::DOUBLE
    UNION ALL
    SELECT min(packet), conn_id, side, min(gap_s), 'refused', NULL, count(*) FILTER (payload > 0 AND flow = side)
    FROM (SELECT *, first_value(flow) OVER (PARTITION BY conn_id ORDER BY packet) AS side FROM refused)
    GROUP BY conn_id, side
    HAVING min(gap_s) >= $min_s::DOUBLE
)
SELECT j.*, coalesce(nullif(c.end_reason, 'capture_end'), c.state::VARCHAR) AS ended
FROM judged j JOIN connections c USING (conn_id)
WHERE failed_how IS NOT NULL
ORDER BY packet
