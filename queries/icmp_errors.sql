-- question: Which ICMP errors came, who sent them, and about which connections?
-- incident: 4
-- param: top INTEGER 1.. = 50 | how many groups to show
-- column: sender | who sent the errors (a router, or the destination itself)
-- column: told | who was told
-- column: verdict | RELATED (about a connection) or INVALID
-- column: reason | icmp_error, or why it was INVALID
-- column: about | the connection's protocol, destination and port (null: none known)
-- column: errors | how many
-- column: connections | connections concerned
-- column: went_on | of these, connections that got replies
-- column: packet | the first of them
-- column: conn_id | a connection concerned
-- read: errors from the destination itself: the port is closed; from a router: no route, filtered, too big, or TTL ended.
--   INVALID ones are about packets that no entry knows: they took another path, or the error came too late.
-- next: ctreplay explain DATASET --packet PACKET says which error it is (type, code, MTU); never_replied
SELECT p.src AS sender, p.dst AS told, p.ctstate AS verdict, p.reason,
    CASE WHEN c.conn_id IS NOT NULL THEN c.proto || ' ' || endpoint(c.orig_dst, c.orig_dport) END AS about, count(*) AS errors,
    count(DISTINCT c.conn_id) AS connections, count(DISTINCT c.conn_id) FILTER (c.seen_reply) AS went_on,
    min(p.packet) AS packet, min(c.conn_id) AS conn_id
FROM packets p LEFT JOIN connections c ON c.conn_id = coalesce(p.conn_id, p.tuple_conn_id)
WHERE p.reason LIKE 'icmp_error%'
GROUP BY p.src, p.dst, p.ctstate, p.reason, about
ORDER BY errors DESC, packet
LIMIT $top::BIGINT
