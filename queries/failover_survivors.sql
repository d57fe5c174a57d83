-- question: If the table were lost at a moment (failover, flush), which connections would go on?
-- incident: 11
-- needs: packets all
-- param: at TIME = NULL | time such as 2026-01-31T12:00:00.5 (UTC unless it has an offset); default the moment of the peak
-- column: fate | what the first packet after the moment would do to a tracker without the entry
-- column: proto | protocol
-- column: direction | who sent it, as the lost entry saw it
-- column: flags | its TCP flags
-- column: connections | how many
-- column: example | conn_id of one
-- read: 'picked up' needs nf_conntrack_tcp_loose=1; with 'wrong way round' rules for new connections see the server as the
--   opener. 'INVALID' connections hang or are reset. 'silent' ones sent nothing more in the capture.
--   SCTP is 'INVALID or new entry': new when the packet is an INIT, HEARTBEAT, HEARTBEAT ACK or SHUTDOWN ACK, INVALID
--   with any other chunk; the dataset does not tell which it is.
-- next: conntrackd, or replay with --sysctl nf_conntrack_tcp_loose=0 to see what strict tracking would do
WITH moment AS (
    SELECT coalesce($at::TIMESTAMP_NS, (SELECT arg_min(ts, (-entries, transition_id)) FROM entries_over_time)) AS at_ts
), live AS (
    SELECT c.conn_id, c.proto, c.orig_src, c.orig_sport, m.at_ts FROM connections c, moment m
    WHERE c.first_ts <= m.at_ts AND (c.end_ts > m.at_ts OR (c.end_reason = 'capture_end'
        AND epoch_ns(c.end_ts) + c.timeout_left_s * 1000000000 >= epoch_ns(m.at_ts)))
), sent AS (
    -- what only this entry refused would have met none; INVALID packets have no direction
    SELECT coalesce(conn_id, tuple_conn_id) AS conn_id, packet, ts, direction::VARCHAR AS direction, src, sport, tcp_flags
    FROM packets WHERE (conn_id IS NOT NULL AND reason IS DISTINCT FROM 'icmp_error') OR reason IN ('tcp_bad_transition',
        'tcp_rst_below_max_ack', 'tcp_seq_over_upper_bound', 'tcp_ack_over_upper_bound', 'sctp_vtag', 'sctp_bad_transition')
), next AS (
    SELECT l.conn_id, l.proto, arg_min(coalesce(p.direction, CASE WHEN p.src = l.orig_src AND p.sport = l.orig_sport
            THEN 'original' ELSE 'reply' END), p.packet) FILTER (p.packet IS NOT NULL) AS direction,
        arg_min(p.tcp_flags, p.packet) AS tcp_flags, count(p.packet) AS n
    FROM live l LEFT JOIN sent p ON p.conn_id = l.conn_id AND p.ts > l.at_ts
    GROUP BY l.conn_id, l.proto
)
SELECT CASE WHEN n = 0 THEN 'silent' WHEN proto IN ('icmp', 'icmpv6') THEN
            CASE direction WHEN 'original' THEN 'new entry' ELSE 'INVALID' END
        -- packets keep no chunk types
        WHEN proto = 'sctp' THEN 'INVALID or new entry'
        WHEN proto <> 'tcp' THEN CASE direction WHEN 'original' THEN 'new entry' ELSE 'new entry, wrong way round' END
        WHEN tcp_flags & 18 = 2 THEN 'new entry by SYN'
        WHEN tcp_flags & 4 > 0 OR tcp_flags & 1 > 0 OR tcp_flags & 18 = 18 THEN 'INVALID'
        WHEN direction = 'original' THEN 'picked up' ELSE 'picked up, wrong way round' END AS fate,
    proto, direction, tcp_flags_text(tcp_flags) AS flags, count(*) AS connections, min(conn_id) AS example
FROM next
GROUP BY ALL
ORDER BY connections DESC, fate, proto, direction, flags
