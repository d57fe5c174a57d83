-- question: Which UDP entries are kept alive by their sender although answers stopped (stale entry, blackhole)?
-- incident: 8, 15
-- needs: packets all
-- param: min_s DOUBLE 0.. = 30 | shortest time without an answer, in seconds
-- column: conn_id | the entry
-- column: flow | its tuple
-- column: last_reply_packet | the last answer
-- column: silent_s | time from the last answer to the last packet
-- column: sent_in_vain | packets sent after the last answer
-- column: longest_pause_s | longest pause between them: a timeout below it would have ended the entry
-- column: reply_from | where the entry expects answers from
-- column: ended | end_reason
-- read: every packet renews the entry, so it never expires and keeps steering to a backend that is gone. A new source port
--   would get a fresh entry.
-- next: conntrack -D for the tuple on the machine; replay with a timeout below longest_pause_s
WITH last AS (
    SELECT conn_id, max(packet) AS packet, max(ts) AS ts FROM packets
    WHERE direction = 'reply' AND proto = 'udp' GROUP BY conn_id
), vain AS (
    SELECT p.conn_id, count(*) AS n, max(p.ts) AS last_ts, max(g.gap_s) AS pause
    FROM packets p JOIN last l ON l.conn_id = p.conn_id AND p.packet > l.packet JOIN gaps g ON g.packet = p.packet
    WHERE p.direction = 'original' GROUP BY p.conn_id
)
SELECT c.conn_id, c.flow, l.packet AS last_reply_packet, seconds(l.ts, v.last_ts) AS silent_s, v.n AS sent_in_vain,
    v.pause AS longest_pause_s, endpoint(c.reply_src, c.reply_sport) AS reply_from, c.end_reason AS ended
FROM conns c JOIN last l USING (conn_id) JOIN vain v USING (conn_id)
WHERE c.proto = 'udp' AND v.n > 1 AND seconds(l.ts, v.last_ts) >= $min_s::DOUBLE
ORDER BY silent_s DESC, c.conn_id
