-- question: Which established connections sit idle in the table?
-- incident: 2, 6
-- param: min_s DOUBLE 0.. = 60 | shortest silence in seconds
-- param: top INTEGER 1.. = 50 | how many to show
-- column: conn_id | the connection
-- column: flow | its tuple
-- column: state | its last state
-- column: silent_s | silence at its end (or up to the end of the capture)
-- column: active_s | from its first to its last packet
-- column: packets | packets in both directions
-- column: timeout_left_s | timeout left at the end of the capture
-- column: ended | end_reason
-- read: with the default of 5 days such entries stay long after both hosts have forgotten them. Those with few packets and
--   no FIN are often clients that vanished.
-- next: idle_timeout_sweep for a safe timeout; keepalive_intervals
SELECT conn_id, flow, state, idle_before_end_s AS silent_s, duration_s AS active_s, total_packets AS packets, timeout_left_s,
    end_reason AS ended
FROM conns
WHERE state = 'ESTABLISHED' AND idle_before_end_s >= $min_s::DOUBLE
ORDER BY silent_s DESC, conn_id
LIMIT $top::BIGINT
