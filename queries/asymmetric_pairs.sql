-- question: Between which networks is only one direction of the traffic visible?
-- incident: 4
-- param: min_conns INTEGER 1.. = 2 | fewest connections of a pair
-- column: from_net | /24 or /64 of the senders
-- column: to_net | /24 or /64 of the receivers
-- column: proto | protocol
-- column: one_way | connections, and tuples that only had packets rejected, seen in this direction only
-- column: both_ways | connections with packets in both directions, refused ones and the RST of a closed port included
-- column: one_way_pct | share of one_way
-- column: synack_first | SYN/ACKs without a SYN in this direction
-- column: packets | packets of the one-way ones, refused ones included
-- read: near 100 % with synack_first or data: the other direction takes a path that is not captured (or not through this
--   firewall). Near 100 % with nothing but SYNs or single UDP packets: nobody answers; see never_replied.
-- next: one_sided for the hosts; look at the routing between the two networks
WITH heard AS (
    -- connections of which packets of the other side came but were refused
    SELECT DISTINCT c.conn_id FROM connections c JOIN packets p ON p.tuple_conn_id = c.conn_id AND p.proto = c.proto
        AND p.src = c.orig_dst AND p.sport = c.orig_dport AND (p.src, p.sport) <> (c.orig_src, c.orig_sport)
), conn AS (
    -- a RST that destroys the entry is no reply for the tracker, but a packet of the other side
    SELECT c.*, NOT c.seen_reply AND c.reply_packets = 0 AND h.conn_id IS NULL AS one
    FROM connections c LEFT JOIN heard h USING (conn_id) WHERE c.proto IN ('tcp', 'udp', 'sctp')
), back AS (
    -- tuples whose other direction was seen
    SELECT orig_dst AS src, orig_src AS dst, orig_dport AS sport, orig_sport AS dport FROM conn WHERE proto = 'tcp'
    UNION ALL SELECT orig_src, orig_dst, orig_sport, orig_dport FROM conn WHERE proto = 'tcp' AND NOT one
    UNION ALL SELECT dst, src, dport, sport FROM packets WHERE proto = 'tcp' AND conn_id IS NULL
), refused AS (
    -- packets of a live entry's tuple that are not in its counters
    SELECT tuple_conn_id AS conn_id, proto, count(*) AS n FROM packets
    WHERE tuple_conn_id IS NOT NULL AND conn_id IS NULL GROUP BY ALL
), seen AS (
    SELECT same24(orig_src) AS from_net, same24(orig_dst) AS to_net, proto, one, orig_packets + coalesce(r.n, 0) AS n,
        false AS synack, 1 AS flows
    FROM conn LEFT JOIN refused r USING (conn_id, proto)
    UNION ALL
    -- what came before an entry of the same tuple is no flow of its own
    SELECT same24(p.src), same24(p.dst), 'tcp', true, p.n, p.synack, c.orig_src IS NULL
    FROM (SELECT src, dst, sport, dport, count(*) AS n, bool_or(tcp_flags & 18 = 18) AS synack
        FROM packets ANTI JOIN back USING (src, dst, sport, dport)
        WHERE reason = 'tcp_not_opening' AND tuple_conn_id IS NULL GROUP BY ALL) p
    LEFT JOIN (SELECT DISTINCT orig_src, orig_dst, orig_sport, orig_dport FROM conn WHERE proto = 'tcp') c
        ON c.orig_src = p.src AND c.orig_dst = p.dst AND c.orig_sport = p.sport AND c.orig_dport = p.dport
), pairs AS (
    SELECT from_net, to_net, proto, coalesce(sum(flows) FILTER (one), 0)::BIGINT AS one_way,
        coalesce(sum(flows) FILTER (NOT one), 0)::BIGINT AS both_ways, count(*) FILTER (synack) AS synack_first,
        (sum(n) FILTER (one))::BIGINT AS packets
    FROM seen GROUP BY ALL
)
SELECT from_net, to_net, proto, one_way, both_ways, round(100.0 * one_way / (one_way + both_ways), 1) AS one_way_pct,
    synack_first, packets
FROM pairs
WHERE one_way > 0 AND one_way + both_ways >= $min_conns::BIGINT
ORDER BY one_way DESC, from_net, to_net, proto
