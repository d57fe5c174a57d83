-- question: After how long a silence do connections end, and whose timeout does that fit?
-- incident: 18, 6
-- param: min_s DOUBLE 0.. = 1 | shortest silence counted
-- param: top INTEGER 1.. = 40 | how many peaks to show
-- column: ended_by | 'FIN' or 'RST' with its direction (needs --packets all), or the tracker's own timeout
-- column: orig_dport | the service's port
-- column: idle_s | silence before the end, rounded to 0.1 s (below 20 s) or 1 s
-- column: connections | how many ended just then
-- column: hosts | different openers among them
-- column: fits | a known timeout of this length
-- column: example | conn_id of one
-- read: many connections at the same idle_s are a timer, not a user. FIN by reply at 60 or 65 s is the server's keep-alive
--   limit; RST at 350 s a NAT gateway or load balancer. Rows 'tracker' are this kernel's own settings.
-- next: rst_origin; set client pools to less than the peak
WITH closing AS (
    SELECT t.conn_id, t.packet, CASE t.new_state WHEN 'CLOSE' THEN 'RST by ' ELSE 'FIN by ' END || t.direction::VARCHAR AS how
    FROM transitions t
    WHERE t.new_state IN ('FIN_WAIT', 'CLOSE') AND t.old_state IN ('ESTABLISHED', 'SYN_RECV') AND t.packet IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY t.conn_id ORDER BY t.transition_id) = 1
), ends AS (
    SELECT c.conn_id, c.how AS ended_by, g.gap_s FROM closing c JOIN gaps g USING (packet)
    WHERE (SELECT value = 'all' FROM run_info WHERE name = 'packets_level')
    UNION ALL
    SELECT conn_id, concat('tracker, ', coalesce(state::VARCHAR, CASE WHEN seen_reply THEN 'replied' ELSE 'unreplied' END)),
        idle_before_end_s
    FROM conns WHERE end_reason = 'timeout'
)
SELECT e.ended_by, c.orig_dport, CASE WHEN e.gap_s < 20 THEN round(e.gap_s, 1) ELSE round(e.gap_s) END AS idle_s,
    count(*) AS connections, count(DISTINCT c.orig_src) AS hosts,
    CASE WHEN e.ended_by LIKE 'tracker%' THEN NULL ELSE CASE round(min(e.gap_s))
        WHEN 5 THEN 'Apache KeepAliveTimeout, Node.js' WHEN 10 THEN 'gunicorn and others' WHEN 15 THEN 'common client pools'
        WHEN 30 THEN 'common' WHEN 60 THEN 'AWS ALB, HAProxy, common' WHEN 65 THEN 'nginx 65 s in many configurations'
        WHEN 75 THEN 'nginx keepalive_timeout' WHEN 120 THEN 'IIS' WHEN 240 THEN 'Azure load balancer'
        WHEN 350 THEN 'AWS NAT gateway, NLB' WHEN 600 THEN 'GCP load balancer' WHEN 900 THEN '15 minutes'
        WHEN 1200 THEN 'GCP NAT established' WHEN 3600 THEN 'one hour' WHEN 7200 THEN 'Linux tcp_keepalive_time' END
    END AS fits, min(e.conn_id) AS example
FROM ends e JOIN connections c USING (conn_id)
WHERE e.gap_s >= $min_s::DOUBLE
GROUP BY e.ended_by, c.orig_dport, idle_s
ORDER BY connections DESC, e.ended_by, c.orig_dport, idle_s
LIMIT $top::BIGINT
