-- question: Which packets were INVALID, why, and which connections do they belong to?
-- incident: 3, 4
-- param: top INTEGER 1.. = 50 | how many groups to show
-- column: reason | why (SELECT * FROM reasons explains each)
-- column: packets | how many
-- column: flow | the packets' source and destination
-- column: flags | TCP flags
-- column: conn_id | the live connection with this tuple (null: none)
-- column: margin | bytes beyond the violated window bound, at most
-- column: packet | the first of them
-- column: time_s | its time, in seconds from the start of the capture
-- read: tcp_seq_over_upper_bound and tcp_ack_over_upper_bound with a conn_id are healthy connections losing packets to
--   the window check; tcp_not_opening without a conn_id is the rest of a connection the tracker never saw opening or has
--   forgotten (asymmetric routing, timeout, capture begun late).
-- next: ctreplay explain DATASET --packet PACKET shows the numbers; invalid_then_rst, one_sided, late_packets
SELECT reason, count(*) AS packets, flow, flags, about_conn_id AS conn_id, max(margin) AS margin,
    min(packet) AS packet, min(time_s) AS time_s
FROM invalid
GROUP BY reason, flow, flags, about_conn_id
ORDER BY packets DESC, packet
LIMIT $top::BIGINT
