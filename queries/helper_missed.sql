-- question: Which data connections belong to FTP, SIP, TFTP, IRC and the like, and were they expected?
-- incident: 10
-- param: within_s DOUBLE = 30 | longest time from the control connection's last packet to the data connection
-- column: control | protocol of the control connection, by its port
-- column: control_conn_id | the control connection
-- column: control_flow | its tuple
-- column: helper | helper assigned to it (null: none)
-- column: conn_id | the data connection
-- column: flow | its tuple
-- column: after_s | time from the start of the control connection
-- column: expected | opened by an expectation: RELATED
-- read: expected 'no' without a helper: a firewall that only lets RELATED pass would have blocked the data connection.
--   Connections are paired by their hosts and time, so an unrelated one between the same hosts may be among them.
-- next: replay with --helper NAME:PORT and run this again; expectations lists what helpers announced
WITH ports(control, proto, port) AS (VALUES
    ('ftp', 'tcp', 21), ('irc', 'tcp', 6667), ('sip', 'udp', 5060), ('sip', 'tcp', 5060), ('tftp', 'udp', 69),
    ('h323', 'tcp', 1720), ('pptp', 'tcp', 1723), ('amanda', 'udp', 10080), ('sane', 'tcp', 6566), ('snmp', 'udp', 161),
    ('netbios-ns', 'udp', 137)
), control AS (
    SELECT p.control, c.* FROM conns c JOIN ports p ON p.proto = c.proto AND p.port = c.orig_dport
)
SELECT k.control, k.conn_id AS control_conn_id, k.flow AS control_flow, k.helper, d.conn_id, d.flow,
    seconds(k.first_ts, d.first_ts) AS after_s, d.expected
FROM conns d JOIN control k ON d.conn_id <> k.conn_id AND (d.master_conn_id = k.conn_id OR (NOT d.expected
    AND d.first_ts > k.first_ts AND seconds(k.last_ts, d.first_ts) <= $within_s::DOUBLE
    AND ((d.orig_src = k.orig_src AND d.orig_dst = k.orig_dst) OR (d.orig_src = k.orig_dst AND d.orig_dst = k.orig_src))))
WHERE d.proto IN ('tcp', 'udp', 'gre') AND NOT EXISTS (FROM ports p WHERE p.proto = d.proto AND p.port = d.orig_dport)
    AND coalesce(d.orig_dport, 1) NOT IN (53, 123) AND (d.orig_sport IS NULL OR d.orig_sport NOT IN (53, 123)
    OR d.orig_dport > 1023)
QUALIFY row_number() OVER (PARTITION BY d.conn_id ORDER BY (d.master_conn_id IS NOT DISTINCT FROM k.conn_id) DESC,
    k.first_ts DESC, k.conn_id DESC) = 1
ORDER BY d.conn_id
