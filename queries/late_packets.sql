-- question: Which packets came after their connection's entry was gone?
-- incident: 9, 14
-- param: top INTEGER 1.. = 50 | how many to show
-- column: packet | the late packet
-- column: flow | its source and destination
-- column: flags | TCP flags (null with --packets notable where it opened a new entry)
-- column: late_s | how long after the entry's end
-- column: silent_s | silence since the last packet of that connection
-- column: old_conn_id | the connection it belonged to
-- column: old_state | its last state
-- column: old_end | how its entry ended
-- column: result | 'INVALID', or 'new entry' (same way), 'new entry, wrong way round'
-- column: new_conn_id | the entry it opened
-- read: old_end timeout with old_state ESTABLISHED or CLOSE_WAIT: the tracker's timeout is too short for this traffic. After
--   TIME_WAIT or CLOSE: stray packets, harmless. 'wrong way round': rules see the server as the one who opens.
-- next: idle_gap_then_fail; a longer timeout for that state (replay with --sysctl)
WITH came AS (
    -- a new entry whose tuple, either way round, had an entry that is over
    SELECT n.first_packet AS packet, n.first_ts AS ts, n.conn_id AS new_conn_id, n.proto, n.zone, n.orig_src AS src,
        n.orig_sport AS sport, n.orig_dst AS dst, n.orig_dport AS dport, 'new entry' AS result
    FROM connections n WHERE n.midstream OR n.proto IN ('udp', 'udplite')
    UNION ALL
    SELECT packet, ts, NULL, proto, 0, src, sport, dst, dport, 'INVALID' FROM packets
    WHERE ctstate = 'INVALID' AND conn_id IS NULL AND tuple_conn_id IS NULL AND proto IN ('tcp', 'udp', 'udplite', 'sctp')
), over AS (
    SELECT conn_id, proto, state, end_reason, end_ts, last_ts, orig_src AS src, orig_sport AS sport, orig_dst AS dst,
        orig_dport AS dport, true AS same_way
    FROM connections WHERE end_reason NOT IN ('capture_end', 'reopened')
    UNION ALL
    SELECT conn_id, proto, state, end_reason, end_ts, last_ts, reply_src, reply_sport, reply_dst, reply_dport, false
    FROM connections WHERE end_reason NOT IN ('capture_end', 'reopened')
), matched AS (
    SELECT k.*, o.conn_id AS old_conn_id, o.state AS old_state, o.end_reason AS old_end, seconds(o.end_ts, k.ts) AS late_s,
        seconds(o.last_ts, k.ts) AS silent_s, o.same_way
    FROM came k JOIN over o ON o.proto = k.proto AND o.src = k.src AND o.dst = k.dst AND o.sport = k.sport
        AND o.dport = k.dport AND o.end_ts <= k.ts
    QUALIFY row_number() OVER (PARTITION BY k.packet ORDER BY o.end_ts DESC, o.conn_id DESC, o.same_way DESC) = 1
)
SELECT m.packet, flow(m.proto, m.src, m.sport, m.dst, m.dport) AS flow, tcp_flags_text(p.tcp_flags) AS flags, m.late_s,
    m.silent_s, m.old_conn_id, m.old_state, m.old_end,
    m.result || CASE WHEN m.new_conn_id IS NOT NULL AND NOT m.same_way THEN ', wrong way round' ELSE '' END AS result,
    m.new_conn_id
FROM matched m LEFT JOIN packets p ON p.packet = m.packet
ORDER BY m.packet
LIMIT $top::BIGINT
