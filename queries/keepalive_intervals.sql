-- question: Which connections send keep-alives, how often, and are they answered?
-- incident: 6, 18
-- needs: packets all
-- param: min_s DOUBLE 0.. = 5 | shortest interval in seconds
-- param: top INTEGER 1.. = 50 | how many connections to show
-- column: conn_id | the connection
-- column: flow | its tuple
-- column: kind | 'TCP keep-alive' (a probe below the next sequence number) or 'small data' (an application's ping)
-- column: side | who sends them
-- column: probes | how many
-- column: interval_s | median time between them
-- column: min_s | shortest
-- column: max_s | longest
-- column: unanswered | probes that no packet of the other side followed before the next one
-- column: ended | end_reason or state at the end
-- read: an interval above an idle timeout on the path does not help; unanswered probes at the end are a peer that vanished.
-- next: idle_gap_then_fail; lower net.ipv4.tcp_keepalive_time below the path's timeout
WITH heard AS (
    SELECT *, CASE WHEN tcp_flags & 16 > 0 THEN ack::BIGINT END AS acks FROM packets WHERE proto = 'tcp' AND conn_id IS NOT NULL
), talk AS (
    -- what the other side acknowledged last, and its next packet; a RST answers too
    SELECT *, CASE direction
            WHEN 'original' THEN last_value(CASE direction WHEN 'reply' THEN acks END IGNORE NULLS) OVER before
            ELSE last_value(CASE direction WHEN 'original' THEN acks END IGNORE NULLS) OVER before END AS acked,
        CASE direction WHEN 'original' THEN min(CASE direction WHEN 'reply' THEN packet END) OVER behind
            ELSE min(CASE direction WHEN 'original' THEN packet END) OVER behind END AS answer
    FROM heard
    WINDOW before AS (PARTITION BY conn_id ORDER BY packet ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        behind AS (PARTITION BY conn_id ORDER BY packet ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
), steps_of_seq AS (
    -- sequence numbers wrap: from one packet to the next they go up or down by less than 2^31
    SELECT packet, conn_id, direction, ts, payload, tcp_flags, seq AS raw_seq, seq::BIGINT AS seq,
        (seq::BIGINT - lag(seq::BIGINT) OVER (PARTITION BY conn_id, direction ORDER BY packet) + 6442450944) % 4294967296
            - 2147483648 AS step, acked, answer
    FROM talk WHERE tcp_flags & 4 = 0
), unwrapped AS (
    SELECT * REPLACE ((sum(coalesce(step, seq)) OVER (PARTITION BY conn_id, direction ORDER BY packet))::BIGINT AS seq)
    FROM steps_of_seq
), p AS (
    SELECT packet, conn_id, direction, ts, seq, raw_seq, acked, answer, payload, tcp_flags,
        max(CASE WHEN tcp_flags & 2 > 0 THEN seq + 1 + payload ELSE seq + payload END) OVER (
            PARTITION BY conn_id, direction ORDER BY packet ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS next_seq
    FROM unwrapped
), probes AS (
    -- of a connection picked up idle only the acknowledgments tell what comes next
    SELECT *, CASE WHEN (seq = next_seq - 1 OR raw_seq = (acked + 4294967295) % 4294967296) AND payload <= 1
            AND tcp_flags & 7 = 0 THEN 'TCP keep-alive'
        WHEN payload BETWEEN 1 AND 64 AND seq = next_seq THEN 'small data' END AS kind FROM p
), steps AS (
    SELECT *, (epoch_ns(ts) - lag(epoch_ns(ts)) OVER w) / 1e9 AS step_s,
        coalesce(answer > lead(packet) OVER w, answer IS NULL) AS unanswered
    FROM probes WHERE kind IS NOT NULL
    WINDOW w AS (PARTITION BY conn_id, direction, kind ORDER BY packet)
), found AS (
    SELECT conn_id, kind, direction AS side, count(*) AS probes, median(step_s) AS interval_s, min(step_s) AS min_s,
        max(step_s) AS max_s, count(*) FILTER (unanswered) AS unanswered
    FROM steps GROUP BY ALL
)
SELECT f.conn_id, c.flow, f.kind, f.side, f.probes, f.interval_s, f.min_s, f.max_s, f.unanswered,
    coalesce(nullif(c.end_reason, 'capture_end'), c.state::VARCHAR) AS ended
FROM found f JOIN conns c USING (conn_id)
WHERE f.interval_s >= $min_s::DOUBLE AND (f.kind = 'TCP keep-alive' OR (f.probes >= 3 AND f.max_s <= 1.5 * f.interval_s))
ORDER BY f.conn_id, f.kind, f.side
LIMIT $top::BIGINT
