-- question: Which connections retransmit a lot, in which direction, and did they give up?
-- incident: 6
-- needs: packets all
-- param: min_retrans INTEGER 1.. = 2 | fewest repeated segments
-- param: top INTEGER 1.. = 50 | how many to show
-- column: conn_id | the connection
-- column: side | the side that repeats
-- column: flow | the connection's tuple
-- column: segments | segments with data (or SYN, FIN), keep-alives of one byte left out
-- column: repeated | of these, ones that begin with what was sent before
-- column: share_pct | repeated in percent
-- column: longest_run | most repeats of one segment
-- column: longest_wait_s | longest pause before a repeat: the retransmission timer backing off
-- column: unanswered_end | the connection ends in repeats that nobody answered
-- column: ended | end_reason or state at the end
-- read: repeats seen here were lost behind this point, or the acknowledgments were. longest_run with doubling waits and
--   unanswered_end: the path died. A few fast repeats: ordinary loss.
-- next: idle_gap_then_fail if it began after a silence; ctreplay explain DATASET CONN
WITH steps AS (
    -- sequence numbers wrap: from one packet to the next they go up or down by less than 2^31
    SELECT packet, ts, conn_id, direction, seq::BIGINT AS seq, payload = 1 AND tcp_flags & 3 = 0 AS one_byte,
        payload::BIGINT + (tcp_flags & 1) + ((tcp_flags >> 1) & 1) AS length,
        (seq::BIGINT - lag(seq::BIGINT) OVER (PARTITION BY conn_id, direction ORDER BY packet) + 6442450944) % 4294967296
            - 2147483648 AS step
    FROM packets
    WHERE proto = 'tcp' AND conn_id IS NOT NULL AND payload + (tcp_flags & 1) + ((tcp_flags >> 1) & 1) > 0
), unwrapped AS (
    SELECT * REPLACE ((sum(coalesce(step, seq)) OVER (PARTITION BY conn_id, direction ORDER BY packet))::BIGINT AS seq)
    FROM steps
), sent AS (
    SELECT *, max(seq + length) OVER (PARTITION BY conn_id, direction ORDER BY packet
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS next_seq FROM unwrapped
), located AS (
    -- new segments do not overlap, so one that begins within another was cut anew; between two it fills a hole
    SELECT s.*, coalesce(f.seq < s.seq AND s.seq < f.seq + f.length, false) AS within, f.ts AS first_ts
    FROM sent s ASOF LEFT JOIN (FROM sent WHERE next_seq IS NULL OR seq >= next_seq) f
        ON f.conn_id = s.conn_id AND f.direction = s.direction AND f.seq <= s.seq
), marked AS (
    SELECT *, row_number() OVER w > 1 OR within AS repeated, row_number() OVER w - 1 + within::INT AS nth,
        (epoch_ns(ts) - coalesce(lag(epoch_ns(ts)) OVER w, CASE WHEN within THEN epoch_ns(first_ts) END)) / 1e9 AS wait_s
    -- the last byte alone is a keep-alive
    FROM located WHERE NOT coalesce(one_byte AND within AND seq = next_seq - 1, false)
    WINDOW w AS (PARTITION BY conn_id, direction, seq ORDER BY packet)
), sides AS (
    SELECT conn_id, direction, count(*) AS segments, count(*) FILTER (repeated) AS repeated,
        max(nth) AS longest_run, max(wait_s) FILTER (repeated) AS longest_wait_s, arg_max(repeated, packet) AS last_repeated,
        max(packet) AS last_packet
    FROM marked GROUP BY ALL
), other AS (
    SELECT conn_id, direction, max(packet) AS last_packet FROM packets WHERE proto = 'tcp' AND conn_id IS NOT NULL
    GROUP BY ALL
)
SELECT s.conn_id, s.direction AS side, c.flow, s.segments, s.repeated, round(100.0 * s.repeated / s.segments, 1) AS share_pct,
    s.longest_run, s.longest_wait_s, s.last_repeated AND coalesce(o.last_packet < s.last_packet, true) AS unanswered_end,
    coalesce(nullif(c.end_reason, 'capture_end'), c.state::VARCHAR) AS ended
FROM sides s JOIN conns c USING (conn_id) LEFT JOIN other o ON o.conn_id = s.conn_id AND o.direction <> s.direction
WHERE s.repeated >= $min_retrans::BIGINT
ORDER BY s.repeated DESC, s.conn_id, s.direction
LIMIT $top::BIGINT
