-- question: Which connections would have been RELATED, had the helper been assigned?
-- incident: 10
-- column: helper | the helper that was off
-- column: control_conn_id | the control connection
-- column: control_flow | its tuple
-- column: announced | packet that announced the connection
-- column: announcement | what it said
-- column: conn_id | the announced connection; it was NEW and not RELATED
-- column: flow | its tuple
-- column: after_s | time from the announcement to its first packet
-- column: seen_reply | whether it got an answer here
-- read: no helper is on without a rule, so a firewall that lets only ESTABLISHED,RELATED pass blocks these. Empty
--   while helper_hints of run.json names control connections: what they announced was never opened in this capture.
--   The parsers of the helpers only watched, on their usual ports; on other ports nothing was watched.
-- next: replay with --helper NAME or --helper NAME=PORT; on the firewall a `ct helper set` rule in prerouting
SELECT e.helper, k.conn_id AS control_conn_id, k.flow AS control_flow, e.created_packet AS announced,
    e.text AS announcement, d.conn_id, d.flow, seconds(e.created_ts, d.first_ts) AS after_s, d.seen_reply
FROM expectations e JOIN expectation_events m ON m.expectation_id = e.expectation_id AND m.reason = 'matched'
JOIN conns d ON d.conn_id = m.child_conn_id LEFT JOIN conns k ON k.conn_id = e.master_conn_id
WHERE e.observed
ORDER BY d.conn_id, e.expectation_id
