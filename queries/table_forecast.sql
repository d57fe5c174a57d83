-- question: How many entries would the table need with N times this traffic?
-- incident: 1
-- param: scale DOUBLE 0.. = 3.0 | how many times the traffic of the capture
-- column: proto | protocol
-- column: orig_dport | destination port (null: none)
-- column: new_per_s | new connections per second of the capture (a shorter one counts as a second)
-- column: hold_s | mean time an entry occupies the table, timeouts included
-- column: entries_now | entries this keeps in the table
-- column: entries_scaled | the same with the scaled traffic
-- column: table_pct | entries_scaled in percent of nf_conntrack_max (null: no limit)
-- column: open_at_end | connections cut off by the end of the capture, whose hold is too short
-- read: needed entries = arrival rate x hold time (Little's law). Sum entries_scaled over the rows for the table size. With
--   many open_at_end the truth is higher: the capture is shorter than the timeouts.
-- next: replay with other timeouts (--sysctl) and run this again
-- entries are held to the end of the capture, which may go on after the last packet of any of them
WITH span AS (
    SELECT greatest((max(value::BIGINT) - min(value::BIGINT)) / 1e9, 1) AS s FROM run_info
    WHERE name IN ('first_ts_ns', 'last_ts_ns')
)
SELECT proto, orig_dport, count(*) / any_value(span.s) AS new_per_s, avg(held_ns) / 1e9 AS hold_s,
    count(*) / any_value(span.s) * avg(held_ns) / 1e9 AS entries_now,
    $scale::DOUBLE * count(*) / any_value(span.s) * avg(held_ns) / 1e9 AS entries_scaled,
    100.0 * $scale::DOUBLE * count(*) / any_value(span.s) * avg(held_ns) / 1e9
        / nullif((SELECT value FROM sysctls WHERE name = 'nf_conntrack_max'), 0) AS table_pct,
    count(*) FILTER (open_at_end) AS open_at_end
FROM conns, span
GROUP BY proto, orig_dport
ORDER BY entries_scaled DESC, proto, orig_dport
