-- question: Which entries were evicted to make room, how old were they, and for whom?
-- incident: 13
-- param: top INTEGER 1.. = 50 | how many to show
-- column: ts | when
-- column: conn_id | the evicted entry
-- column: flow | its tuple
-- column: state | its state
-- column: age_s | its age
-- column: idle_s | time since its last packet
-- column: packets | packets it had carried
-- column: for_packet | the packet that needed the place (null: the collector)
-- column: for_conn_id | the entry it opened (null: the packet itself was refused afterwards)
-- column: for_flow | its source and destination
-- column: came_back | conn_id of a later entry with the same tuple: the victim was still in use
-- column: evicted_by | 'packet' (end_reason early_drop), or 'collector' (gc): its help after the full table refused a packet
-- read: a packet evicts only entries without ASSURED; the collector takes those and connections that are closing, until the
--   table is below 95 %. came_back means that live traffic was hurt. Many rows with for_flow of one source: that source
--   pushed the others out.
-- next: table_pressure, top_holders_at; a larger nf_conntrack_max or shorter timeouts
SELECT t.ts, c.conn_id, c.flow, c.state, seconds(c.first_ts, t.ts) AS age_s, seconds(c.last_ts, t.ts) AS idle_s,
    c.total_packets AS packets, t.packet AS for_packet, n.conn_id AS for_conn_id,
    coalesce(n.flow, p.flow) AS for_flow,
    (SELECT min(l.conn_id) FROM lives l WHERE l.prev_conn_id = c.conn_id) AS came_back,
    CASE t.reason WHEN 'gc' THEN 'collector' ELSE 'packet' END AS evicted_by
FROM transitions t JOIN conns c USING (conn_id) LEFT JOIN conns n ON n.conn_id = t.packet
    LEFT JOIN pkts p ON p.packet = t.packet
WHERE t.event = 'DESTROY' AND t.reason IN ('early_drop', 'gc')
ORDER BY t.transition_id
LIMIT $top::BIGINT
