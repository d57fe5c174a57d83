-- question: Which tuples were used again, how soon, and what did the tracker do?
-- incident: 14
-- param: top INTEGER 1.. = 50 | how many to show
-- column: conn_id | the later connection
-- column: flow | the tuple
-- column: prev_conn_id | the earlier one
-- column: prev_state | its last state
-- column: gap_s | from its last packet to the first of the later one
-- column: outcome | 'reopened' (the SYN destroyed the old entry at once), 'after timeout', 'after early drop' ...
-- column: ignored_syns | SYNs that were ignored on the old entry before
-- column: lives | lives of this tuple in all
-- column: midstream | the later one was picked up without a SYN
-- read: reopened in TIME_WAIT or CLOSE is normal for busy clients. ignored_syns above 0: the old entry stood in the way for
--   a while (challenge_ack). midstream: the old entry had expired while the connection went on (late_packets).
-- next: challenge_ack, late_packets
SELECT l.conn_id, l.flow, l.prev_conn_id, l.prev_state, l.gap_s,
    CASE l.prev_end_reason WHEN 'reopened' THEN 'reopened' WHEN 'reset' THEN 'after reset'
        ELSE 'after ' || replace(l.prev_end_reason, '_', ' ') END AS outcome,
    (SELECT count(*) FROM packets p WHERE p.conn_id = l.prev_conn_id AND p.reason = 'tcp_ignored_in_state'
        AND p.tcp_flags & 18 = 2) AS ignored_syns, l.lives, l.midstream
FROM lives l
WHERE l.prev_conn_id IS NOT NULL AND l.proto NOT IN ('icmp', 'icmpv6')
ORDER BY l.conn_id
LIMIT $top::BIGINT
