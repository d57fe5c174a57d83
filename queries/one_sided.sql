-- question: Which TCP connections were seen in one direction only, or began with the SYN/ACK (asymmetric routing)?
-- incident: 4
-- param: top INTEGER 1.. = 50 | how many groups to show
-- column: src | who sent
-- column: dst | to whom
-- column: port | the service's port (the lower of the two ports)
-- column: seen | what was seen: 'SYN/ACK without SYN', 'SYN and more, no answer', 'data without handshake, one way'
-- column: flows | connections, or tuples where there is no connection
-- column: packets | packets
-- column: example | first packet of one
-- read: a host that opens connections here and whose answers are missing although it goes on sending data: the way back
--   does not pass this point. SYN/ACK without SYN is the other half. "drop invalid" rules kill such traffic.
-- next: asymmetric_pairs for the networks; nf_conntrack_tcp_be_liberal=1 or notrack for these prefixes
WITH heard AS (
    -- connections of which packets of the other side came but were refused
    SELECT DISTINCT c.conn_id FROM connections c JOIN packets p ON p.tuple_conn_id = c.conn_id AND p.proto = 'tcp'
        AND p.src = c.orig_dst AND p.sport = c.orig_dport AND (p.src, p.sport) <> (c.orig_src, c.orig_sport)
), mute AS (
    -- a RST that destroys the entry is no reply for the tracker, but a packet of the other side
    SELECT * FROM connections ANTI JOIN heard USING (conn_id)
    WHERE proto = 'tcp' AND NOT seen_reply AND reply_packets = 0
), syn AS (
    SELECT first_packet AS packet, orig_src AS src, orig_dst AS dst, orig_sport AS sport, orig_dport AS dport
    FROM connections WHERE proto = 'tcp' AND NOT midstream
    UNION ALL SELECT packet, src, dst, sport, dport FROM packets WHERE tcp_flags & 18 = 2 AND conn_id IS NULL
), halves AS (
    SELECT src, dst, least(sport, dport) AS port, 'SYN/ACK without SYN' AS seen, sport, dport, packet
    FROM packets p WHERE reason = 'tcp_not_opening' AND tcp_flags & 18 = 18 AND tuple_conn_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM syn s WHERE s.src = p.dst AND s.dst = p.src AND s.sport = p.dport
            AND s.dport = p.sport AND s.packet < p.packet)
    UNION ALL
    -- the client goes on after its SYN although no answer was seen: it did get one
    SELECT p.src, p.dst, p.dport, 'SYN and more, no answer', p.sport, p.dport, p.packet
    FROM packets p JOIN mute c ON c.conn_id = coalesce(p.conn_id, p.tuple_conn_id)
    WHERE NOT c.midstream AND p.tcp_flags & 2 = 0 AND p.proto = 'tcp'
    UNION ALL
    SELECT c.orig_src, c.orig_dst, least(c.orig_sport, c.orig_dport), 'data without handshake, one way', c.orig_sport,
        c.orig_dport, c.first_packet
    FROM mute c WHERE c.midstream AND c.orig_packets > 1
)
SELECT src, dst, port, seen, count(DISTINCT (sport, dport)) AS flows, count(*) AS packets, min(packet) AS example
FROM halves
GROUP BY src, dst, port, seen
ORDER BY flows DESC, packets DESC, src, dst, port, seen
LIMIT $top::BIGINT
