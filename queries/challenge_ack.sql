-- question: Which SYNs met an old entry (or RSTs were not exact) and were not acted on, and how was that resolved?
-- incident: 14
-- column: packet | the SYN that was ignored, the RST that was not exact, or the ACK that was swallowed
-- column: flow | its source and destination
-- column: flags | its flags
-- column: conn_id | the old entry
-- column: state | its state
-- column: reason | why it was not acted on
-- column: next_packet | what came next on this tuple
-- column: next_flags | its flags
-- column: next_by | who sent it: same side or other side
-- column: after_ms | how much later
-- column: outcome | 'answered by SYN/ACK', 'challenge ACK', 'RST', 'SYN again', 'went on' (anything else), 'nothing'
-- read: the server's answer tells who was right: SYN/ACK means the connection really was new and tracking starts afresh; a
--   bare ACK (challenge) means the server still knows the old connection; the client then sends a RST and tries again.
-- next: ctreplay explain DATASET CONN for the ladder; tuple_reuse. Without --packets all the next packet may not be in the
--   dataset (outcome 'see --packets all'), and RSTs that were not exact never are: they count as accepted. Their number is
--   reason.tcp_rst_not_exact in stats; where it is not 0, replay with --packets all
WITH ignored AS (
    SELECT *, least((src, sport), (dst, dport)) AS low, greatest((src, sport), (dst, dport)) AS high FROM pkts
    WHERE proto = 'tcp' AND (reason IN ('tcp_challenge_ack', 'tcp_rst_not_exact')
        OR (reason = 'tcp_ignored_in_state' AND tcp_flags & 18 = 2))
), seen AS (
    SELECT packet, ts, src, sport, dst, dport, tcp_flags, payload FROM packets WHERE proto = 'tcp'
    UNION
    SELECT t.packet, t.ts, c.orig_src, c.orig_sport, c.orig_dst, c.orig_dport, NULL, NULL
    FROM transitions t JOIN connections c USING (conn_id)
    WHERE c.proto = 'tcp' AND t.packet IS NOT NULL AND t.packet NOT IN (SELECT packet FROM packets)
), following AS (
    -- a packet of the tuple may have opened another entry
    SELECT *, least((src, sport), (dst, dport)) AS low, greatest((src, sport), (dst, dport)) AS high FROM seen
)
SELECT i.packet, i.flow, i.flags, i.about_conn_id AS conn_id, i.state, i.reason, f.packet AS next_packet,
    tcp_flags_text(f.tcp_flags) AS next_flags,
    CASE WHEN f.tcp_flags IS NULL THEN NULL WHEN f.src = i.src AND f.sport = i.sport THEN 'same side' ELSE 'other side' END
        AS next_by,
    (epoch_ns(f.ts) - epoch_ns(i.ts)) / 1e6 AS after_ms,
    CASE WHEN f.packet IS NULL AND level.value = 'all' THEN 'nothing' WHEN f.tcp_flags IS NULL THEN 'see --packets all'
        WHEN f.tcp_flags & 18 = 18 THEN 'answered by SYN/ACK' WHEN f.tcp_flags & 4 > 0 THEN 'RST'
        WHEN f.tcp_flags & 2 > 0 THEN 'SYN again'
        WHEN f.tcp_flags & 63 = 16 AND f.payload = 0 AND (f.src <> i.src OR f.sport <> i.sport) THEN 'challenge ACK'
        ELSE 'went on' END AS outcome
FROM ignored i LEFT JOIN following f ON f.low = i.low AND f.high = i.high AND f.packet > i.packet
JOIN run_info level ON level.name = 'packets_level'
QUALIFY row_number() OVER (PARTITION BY i.packet ORDER BY f.packet) = 1
ORDER BY i.packet
