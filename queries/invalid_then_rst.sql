-- question: Which INVALID packets were followed by a RST on the same connection ("connection reset by peer")?
-- incident: 3
-- param: within_s DOUBLE 0.. = 1.0 | how long after the INVALID packet a RST may come
-- column: packet | the INVALID packet
-- column: reason | why it was INVALID
-- column: margin | bytes beyond the violated window bound
-- column: conn_id | the connection
-- column: flow | the INVALID packet's source and destination
-- column: rst_packet | the RST
-- column: rst_by | who sent it, seen from the connection: original or reply (null: the RST was INVALID too)
-- column: after_ms | milliseconds from the INVALID packet to the RST
-- column: state_before | state of the connection before the RST
-- read: an INVALID packet is not translated back by NAT and may be let through as it is: the peer gets a packet of a
--   connection it does not know, answers with a RST, and a healthy connection dies. margin says how far outside the window.
-- next: ctreplay explain DATASET --packet PACKET; drop INVALID before NAT, or replay with
--   --sysctl nf_conntrack_tcp_be_liberal=1 to see these connections survive
WITH ended AS (
    -- without a reply seen the RST destroys the entry at once
    SELECT packet, ts, conn_id, direction, old_state AS state FROM transitions
    WHERE new_state = 'CLOSE' AND packet IS NOT NULL AND (event = 'UPDATE' OR reason = 'reset')
), rst AS (
    FROM ended
    UNION ALL
    -- refused, or accepted without another state
    SELECT packet, ts, about_conn_id, CASE WHEN conn_id IS NOT NULL THEN direction END,
        CASE WHEN conn_id IS NOT NULL THEN state END FROM pkts
    WHERE tcp_flags & 4 > 0 AND about_conn_id IS NOT NULL AND packet NOT IN (SELECT packet FROM ended)
)
SELECT i.packet, i.reason, i.margin, i.about_conn_id AS conn_id, i.flow, r.packet AS rst_packet, r.direction AS rst_by,
    (epoch_ns(r.ts) - epoch_ns(i.ts)) / 1e6 AS after_ms, r.state AS state_before
FROM invalid i JOIN rst r ON r.conn_id = i.about_conn_id AND r.packet > i.packet
    AND epoch_ns(r.ts) - epoch_ns(i.ts) BETWEEN 0 AND $within_s::DOUBLE * 1e9
WHERE i.proto = 'tcp' AND i.tcp_flags & 4 = 0
QUALIFY row_number() OVER (PARTITION BY i.packet ORDER BY r.packet) = 1
ORDER BY i.packet
