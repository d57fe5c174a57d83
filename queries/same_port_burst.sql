-- question: Which UDP clients send several packets from one new socket at once (the insert race)?
-- incident: 5
-- needs: packets all
-- param: within_ms DOUBLE 0.. = 1.0 | how close to the first packet
-- param: min_packets INTEGER 1.. = 2 | fewest packets in the burst, the first included
-- column: conn_id | the entry
-- column: flow | its tuple
-- column: packet | its first packet
-- column: burst | packets by the opener within the time
-- column: gap_us | microseconds from the first to the second
-- column: sent | packets by the opener in all
-- column: answered | replies in all
-- column: unanswered | sent minus answered
-- read: on a multi-core machine both packets of such a burst may each find no entry and try to insert one; one is dropped
--   (insert_failed). unanswered above 0 makes it likely; this replay handles one packet at a time and never loses one.
-- next: dns_retry_5s for lookups; conntrack -S on the machine (insert_failed, clash_resolve)
SELECT c.conn_id, any_value(flow(c.proto, c.orig_src, c.orig_sport, c.orig_dst, c.orig_dport)) AS flow,
    any_value(c.first_packet) AS packet, count(*) AS burst,
    min(epoch_ns(p.ts) - epoch_ns(c.first_ts)) FILTER (p.packet > c.first_packet) / 1e3 AS gap_us,
    any_value(c.orig_packets) AS sent, any_value(c.reply_packets) AS answered,
    any_value(c.orig_packets - c.reply_packets) AS unanswered
FROM connections c JOIN packets p ON p.conn_id = c.conn_id AND p.proto = c.proto AND p.direction = 'original'
    AND epoch_ns(p.ts) - epoch_ns(c.first_ts) <= $within_ms::DOUBLE * 1e6
WHERE c.proto IN ('udp', 'udplite')
GROUP BY c.conn_id
HAVING count(*) >= $min_packets::BIGINT
ORDER BY unanswered DESC, burst DESC, c.conn_id
