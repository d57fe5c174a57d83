"""Entries and events as JSON objects, with the dataset's names."""

from __future__ import annotations

from typing import Any

from ctreplay.text.flow import ASSURED, SEEN_REPLY, WITH_PORTS, Flow
from ctreplay.tracker import codes


def event_object(kind: str, ts: int, packet: int | None, reason: str | None, about: dict[str, Any]) -> dict[str, Any]:
    """An event: its kind, instant, packet and reason as far as there are any, then what it is about."""
    head = {"event": kind, "ts_ns": ts, "packet": packet, "reason": reason}
    return {name: value for name, value in head.items() if value is not None} | about


def flow_object(flow: Flow) -> dict[str, Any]:
    """Keys are named as the columns of connections.parquet; what does not apply is left out."""
    found: dict[str, Any] = {
        "conn_id": flow.conn_id,
        "family": f"ipv{flow.family}",
        "proto": codes.PROTOCOLS.get(flow.proto, str(flow.proto)),
        "protonum": flow.proto,
        "zone": flow.zone,
        "state": flow.state,
        "timeout_s": flow.timeout,
        "orig_src": flow.src,
        "orig_dst": flow.dst,
    }
    if flow.proto in WITH_PORTS:
        found |= {"orig_sport": flow.sport, "orig_dport": flow.dport}
    else:
        found |= {("icmp_" + k if flow.proto in (1, 58) else k): v for k, v in flow.original()}
    found |= {"reply_src": flow.reply_src, "reply_dst": flow.reply_dst}
    if flow.proto in WITH_PORTS:
        found |= {"reply_sport": flow.rsport, "reply_dport": flow.rdport}
    if flow.counters is not None:
        names = ("orig_packets", "orig_bytes", "reply_packets", "reply_bytes")
        found |= dict(zip(names, flow.counters, strict=True))
    found |= {
        "status": flow.status,
        "seen_reply": bool(flow.status & SEEN_REPLY),
        "assured": bool(flow.status & ASSURED),
        "mark": flow.mark,
        "helper": flow.helper,
        "master_conn_id": flow.master,
        "start_ts_ns": flow.start,
        "stop_ts_ns": flow.stop,
    }
    return {name: value for name, value in found.items() if value is not None}
