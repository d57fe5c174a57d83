-- question: Which packets failed the TCP window check, against which bound, and by how many bytes?
-- incident: 3
-- param: top INTEGER 1.. = 50 | how many packets to show
-- column: packet | the packet
-- column: verdict | INVALID, or ignored (accepted, but nothing was changed)
-- column: failed | the condition that did not hold
-- column: margin | by how many bytes
-- column: seq | sequence number of the segment
-- column: seq_end | sequence number behind it
-- column: seq_low | lowest accepted end of a segment; for an RST the highest acknowledgment it must not be below
-- column: seq_high | highest accepted sequence number (null for an RST, as are the next two)
-- column: ack | acknowledgment number
-- column: ack_low | lowest accepted acknowledgment
-- column: ack_high | highest accepted acknowledgment
-- column: conn_id | the connection
-- column: flow | the packet's source and destination
-- read: four conditions: seq <= seq_high, seq_end >= seq_low, ack <= ack_high, ack >= ack_low. A margin of a few bytes to a
--   window: an offloading card or a lost window scale; hundreds of millions: a stray or forged packet.
-- next: ctreplay explain DATASET --packet PACKET says which packets set each bound
SELECT packet, CASE WHEN ctstate = 'INVALID' THEN 'INVALID' ELSE 'ignored' END AS verdict,
    CASE reason WHEN 'tcp_seq_over_upper_bound' THEN 'seq <= seq_high'
        WHEN 'tcp_seq_beyond_window_edge' THEN 'seq <= seq_high' WHEN 'tcp_ack_over_upper_bound' THEN 'ack <= ack_high'
        WHEN 'tcp_seq_under_lower_bound' THEN 'seq_end >= seq_low'
        WHEN 'tcp_ack_under_lower_bound' THEN 'ack >= ack_low'
        WHEN 'tcp_rst_below_max_ack' THEN 'seq >= seq_low' ELSE reason END AS failed,
    margin, seq, seq_end, seq_low, seq_high, ack, ack_low, ack_high, about_conn_id AS conn_id, flow
FROM pkts
WHERE seq_low IS NOT NULL
ORDER BY packet
LIMIT $top::BIGINT
