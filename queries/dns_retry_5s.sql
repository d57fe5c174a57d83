-- question: Which DNS lookups hung for 5 seconds: an answer missing, and asked again from the same port?
-- incident: 5
-- needs: packets all
-- param: port INTEGER 0..65535 = 53 | the resolver's port
-- param: retry_s DOUBLE 0.. = 5.0 | the resolver's time to try again (glibc: 5)
-- param: slack_s DOUBLE 0.. = 0.2 | how exact
-- column: client | who asked
-- column: sport | from which port
-- column: resolver | whom
-- column: packet | the first query of the burst
-- column: queries | queries sent within 50 ms (2: A and AAAA from one socket)
-- column: answers | answers before the retry: fewer than queries
-- column: retry_packet | the query sent again
-- column: waited_s | time until then
-- column: answers_after | answers within retry_s after the retry
-- column: conn_id | the entry of the first query (null: it was refused)
-- read: queries 2 and answers 1: one of two simultaneous queries was lost, the signature of the insert race (two packets
--   of one new UDP tuple, one dropped at confirmation) or of plain loss. answers 0: the resolver or the path failed.
-- next: compare with a capture on the resolver's side; single-request-reopen or a local cache avoids the race
-- by their ports, not by entry and direction: the entry may be gone before the retry, and an answer may have opened it
WITH asked AS (
    SELECT src, sport, dst, packet, epoch_ns(ts) AS t, conn_id FROM packets
    WHERE proto = 'udp' AND dport = $port::BIGINT AND (sport <> $port::BIGINT OR direction = 'original')
), answered AS (
    SELECT dst AS src, dport AS sport, src AS dst, packet, epoch_ns(ts) AS t FROM packets
    WHERE proto = 'udp' AND sport = $port::BIGINT AND (dport <> $port::BIGINT OR direction = 'reply')
        AND conn_id IS NOT NULL
), burst AS (
    SELECT *, t - lag(t) OVER w AS since, count(*) OVER w AS nth FROM asked
    WINDOW w AS (PARTITION BY src, sport, dst ORDER BY packet ROWS UNBOUNDED PRECEDING)
), first AS (
    SELECT *, lead(packet) OVER w AS retry_packet, lead(t) OVER w AS retry_t, lead(nth) OVER w - nth AS queries
    FROM burst WHERE since IS NULL OR since > 50000000
    WINDOW w AS (PARTITION BY src, sport, dst ORDER BY packet)
)
SELECT f.src AS client, f.sport, f.dst AS resolver, f.packet, f.queries, count(*) FILTER (a.packet < f.retry_packet) AS answers,
    f.retry_packet, (f.retry_t - f.t) / 1e9 AS waited_s,
    count(*) FILTER (a.packet > f.retry_packet AND (a.t - f.retry_t) / 1e9 <= $retry_s::DOUBLE) AS answers_after, f.conn_id
FROM first f LEFT JOIN answered a ON a.src = f.src AND a.sport = f.sport AND a.dst = f.dst AND a.packet > f.packet
WHERE abs((f.retry_t - f.t) / 1e9 - $retry_s::DOUBLE) <= $slack_s::DOUBLE
GROUP BY ALL
HAVING answers < f.queries
ORDER BY f.packet
