-- question: Who resets connections, in which state, and after how long?
-- incident: 18, 3
-- param: top INTEGER 1.. = 50 | how many groups to show
-- column: rst_from | who sent the RST
-- column: rst_to | to whom
-- column: orig_dport | port of the connection's destination
-- column: side | original (the opener) or reply (the server's side)
-- column: state | state of the connection before
-- column: resets | how many connections
-- column: age_s | median age of the connection
-- column: refused | of these, the answer to a SYN: a closed port
-- column: example | conn_id of one
-- column: packet | the RST of that one
-- read: RST in SYN_SENT by reply: nothing listens there. In ESTABLISHED by reply: the server, or a device in its name, gave
--   up; look whether the same age_s repeats. After FIN_WAIT or later: impatient closing, mostly harmless.
-- next: timeout_peaks; invalid_then_rst; ctreplay explain DATASET CONN
WITH r AS (
    SELECT e.*, CASE e.direction WHEN 'original' THEN e.orig_src ELSE e.orig_dst END AS rst_from,
        CASE e.direction WHEN 'original' THEN e.orig_dst ELSE e.orig_src END AS rst_to
    FROM events e
    -- without a reply seen the RST destroys the entry at once
    WHERE e.new_state = 'CLOSE' AND e.proto = 'tcp' AND e.packet IS NOT NULL AND (e.event = 'UPDATE' OR e.reason = 'reset')
    QUALIFY row_number() OVER (PARTITION BY e.conn_id ORDER BY e.transition_id) = 1
)
SELECT rst_from, rst_to, orig_dport, direction AS side, old_state AS state, count(*) AS resets, median(since_start_s) AS age_s,
    count(*) FILTER (old_state IN ('SYN_SENT', 'SYN_SENT2') AND direction = 'reply') AS refused, min(conn_id) AS example,
    arg_min(packet, conn_id) AS packet
FROM r
GROUP BY rst_from, rst_to, orig_dport, direction, old_state
ORDER BY resets DESC, rst_from, rst_to, orig_dport, side, state
LIMIT $top::BIGINT
