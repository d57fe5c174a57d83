-- question: Who scans ports or hosts?
-- incident: 12
-- param: min_ports INTEGER 1.. = 10 | fewest different ports (or hosts) to call it a scan
-- column: src | who
-- column: kind | 'ports of one host' or 'one port of many hosts'
-- column: target | the host, or the port
-- column: proto | protocol
-- column: tried | different ports (or hosts)
-- column: established | of these, answered by a SYN/ACK, an INIT ACK or a UDP packet
-- column: refused | of these, answered by a RST, an SCTP ABORT or by nothing but an ICMP error
-- column: silent | of these, without any answer
-- column: invalid | of these, only ever touched by INVALID packets (FIN, NULL, Xmas and ACK scans)
-- column: over_s | how long it took
-- column: first_packet | its first packet
-- read: silent is filtered, refused is closed, established is open. Many invalid: a stealth scan. Every probe of a
--   filtered port holds an entry for its whole timeout.
-- next: half_open, invalid_by_reason
WITH errors AS (
    SELECT DISTINCT conn_id FROM packets WHERE reason = 'icmp_error' AND conn_id IS NOT NULL
), furthest AS (
    SELECT conn_id, max(new_state) FILTER (new_state <> 'CLOSE') AS state FROM transitions WHERE new_state IS NOT NULL
    GROUP BY conn_id
), probes AS (
    SELECT c.orig_src AS src, c.orig_dst AS dst, c.orig_dport AS port, c.proto, c.first_packet AS packet, c.first_ts AS ts,
        CASE WHEN c.midstream THEN 'invalid'
             -- an SCTP association that an ABORT refuses never leaves CLOSED
             WHEN c.seen_reply AND coalesce(f.state NOT IN ('SYN_SENT', 'SYN_SENT2', 'CLOSED'), true) THEN 'established'
             WHEN e.conn_id IS NOT NULL OR f.state = 'CLOSED' AND c.seen_reply OR c.state = 'CLOSE' AND c.reply_packets > 0
                 THEN 'refused' ELSE 'silent' END AS what
    FROM connections c LEFT JOIN errors e USING (conn_id) LEFT JOIN furthest f USING (conn_id)
    -- both sides talking when it was picked up: nobody knows who opened it, and it is no probe
    WHERE c.proto IN ('tcp', 'udp', 'sctp') AND NOT (c.midstream AND c.seen_reply)
    UNION ALL
    SELECT src, dst, dport, proto, packet, ts, 'invalid' FROM packets
    WHERE ctstate = 'INVALID' AND proto = 'tcp' AND tuple_conn_id IS NULL AND conn_id IS NULL AND tcp_flags & 4 = 0
        AND tcp_flags & 18 <> 18
), ranked AS (
    SELECT src, dst, port, proto, min(packet) AS packet, min(ts) AS ts, max(ts) AS last_ts,
        min(CASE what WHEN 'established' THEN 1 WHEN 'refused' THEN 2 WHEN 'silent' THEN 3 ELSE 4 END) AS best
    FROM probes GROUP BY ALL
), scans AS (
    SELECT src, 'ports of one host' AS kind, dst AS target, proto, best, packet, ts, last_ts FROM ranked
    UNION ALL
    SELECT src, 'one port of many hosts', port::VARCHAR, proto, best, packet, ts, last_ts FROM ranked
)
SELECT src, kind, target, proto, count(*) AS tried, count(*) FILTER (best = 1) AS established,
    count(*) FILTER (best = 2) AS refused, count(*) FILTER (best = 3) AS silent, count(*) FILTER (best = 4) AS invalid,
    seconds(min(ts), max(last_ts)) AS over_s, min(packet) AS first_packet
FROM scans
GROUP BY src, kind, target, proto
HAVING count(*) >= $min_ports::BIGINT
    AND (kind = 'ports of one host' OR count(*) FILTER (best > 1) >= 0.5 * count(*))
ORDER BY tried DESC, src, kind, target, proto
