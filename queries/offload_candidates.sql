-- question: Which connections would a flow table (hardware or software offload) take, and how much traffic is that?
-- incident: 17
-- param: min_packets INTEGER 1.. = 20 | fewest packets in both directions together
-- param: top INTEGER 1.. = 30 | how many to show
-- column: conn_id | the connection
-- column: flow | its tuple
-- column: packets | packets in both directions
-- column: bytes | IP bytes in both directions
-- column: share_pct | of all packets in the capture
-- column: from_packet | since when it could be offloaded: the packet that made it ESTABLISHED and replied
-- column: offloadable | packets after that one (null without --packets all)
-- column: duration_s | how long it lasted
-- read: TCP is offloaded once ESTABLISHED, UDP once replied, what has a helper never (not shown). Offloaded packets never
--   reach the tracker: its counters and timeouts stand still until the flow comes back.
-- next: nf_flowtable_tcp_timeout and nf_flowtable_udp_timeout decide when flows come back
WITH ready AS (
    SELECT t.conn_id, min(t.packet) AS packet FROM transitions t JOIN connections c USING (conn_id)
    WHERE (c.proto = 'tcp' AND t.new_state = 'ESTABLISHED' AND t.new_status & 2 > 0)
        OR (c.proto IN ('udp', 'gre') AND t.new_status & 2 > 0)
    GROUP BY t.conn_id
), after AS (
    SELECT r.conn_id, count(*) AS n FROM ready r JOIN packets p ON p.conn_id = r.conn_id AND p.packet > r.packet
        AND p.reason IS DISTINCT FROM 'icmp_error'
    WHERE (SELECT value = 'all' FROM run_info WHERE name = 'packets_level') GROUP BY r.conn_id
)
SELECT c.conn_id, c.flow, c.total_packets AS packets, c.total_bytes AS bytes,
    round(100.0 * c.total_packets / nullif((SELECT value::BIGINT FROM run_info WHERE name = 'packets'), 0), 1) AS share_pct,
    r.packet AS from_packet, a.n AS offloadable, c.duration_s
FROM conns c JOIN ready r USING (conn_id) LEFT JOIN after a USING (conn_id)
WHERE c.helper IS NULL AND c.total_packets >= $min_packets::BIGINT AND r.packet IS NOT NULL
ORDER BY packets DESC, c.conn_id
LIMIT $top::BIGINT
