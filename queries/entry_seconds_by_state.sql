-- question: What really fills the table: how many entry-seconds does each protocol and state hold?
-- incident: 2
-- column: proto | protocol
-- column: state | state (null where the protocol has none)
-- column: unreplied | no reply seen yet
-- column: spans | how many stays in this state
-- column: entry_seconds | their length, summed: 1 entry for 60 s and 60 entries for 1 s weigh the same
-- column: share_pct | of all entry-seconds
-- column: mean_s | mean length of a stay
-- column: waiting_s | of entry_seconds, the last stay of entries that only waited for their timeout
-- column: timeout_s | longest timeout that entries were given whose last stay this was
-- read: the first rows are what a shorter timeout would free. waiting_s near entry_seconds: the entries did nothing but
--   wait. Entries still open when the capture ended count up to its end only.
-- next: replay with --sysctl nf_conntrack_tcp_timeout_time_wait=30 (or the timeout of the first row) and use compare_runs
WITH timeouts AS (
    SELECT conn_id, arg_max(timeout_s, transition_id) FILTER (timeout_s IS NOT NULL) AS timeout_s
    FROM transitions WHERE event <> 'DESTROY' GROUP BY conn_id
), s AS (
    -- a span that only changed ASSURED, helper or mark is part of the stay before
    SELECT *, (state, unreplied) IS DISTINCT FROM lag((state, unreplied)) OVER (PARTITION BY conn_id ORDER BY transition_id)
        AS begins FROM state_spans
)
SELECT s.proto, s.state, s.unreplied, count(*) FILTER (s.begins) AS spans, sum(s.held_ns) / 1e9 AS entry_seconds,
    round(100.0 * sum(s.held_ns) / greatest(sum(sum(s.held_ns)) OVER (), 1), 1) AS share_pct,
    sum(s.held_ns) / count(*) FILTER (s.begins) / 1e9 AS mean_s,
    coalesce(sum(epoch_ns(c.end_ts) - epoch_ns(c.last_ts)) FILTER (s.last_span AND c.end_reason = 'timeout'), 0) / 1e9
        AS waiting_s,
    max(t.timeout_s) FILTER (s.last_span) AS timeout_s
FROM s JOIN conns c USING (conn_id) LEFT JOIN timeouts t USING (conn_id)
GROUP BY s.proto, s.state, s.unreplied
ORDER BY entry_seconds DESC, s.proto, s.state, s.unreplied
