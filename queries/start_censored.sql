-- question: Which connections had begun before the capture (or before the tracker knew them)?
-- param: top INTEGER 1.. = 50 | how many to show
-- column: conn_id | the connection
-- column: flow | its tuple as tracked
-- column: orig_looks_like | 'client', or 'server' (the tracker sees it the wrong way round: its lower port is the source)
-- column: first_ts | its first packet
-- column: since_start_s | time since the first packet of the capture
-- column: state | last state
-- column: packets | packets in both directions
-- column: earlier_conn_id | an entry of the same tuple before: it is not the capture's start but a timeout
-- read: since_start_s near 0: the capture began in the middle of them. Later, with earlier_conn_id: the entry expired while
--   the connection lived (late_packets). Later, without: asymmetric routing, packets lost by the capture, or a full
--   table that refused the SYN.
-- next: late_packets, one_sided; --sysctl nf_conntrack_tcp_loose=0 shows what a strict tracker does with them
SELECT l.conn_id, l.flow, CASE WHEN l.orig_sport < l.orig_dport AND l.orig_sport < 32768 THEN 'server' ELSE 'client' END
        AS orig_looks_like, l.first_ts,
    (epoch_ns(l.first_ts) - (SELECT value::BIGINT FROM run_info WHERE name = 'first_ts_ns')) / 1e9 AS since_start_s,
    l.state, l.orig_packets + l.reply_packets AS packets, coalesce(l.prev_conn_id, (SELECT max(o.conn_id) FROM connections o
        WHERE o.proto = l.proto AND o.orig_src = l.orig_dst AND o.orig_dst = l.orig_src AND o.orig_sport = l.orig_dport
        AND o.orig_dport = l.orig_sport AND o.conn_id < l.conn_id)) AS earlier_conn_id
FROM lives l
WHERE l.midstream
ORDER BY l.conn_id
LIMIT $top::BIGINT
