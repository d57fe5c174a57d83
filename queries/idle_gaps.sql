-- question: Which connections were silent for long, and what came after the silence?
-- incident: 6, 7
-- needs: packets all
-- param: min_s DOUBLE 0.. = 30 | shortest silence in seconds
-- param: top INTEGER 1.. = 50 | how many to show
-- column: packet | the packet that ended the silence
-- column: conn_id | the connection
-- column: flow | that packet's source and destination
-- column: gap_s | the silence
-- column: state | state of the connection during it
-- column: flags | flags of the packet that ended it (null unless TCP)
-- column: payload | its TCP payload
-- column: next_flags | flags of the packet after it
-- column: next_by | who sent that one
-- read: an idle timeout on the path (350 s on AWS NAT and NLB, 240 s on Azure) cuts every gap above it. R as next_flags, or
--   the same side again, is a connection that died in the gap.
-- next: idle_gap_then_fail for those that died; idle_timeout_sweep for what a timeout would cut
SELECT g.packet, g.conn_id, g.flow, g.gap_s, g.prev_state AS state, g.flags, g.payload, n.flags AS next_flags,
    n.direction AS next_by
FROM gaps g LEFT JOIN pkts n ON n.packet = g.next_packet
WHERE g.gap_s >= $min_s::DOUBLE
ORDER BY g.gap_s DESC, g.packet
LIMIT $top::BIGINT
