"""Views that speak other tools' names. What a tracker of states cannot know is null, and the documentation says so."""

from __future__ import annotations

from ctreplay.sql.views import View, view

# which TCP packets closed a connection, from the transitions alone
_TCP_STORY = """
    SELECT conn_id,
        bool_or(new_state IN ('SYN_RECV', 'ESTABLISHED')) AS answered,
        bool_or(new_state = 'FIN_WAIT') AS one_fin,
        bool_or(new_state IN ('LAST_ACK', 'TIME_WAIT')) AS both_fin,
        bool_or(new_state = 'CLOSE') AS rst,
        arg_min(direction, transition_id) FILTER (new_state = 'FIN_WAIT') AS fin_by,
        arg_min(direction, transition_id) FILTER (new_state = 'CLOSE') AS rst_by,
        bool_or(new_state = 'SYN_SENT2') AS odd
    FROM {s}transitions WHERE new_state IS NOT NULL GROUP BY conn_id"""

VIEWS: tuple[View, ...] = (
    view(
        "zeek_conn",
        "Connections under the names of Zeek's conn.log. conn_state comes for TCP from the transitions, for "
        "UDP from who sent packets, OTH for ICMP and mid-stream, null for other protocols; history only with "
        "--packets all and only the letters S H A D F R (once per direction; no retransmission, gap, window "
        "or checksum letters). Null: service, orig_bytes and resp_bytes (conntrack counts IP bytes: see *_ip_bytes), "
        "missed_bytes, local_orig, local_resp, tunnel_parents",
        """
        ts | ts | time of the first packet
        uid | text | unique per connection of this dataset (not Zeek's own)
        id.orig_h | text | originator's address
        id.orig_p | int64 | originator's port; for ICMP the type
        id.resp_h | text | responder's address
        id.resp_p | int64 | responder's port; for ICMP the code
        proto | text | tcp, udp, icmp or unknown_transport
        service | text | null: payloads are not looked at
        duration | double [s] | first to last packet
        orig_bytes | int64 [bytes] | null: payload bytes are not counted
        resp_bytes | int64 [bytes] | null: payload bytes are not counted
        conn_state | text | S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 SH OTH
        local_orig | bool | null
        local_resp | bool | null
        missed_bytes | int64 [bytes] | null
        history | text | S H A D F R, upper case by the originator; null without --packets all
        orig_pkts | int64 [packets] | packets by the originator
        orig_ip_bytes | int64 [bytes] | IP bytes by the originator
        resp_pkts | int64 [packets] | packets by the responder
        resp_ip_bytes | int64 [bytes] | IP bytes by the responder
        tunnel_parents | text | null
        ip_proto | int64 | IP protocol number
        community_id | text | Community ID
        """,
        f"""SELECT c.first_ts AS ts, 'C' || left(md5(c.community_id || c.conn_id), 17) AS uid,
            c.orig_src AS "id.orig_h", coalesce(c.orig_sport, c.icmp_type)::BIGINT AS "id.orig_p",
            c.orig_dst AS "id.resp_h", coalesce(c.orig_dport, c.icmp_code)::BIGINT AS "id.resp_p",
            CASE WHEN c.proto IN ('tcp', 'udp') THEN c.proto WHEN c.proto IN ('icmp', 'icmpv6') THEN 'icmp'
                 ELSE 'unknown_transport' END AS proto,
            NULL::VARCHAR AS service, seconds(c.first_ts, c.last_ts) AS duration,
            NULL::BIGINT AS orig_bytes, NULL::BIGINT AS resp_bytes,
            CASE WHEN c.proto = 'udp' THEN CASE WHEN c.reply_packets > 0 THEN 'SF' ELSE 'S0' END
                 WHEN c.proto IN ('icmp', 'icmpv6') THEN 'OTH'
                 WHEN c.proto <> 'tcp' THEN NULL
                 WHEN c.midstream OR t.odd THEN 'OTH'
                 WHEN t.both_fin THEN 'SF'
                 WHEN t.rst AND t.rst_by = 'reply' THEN CASE WHEN t.answered THEN 'RSTR' ELSE 'REJ' END
                 WHEN t.rst THEN CASE WHEN t.answered THEN 'RSTO' ELSE 'RSTOS0' END
                 WHEN t.one_fin AND t.fin_by = 'original' THEN CASE WHEN t.answered THEN 'S2' ELSE 'SH' END
                 WHEN t.one_fin THEN 'S3' WHEN t.answered THEN 'S1' ELSE 'S0' END AS conn_state,
            NULL::BOOLEAN AS local_orig, NULL::BOOLEAN AS local_resp, NULL::BIGINT AS missed_bytes, h.history,
            c.orig_packets AS orig_pkts, c.orig_bytes AS orig_ip_bytes, c.reply_packets AS resp_pkts,
            c.reply_bytes AS resp_ip_bytes, NULL::VARCHAR AS tunnel_parents, c.protonum::BIGINT AS ip_proto,
            c.community_id
        FROM {{s}}connections c LEFT JOIN ({_TCP_STORY}) t USING (conn_id)
        LEFT JOIN (SELECT conn_id, string_agg(letter, '' ORDER BY packet, rank) AS history FROM (
                SELECT conn_id, min(packet) AS packet, rank,
                    CASE direction WHEN 'original' THEN upper(any_value(letter)) ELSE any_value(letter) END AS letter
                FROM (SELECT conn_id, direction, packet, unnest([
                        CASE WHEN tcp_flags & 18 = 2 THEN {{'rank': 1, 'letter': 's'}} END,
                        CASE WHEN tcp_flags & 18 = 18 THEN {{'rank': 2, 'letter': 'h'}} END,
                        CASE WHEN tcp_flags & 23 = 16 AND payload = 0 THEN {{'rank': 3, 'letter': 'a'}} END,
                        CASE WHEN payload > 0 OR (proto = 'udp') THEN {{'rank': 4, 'letter': 'd'}} END,
                        CASE WHEN tcp_flags & 1 = 1 THEN {{'rank': 5, 'letter': 'f'}} END,
                        CASE WHEN tcp_flags & 4 = 4 THEN {{'rank': 6, 'letter': 'r'}} END], recursive := true)
                      FROM {{s}}pkts WHERE conn_id IS NOT NULL AND proto IN ('tcp', 'udp') AND
                        (SELECT value = 'all' FROM {{s}}run_info WHERE name = 'packets_level'))
                WHERE letter IS NOT NULL GROUP BY conn_id, direction, rank) GROUP BY conn_id) h USING (conn_id)""",
    ),
    view(
        "ecs_flow",
        "Connections under Elastic Common Schema names, one event each",
        """
        @timestamp | ts | end of the connection
        event.id | text | conn_id as text
        event.kind | text | event
        event.category | list | network
        event.type | list | connection, start, and end once it ended
        event.action | text | network_flow
        event.start | ts | first packet
        event.end | ts | last packet
        event.duration | int64 [ns] | first to last packet
        event.reason | text | end_reason
        network.type | text | ipv4 or ipv6
        network.transport | text | protocol name
        network.iana_number | text | protocol number as text
        network.community_id | text | Community ID
        network.packets | int64 [packets] | both directions
        network.bytes | int64 [bytes] | IP bytes, both directions
        source.ip | text | originator
        source.port | int64 | originator's port
        source.packets | int64 [packets] | by the originator
        source.bytes | int64 [bytes] | IP bytes by the originator
        source.nat.ip | text | where replies go, if it differs from source.ip
        source.nat.port | int64 | where replies go, if it differs from source.port
        destination.ip | text | responder
        destination.port | int64 | responder's port
        destination.packets | int64 [packets] | by the responder
        destination.bytes | int64 [bytes] | IP bytes by the responder
        """,
        """SELECT end_ts AS "@timestamp", conn_id::VARCHAR AS "event.id", 'event' AS "event.kind",
            ['network'] AS "event.category",
            CASE WHEN end_reason = 'capture_end' THEN ['connection', 'start'] ELSE ['connection', 'start', 'end'] END
                AS "event.type", 'network_flow' AS "event.action", first_ts AS "event.start", last_ts AS "event.end",
            epoch_ns(last_ts) - epoch_ns(first_ts) AS "event.duration", end_reason AS "event.reason",
            family AS "network.type", CASE proto WHEN 'icmpv6' THEN 'ipv6-icmp' ELSE proto END AS "network.transport",
            protonum::VARCHAR AS "network.iana_number",
            community_id AS "network.community_id", orig_packets + reply_packets AS "network.packets",
            orig_bytes + reply_bytes AS "network.bytes", orig_src AS "source.ip", orig_sport::BIGINT AS "source.port",
            orig_packets AS "source.packets", orig_bytes AS "source.bytes",
            nullif(reply_dst, orig_src) AS "source.nat.ip",
            nullif(reply_dport, orig_sport)::BIGINT AS "source.nat.port",
            orig_dst AS "destination.ip", orig_dport::BIGINT AS "destination.port",
            reply_packets AS "destination.packets", reply_bytes AS "destination.bytes"
        FROM {s}connections""",
    ),
    view(
        "ocsf_network_activity",
        "Connections as OCSF Network Activity (class 4001), one closing event per connection",
        """
        class_uid | int64 | 4001
        class_name | text | Network Activity
        category_uid | int64 | 4
        activity_id | int64 | 2 Close, 3 Reset, 4 Fail (never answered), 6 Traffic (still open)
        type_uid | int64 | 400100 + activity_id
        severity_id | int64 | 1 Informational
        time | int64 [ms] | end, since the epoch
        start_time | int64 [ms] | first packet
        end_time | int64 [ms] | last packet
        duration | int64 [ms] | first to last packet
        src_endpoint | struct | ip, port of the originator
        dst_endpoint | struct | ip, port of the responder
        connection_info | struct | uid, protocol_name, protocol_num, protocol_ver_id, community_uid, direction_id 0
        traffic | struct | packets, bytes and both directions (out: by the originator)
        status_detail | text | end_reason
        metadata | struct | schema version and product
        """,
        """SELECT 4001 AS class_uid, 'Network Activity' AS class_name, 4 AS category_uid, activity_id,
            400100 + activity_id AS type_uid, 1 AS severity_id, epoch_ns(end_ts) // 1000000 AS time,
            epoch_ns(first_ts) // 1000000 AS start_time, epoch_ns(last_ts) // 1000000 AS end_time,
            (epoch_ns(last_ts) - epoch_ns(first_ts)) // 1000000 AS duration,
            {'ip': orig_src, 'port': orig_sport} AS src_endpoint, {'ip': orig_dst, 'port': orig_dport} AS dst_endpoint,
            {'uid': conn_id::VARCHAR, 'protocol_name': proto, 'protocol_num': protonum,
             'protocol_ver_id': CASE family WHEN 'ipv4' THEN 4 ELSE 6 END, 'community_uid': community_id,
             'direction_id': 0} AS connection_info,
            {'packets': orig_packets + reply_packets, 'bytes': orig_bytes + reply_bytes, 'packets_out': orig_packets,
             'bytes_out': orig_bytes, 'packets_in': reply_packets, 'bytes_in': reply_bytes} AS traffic,
            end_reason AS status_detail, {'version': '1.3.0', 'product': {'name': 'ctreplay'}} AS metadata
        FROM (SELECT *, CASE WHEN end_reason = 'capture_end' THEN 6 WHEN state = 'CLOSE' OR end_reason = 'reset' THEN 3
                WHEN NOT seen_reply THEN 4 ELSE 2 END AS activity_id FROM {s}connections)""",
    ),
    view(
        "ipfix_biflow",
        "Connections as bidirectional flows with the names of IPFIX information elements (RFC 5103 reverse elements)",
        """
        flowId | int64 | conn_id
        flowStartNanoseconds | ts | first packet
        flowEndNanoseconds | ts | last packet
        ipVersion | int64 | 4 or 6
        protocolIdentifier | int64 | IP protocol number
        sourceIPv4Address | text | null for IPv6
        destinationIPv4Address | text | null for IPv6
        sourceIPv6Address | text | null for IPv4
        destinationIPv6Address | text | null for IPv4
        sourceTransportPort | int64 | originator's port
        destinationTransportPort | int64 | responder's port
        icmpTypeCodeIPv4 | int64 | type * 256 + code
        icmpTypeCodeIPv6 | int64 | type * 256 + code
        packetTotalCount | int64 [packets] | by the originator
        octetTotalCount | int64 [bytes] | IP bytes by the originator
        reversePacketTotalCount | int64 [packets] | by the responder
        reverseOctetTotalCount | int64 [bytes] | IP bytes by the responder
        flowEndReason | int64 | 1 idle timeout, 3 end of flow detected, 4 forced end, 5 lack of resources
        biflowDirection | int64 | 1: the source is the initiator; 0: unknown (picked up mid-stream)
        """,
        """SELECT conn_id AS flowId, first_ts AS flowStartNanoseconds, last_ts AS flowEndNanoseconds,
            CASE family WHEN 'ipv4' THEN 4 ELSE 6 END::BIGINT AS ipVersion, protonum::BIGINT AS protocolIdentifier,
            CASE family WHEN 'ipv4' THEN orig_src END AS sourceIPv4Address,
            CASE family WHEN 'ipv4' THEN orig_dst END AS destinationIPv4Address,
            CASE family WHEN 'ipv6' THEN orig_src END AS sourceIPv6Address,
            CASE family WHEN 'ipv6' THEN orig_dst END AS destinationIPv6Address,
            orig_sport::BIGINT AS sourceTransportPort, orig_dport::BIGINT AS destinationTransportPort,
            CASE proto WHEN 'icmp' THEN icmp_type::BIGINT * 256 + icmp_code END AS icmpTypeCodeIPv4,
            CASE proto WHEN 'icmpv6' THEN icmp_type::BIGINT * 256 + icmp_code END AS icmpTypeCodeIPv6,
            orig_packets AS packetTotalCount, orig_bytes AS octetTotalCount, reply_packets AS reversePacketTotalCount,
            reply_bytes AS reverseOctetTotalCount,
            CASE WHEN end_reason = 'early_drop' THEN 5
                 WHEN end_reason IN ('reset', 'reopened') OR (end_reason = 'timeout' AND state IN
                      ('TIME_WAIT', 'CLOSE', 'LAST_ACK', 'CLOSED', 'SHUTDOWN_ACK_SENT')) THEN 3
                 WHEN end_reason IN ('timeout', 'gc') THEN 1 ELSE 4 END::BIGINT AS flowEndReason,
            CASE WHEN midstream THEN 0 ELSE 1 END::BIGINT AS biflowDirection
        FROM {s}connections""",
    ),
    view(
        "eve_flow",
        "Connections under the names of Suricata's EVE flow events",
        """
        timestamp | ts | end of the connection
        event_type | text | flow
        flow_id | int64 | conn_id
        pcap_cnt | int64 | first packet of the connection
        src_ip | text | originator
        src_port | int64 | originator's port
        dest_ip | text | responder
        dest_port | int64 | responder's port
        ip_v | int64 | 4 or 6
        proto | text | protocol in capitals
        icmp_type | int64 | ICMP type
        icmp_code | int64 | ICMP code
        community_id | text | Community ID
        flow | struct | pkts_toserver, pkts_toclient, bytes_toserver, bytes_toclient, start, end, age, state, reason
        tcp | struct | state in Suricata's names (null unless TCP)
        """,
        """SELECT end_ts AS timestamp, 'flow' AS event_type, conn_id AS flow_id, first_packet AS pcap_cnt,
            orig_src AS src_ip, orig_sport::BIGINT AS src_port, orig_dst AS dest_ip, orig_dport::BIGINT AS dest_port,
            CASE family WHEN 'ipv4' THEN 4 ELSE 6 END::BIGINT AS ip_v,
            CASE proto WHEN 'icmpv6' THEN 'IPv6-ICMP' ELSE upper(proto) END AS proto,
            icmp_type::BIGINT AS icmp_type, icmp_code::BIGINT AS icmp_code, community_id,
            {'pkts_toserver': orig_packets, 'pkts_toclient': reply_packets, 'bytes_toserver': orig_bytes,
             'bytes_toclient': reply_bytes, 'start': first_ts, 'end': last_ts,
             'age': (epoch_ns(last_ts) - epoch_ns(first_ts)) // 1000000000,
             'state': CASE WHEN state IN ('TIME_WAIT', 'CLOSE', 'LAST_ACK', 'CLOSED', 'SHUTDOWN_ACK_SENT') THEN 'closed'
                           WHEN seen_reply THEN 'established' ELSE 'new' END,
             'reason': CASE WHEN end_reason = 'capture_end' THEN 'shutdown' WHEN end_reason = 'timeout' THEN 'timeout'
                            ELSE 'forced' END} AS flow,
            CASE WHEN proto = 'tcp' THEN {'state': CASE state WHEN 'SYN_SENT2' THEN 'syn_sent' WHEN 'FIN_WAIT' THEN
                'fin_wait1' WHEN 'CLOSE' THEN 'closed' ELSE lower(state::VARCHAR) END} END AS tcp
        FROM {s}connections""",
    ),
)
