-- question: Which DNS lookups hung for 5 seconds: an answer missing, and asked again from the same port?
-- incident: 5
-- needs: packets all
-- param: port INTEGER = 53 | the resolver's port
-- param: retry_s DOUBLE = 5.0 | the resolver's time to try again (glibc: 5)
-- param: slack_s DOUBLE = 0.2 | how exact
-- column: client | who asked
-- column: sport | from which port
-- column: resolver | whom
-- column: packet | the first query of the burst
-- column: queries | queries sent within 50 ms (2: A and AAAA from one socket)
-- column: answers | answers before the retry
-- column: retry_packet | the query sent again
-- column: waited_s | time until then
-- column: answers_after | answers after the retry
-- column: conn_id | the entry
-- read: queries 2 and answers 1: one of two simultaneous queries was lost, the signature of the insert race (two packets
--   of one new UDP tuple, one dropped at confirmation) or of plain loss. answers 0: the resolver or the path failed.
-- next: compare with a capture on the resolver's side; single-request-reopen or a local cache avoids the race
WITH q AS (
    SELECT p.* FROM packets p
    WHERE p.proto = 'udp' AND p.dport = $port::INT AND p.conn_id IS NOT NULL AND p.direction = 'original'
), burst AS (
    SELECT *, epoch_ns(ts) AS t, lag(epoch_ns(ts)) OVER (PARTITION BY conn_id ORDER BY packet) AS before FROM q
), first AS (
    SELECT * FROM burst WHERE before IS NULL OR t - before > 50000000
), pairs AS (
    SELECT a.*, lead(packet) OVER w AS retry_packet, lead(t) OVER w AS retry_t FROM first a
    WINDOW w AS (PARTITION BY conn_id ORDER BY packet)
)
SELECT src AS client, sport, dst AS resolver, packet,
    (SELECT count(*) FROM q WHERE q.conn_id = p.conn_id AND q.packet >= p.packet AND q.packet < p.retry_packet) AS queries,
    (SELECT count(*) FROM packets r WHERE r.conn_id = p.conn_id AND r.proto = 'udp' AND r.direction = 'reply'
        AND r.packet > p.packet AND r.packet < p.retry_packet) AS answers,
    retry_packet, (retry_t - t) / 1e9 AS waited_s,
    (SELECT count(*) FROM packets r WHERE r.conn_id = p.conn_id AND r.proto = 'udp' AND r.direction = 'reply'
        AND r.packet > p.retry_packet) AS answers_after, conn_id
FROM pairs p
WHERE abs((retry_t - t) / 1e9 - $retry_s::DOUBLE) <= $slack_s::DOUBLE
ORDER BY packet
