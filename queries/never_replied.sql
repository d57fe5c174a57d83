-- question: Who never got an answer, from whom, and how often?
-- incident: 2, 4, 12
-- param: top INTEGER 1.. = 50 | how many groups to show
-- column: orig_src | who asked
-- column: orig_dst | who did not answer
-- column: proto | protocol
-- column: dport | destination port; for ICMP the type
-- column: entries | entries without any reply (a RST that refused the connection is one: see rst_origin)
-- column: packets | packets sent in vain
-- column: icmp_errors | ICMP errors that came back about them
-- column: answered | entries of the same kind that were answered
-- column: held_s | seconds of table space they took, summed
-- column: first_ts | the first of them
-- column: example | conn_id of one
-- read: answered above 0 means the service works and some requests are lost; 0 means filtered, down, or the answers
--   take another path. One-way protocols (syslog, traps, multicast) are here rightly.
-- next: ctreplay explain DATASET CONN; one_sided if answers take another path; icmp_errors
WITH c AS (
    SELECT *, NOT seen_reply AND reply_packets = 0 AS mute FROM conns
), e AS (
    SELECT coalesce(conn_id, tuple_conn_id) AS conn_id, count(*) AS n FROM packets
    WHERE reason = 'icmp_error' GROUP BY ALL
)
SELECT c.orig_src, c.orig_dst, c.proto, coalesce(c.orig_dport, c.icmp_type) AS dport,
    count(*) FILTER (mute) AS entries, (sum(c.orig_packets) FILTER (mute))::BIGINT AS packets,
    coalesce(sum(e.n) FILTER (mute), 0)::BIGINT AS icmp_errors, count(*) FILTER (c.seen_reply) AS answered,
    sum(c.held_ns) FILTER (mute) / 1e9 AS held_s, min(c.first_ts) FILTER (mute) AS first_ts,
    min(c.conn_id) FILTER (mute) AS example
FROM c LEFT JOIN e USING (conn_id)
GROUP BY c.orig_src, c.orig_dst, c.proto, coalesce(c.orig_dport, c.icmp_type)
HAVING count(*) FILTER (mute) > 0
ORDER BY entries DESC, c.orig_src, c.orig_dst, dport, c.proto
LIMIT $top::BIGINT
