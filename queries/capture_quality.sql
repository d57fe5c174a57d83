-- question: How far can this capture be trusted?
-- column: capture | number of the file and interface
-- column: path | file
-- column: interface | its interface
-- column: packets | frames read
-- column: concern | what may mislead
-- column: count | how many packets
-- column: share_pct | of the packets (or of those checked, or for one of several interfaces of those of the file)
-- column: means | what it means for the answers
-- read: one row per concern, 'none' when there is nothing to say. Kernel drops and truncated frames can make healthy
--   connections look INVALID; wrong checksums by offload do not, unless nf_conntrack_checksum verifies them.
-- next: capture again with a larger buffer (tcpdump -B), full frames (-s 0), at one point only (-i NAME, not -i any)
WITH concerns AS (
    SELECT capture, path, interface_name, packets, unnest([
        {'o': 1, 'what': 'dropped by the capturing system', 'n': coalesce(kernel_drops, 0), 'of': packets,
         'means': 'packets are missing: sequence gaps and INVALID may be artefacts'},
        {'o': 2, 'what': 'cut by the snap length', 'n': truncated, 'of': packets,
         'means': 'lengths come from IP headers; TCP options and checksums may be unreadable'},
        {'o': 3, 'what': 'seen twice within 1 ms', 'n': duplicates, 'of': packets,
         'means': 'captured at two points: counters double, retransmissions appear'},
        {'o': 4, 'what': 'older than the packet before', 'n': reordered, 'of': packets,
         'means': 'sorted before the replay; across pipes worked late'},
        {'o': 5, 'what': 'wrong checksums', 'n': checksums_wrong - checksums_offloaded, 'of': checksums_checked,
         'means': 'damaged in transit, or offload; the kernel calls them INVALID when it verifies'},
        {'o': 6, 'what': 'checksums left to the network card', 'n': checksums_offloaded, 'of': checksums_checked,
         'means': 'captured on the sender: not an error'},
        {'o': 7, 'what': 'not readable as IP', 'n': undecodable, 'of': packets, 'means': undecodable_by_reason},
        {'o': 8, 'what': 'damaged file', 'n': CASE WHEN damaged THEN 1 ELSE 0 END, 'of': 1, 'means': damage},
        {'o': 9, 'what': 'one of several interfaces', 'n': CASE WHEN packets < all_packets THEN packets ELSE 0 END,
         'of': all_packets, 'means': 'a flow seen before and after a NAT is two connections; seen twice its counters double'}
    ], recursive := true) FROM (SELECT *, (sum(packets) OVER (PARTITION BY path))::BIGINT AS all_packets FROM captures)
), found AS (
    SELECT capture, path, interface_name, packets, o, what, n, round(100.0 * n / nullif("of", 0), 2) AS share, means
    FROM concerns WHERE n > 0
)
SELECT c.capture, c.path, c.interface_name AS interface, c.packets, coalesce(f.what, 'none') AS concern,
    coalesce(f.n, 0) AS count, f.share AS share_pct, f.means
FROM captures c LEFT JOIN found f USING (capture)
ORDER BY c.capture, f.o
