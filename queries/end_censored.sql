-- question: Which connections were still open when the capture ended?
-- param: top INTEGER 1.. = 50 | how many to show
-- column: conn_id | the connection
-- column: flow | its tuple
-- column: state | its state then
-- column: age_s | its age then
-- column: silent_s | silence up to the end of the capture
-- column: timeout_left_s | timeout it had left
-- column: packets | packets in both directions
-- column: active | a packet within the last second of the capture
-- read: their length and their end are unknown: leave them out of statistics of durations. Not active and ESTABLISHED:
--   perhaps dead already.
-- next: long_established_idle
SELECT conn_id, flow, state, held_s AS age_s, idle_before_end_s AS silent_s, timeout_left_s, total_packets AS packets,
    idle_before_end_s <= 1 AS active
FROM conns
WHERE end_reason = 'capture_end'
ORDER BY active DESC, held_s DESC, conn_id
LIMIT $top::BIGINT
