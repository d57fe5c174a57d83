-- question: Who held the table's entries at its peak (or at another moment)?
-- incident: 1
-- param: at TIME = NULL | time such as 2026-01-31T12:00:00.5 (UTC unless it has an offset); default the moment of the peak
-- param: top INTEGER 1.. = 20 | how many holders to show
-- column: orig_src | who opened the connections
-- column: orig_dst | to whom
-- column: proto | protocol
-- column: orig_dport | destination port
-- column: state | state at that moment
-- column: entries | live entries of this kind
-- column: share_pct | of all live entries
-- column: unreplied | of these, without a reply
-- column: oldest_s | age of the oldest of them
-- column: moment | the moment looked at
-- read: each row is one kind of entry (source, destination, port, state). One source with very many ports or
--   destinations is a scan or a leak; TIME_WAIT on one service is short connections; SYN_SENT means no answers.
-- next: entry_seconds_by_state for the whole capture instead of one moment; ctreplay list --at for the lines themselves
WITH moment AS (
    SELECT coalesce($at::TIMESTAMP_NS, (SELECT arg_min(ts, (-entries, transition_id)) FROM entries_over_time)) AS at_ts
), live AS (
    SELECT c.*, m.at_ts, (SELECT arg_max(new_state, transition_id) FROM transitions t
        WHERE t.conn_id = c.conn_id AND t.ts <= m.at_ts AND t.new_state IS NOT NULL) AS state_then,
        (SELECT arg_max(new_status, transition_id) FROM transitions t
        WHERE t.conn_id = c.conn_id AND t.ts <= m.at_ts) & 2 = 0 AS unreplied_then
    FROM connections c, moment m
    WHERE c.first_ts <= m.at_ts AND (c.end_ts > m.at_ts OR (c.end_reason = 'capture_end'
        AND epoch_ns(c.end_ts) + c.timeout_left_s * 1000000000 >= epoch_ns(m.at_ts)))
)
SELECT orig_src, orig_dst, proto, orig_dport, state_then AS state, count(*) AS entries,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS share_pct, count(*) FILTER (unreplied_then) AS unreplied,
    max(seconds(first_ts, at_ts)) AS oldest_s, any_value(at_ts) AS moment
FROM live
GROUP BY orig_src, orig_dst, proto, orig_dport, state_then
ORDER BY entries DESC, orig_src, orig_dst, proto, orig_dport, state
LIMIT $top::BIGINT
