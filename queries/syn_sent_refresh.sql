-- question: Which clients repeat SYNs on one entry without ever getting an answer, and for how long?
-- incident: 15
-- param: min_syns INTEGER 1.. = 2 | fewest SYNs
-- column: conn_id | the entry
-- column: flow | its tuple
-- column: syns | SYNs, repeated ones included
-- column: first_ts | the first
-- column: over_s | from the first to the last SYN
-- column: interval_s | mean time between them
-- column: lives | entries that this tuple had one after another
-- column: end_reason | how this entry ended
-- column: held_s | how long it held its place
-- read: a repeated SYN does not renew the entry on current kernels: the entry ends one SYN_SENT timeout (120 s) after its
--   first SYN, and the next SYN opens another life. Until then NAT sends every try to the same, perhaps dead, backend.
-- next: half_open; replay with --sysctl nf_conntrack_tcp_timeout_syn_sent=20
WITH again AS (
    SELECT conn_id, count(*) AS n, max(ts) AS last_ts FROM packets WHERE reason = 'tcp_syn_retransmitted' GROUP BY conn_id
), unanswered AS (
    -- a RST that destroys the entry is no reply for the tracker, but an answer
    SELECT *, count(*) OVER (PARTITION BY zone, orig_src, orig_dst, orig_sport, orig_dport) AS tries FROM lives
    WHERE proto = 'tcp' AND NOT seen_reply AND reply_packets = 0 AND NOT midstream
)
SELECT l.conn_id, l.flow, 1 + coalesce(a.n, 0) AS syns, l.first_ts,
    seconds(l.first_ts, coalesce(a.last_ts, l.last_ts)) AS over_s,
    seconds(l.first_ts, a.last_ts) / nullif(a.n, 0) AS interval_s, l.lives, l.end_reason,
    seconds(l.first_ts, l.end_ts) AS held_s
FROM unanswered l LEFT JOIN again a USING (conn_id)
WHERE 1 + coalesce(a.n, 0) >= $min_syns::BIGINT OR (l.tries >= $min_syns::BIGINT AND l.state = 'SYN_SENT')
ORDER BY l.conn_id
