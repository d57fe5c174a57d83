-- question: What differs between two runs: which connections ended otherwise, appeared or are missing?
-- incident: 1, 2, 3
-- across: runs
-- param: top INTEGER 1.. = 100 | how many differences to show
-- column: flow | the tuple
-- column: life | number of this life of the tuple
-- column: base | conn_id in the first run (null: missing there)
-- column: new | conn_id in the second run
-- column: base_state | last state in the first run
-- column: new_state | last state in the second
-- column: base_end | how it ended in the first
-- column: new_end | how it ended in the second
-- column: base_held_s | table time in the first
-- column: new_held_s | table time in the second
-- column: base_invalid | INVALID packets in the first
-- column: new_invalid | INVALID packets in the second
-- column: differs | in what: 'only in base', 'only in new', or of state, end, seen_reply, assured, invalid, packets, held
-- read: connections are matched by tuple and by which life of it they are. The first dataset named is the base. Rows that
--   differ in held only (by a second or more) met another timeout. No rows: the runs agree. With more
--   than two datasets only the first two are compared.
-- next: ctreplay explain on both for one conn_id; ctreplay diff for a check in CI
WITH names AS (
    SELECT (SELECT run FROM runs WHERE position = 1) AS base, (SELECT run FROM runs WHERE position = 2) AS new
), bad AS (
    SELECT run, coalesce(conn_id, tuple_conn_id) AS conn_id, count(*) AS n FROM packets WHERE ctstate = 'INVALID' GROUP BY ALL
), k AS (
    SELECT l.*, coalesce(b.n, 0) AS invalid FROM lives l LEFT JOIN bad b ON b.run = l.run AND b.conn_id = l.conn_id
)
SELECT coalesce(a.flow, b.flow) AS flow, coalesce(a.life, b.life) AS life, a.conn_id AS base, b.conn_id AS new,
    a.state AS base_state, b.state AS new_state, a.end_reason AS base_end, b.end_reason AS new_end,
    seconds(a.first_ts, a.end_ts) AS base_held_s, seconds(b.first_ts, b.end_ts) AS new_held_s,
    a.invalid AS base_invalid, b.invalid AS new_invalid,
    CASE WHEN a.conn_id IS NULL THEN 'only in new' WHEN b.conn_id IS NULL THEN 'only in base' ELSE concat_ws(', ',
        CASE WHEN a.state IS DISTINCT FROM b.state THEN 'state' END,
        CASE WHEN a.end_reason <> b.end_reason THEN 'end' END,
        CASE WHEN a.seen_reply <> b.seen_reply THEN 'seen_reply' END,
        CASE WHEN a.assured <> b.assured THEN 'assured' END, CASE WHEN a.invalid <> b.invalid THEN 'invalid' END,
        CASE WHEN (a.orig_packets, a.reply_packets) <> (b.orig_packets, b.reply_packets) THEN 'packets' END,
        CASE WHEN abs(base_held_s - new_held_s) >= 1 THEN 'held' END) END AS differs
FROM (SELECT k.* FROM k, names WHERE run = names.base) a
FULL JOIN (SELECT k.* FROM k, names WHERE run = names.new) b
    ON a.zone = b.zone AND a.proto = b.proto AND a.orig_src = b.orig_src AND a.orig_dst = b.orig_dst
    AND a.orig_sport IS NOT DISTINCT FROM b.orig_sport AND a.orig_dport IS NOT DISTINCT FROM b.orig_dport
    AND a.icmp_type IS NOT DISTINCT FROM b.icmp_type AND a.icmp_code IS NOT DISTINCT FROM b.icmp_code
    AND a.icmp_id IS NOT DISTINCT FROM b.icmp_id AND a.life = b.life
WHERE (a.state, a.end_reason, a.seen_reply, a.assured, a.invalid, a.orig_packets, a.reply_packets)
    IS DISTINCT FROM (b.state, b.end_reason, b.seen_reply, b.assured, b.invalid, b.orig_packets, b.reply_packets)
    OR abs(base_held_s - new_held_s) >= 1
ORDER BY coalesce(a.conn_id, b.conn_id), life
LIMIT $top::BIGINT
