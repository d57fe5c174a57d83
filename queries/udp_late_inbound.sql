-- question: Did inbound UDP packets arrive after the mapping they need had expired (SIP, VPN, games)?
-- incident: 9
-- param: within_s DOUBLE 0.. = 3600 | how long after the expiry to look
-- column: packet | the first packet that came too late
-- column: flow | it, source and destination
-- column: conn_id | the entry it opened the wrong way round
-- column: expired_conn_id | the entry that had expired
-- column: expired_s | how long before
-- column: silent_s | silence since the last packet of that entry
-- column: timeout_s | timeout that it had
-- column: packets | packets that came too late
-- column: answered | whether the inside answered
-- read: behind NAT such packets have no way in: calls are missed until the inside registers again. timeout_s below the
--   registration or keep-alive interval is the cause.
-- next: keep-alives below timeout_s, or replay with --sysctl nf_conntrack_udp_timeout_stream=300
WITH c AS (
    -- who opened the first entry between two endpoints is the inside
    SELECT *, first_value((orig_src, orig_sport)) OVER (PARTITION BY proto, zone, least((orig_src, orig_sport),
        (orig_dst, orig_dport)), greatest((orig_src, orig_sport), (orig_dst, orig_dport)) ORDER BY conn_id) AS inside
    FROM conns WHERE proto IN ('udp', 'udplite')
)
SELECT n.first_packet AS packet, n.flow, n.conn_id, o.conn_id AS expired_conn_id, seconds(o.end_ts, n.first_ts) AS expired_s,
    seconds(o.last_ts, n.first_ts) AS silent_s, round(o.idle_before_end_s)::BIGINT AS timeout_s, n.orig_packets AS packets,
    n.seen_reply AS answered
FROM c n JOIN c o ON o.proto = n.proto AND o.zone = n.zone AND o.reply_src = n.orig_src AND o.reply_dst = n.orig_dst
    AND o.reply_sport = n.orig_sport AND o.reply_dport = n.orig_dport AND o.end_reason = 'timeout'
    AND o.end_ts <= n.first_ts AND seconds(o.end_ts, n.first_ts) <= $within_s::DOUBLE
WHERE (o.orig_src, o.orig_sport) = o.inside
QUALIFY row_number() OVER (PARTITION BY n.conn_id ORDER BY o.end_ts DESC) = 1
ORDER BY n.first_packet
