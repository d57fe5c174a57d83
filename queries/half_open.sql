-- question: Which TCP connections never got past the handshake, and how long did they hold an entry?
-- incident: 12, 15
-- param: top INTEGER 1.. = 50 | how many groups to show
-- column: orig_src | who opened them
-- column: orig_dst | to whom
-- column: orig_dport | destination port
-- column: stuck_in | the furthest state they reached: SYN_SENT (no SYN/ACK), SYN_SENT2 (both opened), SYN_RECV (no ACK)
-- column: entries | how many
-- column: syns | packets the opener sent (repeated SYNs count only when the tracker took them)
-- column: held_s | seconds of table space, summed
-- column: longest_s | longest hold of one entry
-- column: refused | of these, ended by a RST
-- column: first_ts | the first of them
-- column: example | conn_id of one
-- read: SYN_SENT in numbers: filtered port, dead host, or a scan; SYN_RECV in numbers: a SYN flood, or the answers get
--   lost behind this point. refused are closed ports, not silence.
-- next: syn_flood_sources, port_scan, syn_sent_refresh; --sysctl nf_conntrack_tcp_timeout_syn_recv=20 shows what a
--   shorter timeout saves
SELECT c.orig_src, c.orig_dst, c.orig_dport, t.furthest AS stuck_in, count(*) AS entries,
    sum(c.orig_packets)::BIGINT AS syns, sum(c.held_ns) / 1e9 AS held_s, max(c.held_s) AS longest_s,
    count(*) FILTER (c.state = 'CLOSE') AS refused, min(c.first_ts) AS first_ts, min(c.conn_id) AS example
FROM conns c JOIN (
    SELECT conn_id, max(new_state) FILTER (new_state <> 'CLOSE') AS furthest FROM transitions
    WHERE new_state IS NOT NULL GROUP BY conn_id
) t USING (conn_id)
WHERE c.proto = 'tcp' AND NOT c.midstream AND t.furthest IN ('SYN_SENT', 'SYN_SENT2', 'SYN_RECV')
GROUP BY ALL
ORDER BY entries DESC, c.orig_src, c.orig_dst, c.orig_dport, stuck_in
LIMIT $top::BIGINT
