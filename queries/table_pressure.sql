-- question: When was the table fullest, how close to its limit, and was anything evicted or dropped?
-- incident: 1
-- param: top INTEGER 1.. = 20 | how many seconds to show
-- column: ts | the second (UTC)
-- column: peak | most live entries within it
-- column: entries | live entries at its end
-- column: limit_used_pct | peak in percent of nf_conntrack_max (null: no limit)
-- column: inserts | entries created in it
-- column: destroys | entries that went in it
-- column: unreplied | live entries without a reply at its end
-- column: assured | live entries with ASSURED at its end
-- column: early_drops | entries evicted to make room
-- column: full_drops | packets refused because the table was full
-- read: the fullest seconds first. full_drops above 0 is the kernel's "table full, dropping packet"; early_drops
--   above 0 means that unassured entries were sacrificed before. Many unreplied entries at the peak: something is
--   opening connections that nobody answers.
-- next: top_holders_at shows who held the entries at the peak; replay with --sysctl nf_conntrack_max=N to see what
--   another limit would have done
SELECT o.ts, o.peak, o.entries,
    round(100.0 * o.peak / nullif((SELECT value FROM sysctls WHERE name = 'nf_conntrack_max'), 0), 2) AS limit_used_pct,
    o.inserts, o.destroys, o.unreplied, o.assured, o.early_drops, o.full_drops
FROM occupancy o
ORDER BY o.peak DESC, o.full_drops DESC, o.ts
LIMIT $top::BIGINT
