"""The line of `conntrack -L` and `-E`, and that of /proc/net/nf_conntrack (spec sections 10.1, 10.2, 10.7)."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Container

from ctreplay.text.flow import ASSURED, DCCP, GRE, SEEN_REPLY, Flow

_SECOND = 1_000_000_000
_OFFLOAD, _HW_OFFLOAD = 0x4000, 0x8000
_FAMILIES = {4: "ipv4     2 ", 6: "ipv6     10 "}
EVENTS = {"NEW": "    [NEW] ", "UPDATE": " [UPDATE] ", "DESTROY": "[DESTROY] "}
# the kernel knows no DCCP any more
_PROC_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6", 132: "sctp", 136: "udplite"}


def line(flow: Flow, options: Container[str] = ()) -> str:
    """One entry; `options` of -o: extended, id, ktimestamp."""
    parts = [f"{flow.proto_name:<8} {flow.proto}"]
    if flow.timeout is not None:
        parts.append(str(flow.timeout))
    if flow.state is not None:
        parts.append(flow.state)
    if flow.texts is None:
        flow.texts = _texts(flow, flow.src, flow.dst, flow.reply_src, flow.reply_dst)
    _tuples(parts, flow, flow.texts)
    if flow.mark is not None:
        parts.append(f"mark={flow.mark}")
    if flow.zone:
        parts.append(f"zone={flow.zone}")
    if flow.delta is not None:
        parts.append(f"delta-time={flow.delta}")
    if "ktimestamp" in options:
        parts.extend(
            f"[{name}={ctime(ts)}]" for name, ts in (("start", flow.start), ("stop", flow.stop)) if ts is not None
        )
    if flow.helper:
        parts.append(f"helper={flow.helper}")
    if flow.use is not None:
        parts.append(f"use={flow.use}")
    if "id" in options:
        parts.append(f"id={flow.conn_id & 0xFFFFFFFF}")
    text = " ".join(parts)
    return _FAMILIES[flow.family] + text if "extended" in options else text


def _texts(flow: Flow, src: str, dst: str, reply_src: str, reply_dst: str) -> tuple[str, str]:
    """Both tuples."""
    return (
        " ".join([f"src={src} dst={dst}", *(_part(flow.proto, *pair) for pair in flow.original())]),
        " ".join([f"src={reply_src} dst={reply_dst}", *(_part(flow.proto, *pair) for pair in flow.reply())]),
    )


def _tuples(parts: list[str], flow: Flow, texts: tuple[str, str]) -> None:
    counters = flow.counters
    status = flow.status
    parts.append(texts[0])
    if counters is not None:
        parts.append(f"packets={counters[0]} bytes={counters[1]}")
    if not status & SEEN_REPLY:
        parts.append("[UNREPLIED]")
    parts.append(texts[1])
    if counters is not None:
        parts.append(f"packets={counters[2]} bytes={counters[3]}")
    if status & _HW_OFFLOAD:
        parts.append("[HW_OFFLOAD]")
    elif status & _OFFLOAD:
        parts.append("[OFFLOAD]")
    elif status & ASSURED:
        parts.append("[ASSURED]")


def _part(proto: int, name: str, value: int) -> str:
    return f"{name}={value:#x}" if proto == GRE else f"{name}={value}"


def ctime(ts: int) -> str:
    """As ctime(3) prints it: local time of TZ."""
    return time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(ts // _SECOND))


def event(kind: str, flow: Flow, options: Container[str], ts: int) -> str:
    """One event; with `timestamp` in the options its time comes first, in microseconds."""
    return stamped(EVENTS[kind] + line(flow, options), options, ts)


def stamped(text: str, options: Container[str], ts: int) -> str:
    """The line of an event, behind its time if that is asked for."""
    return f"[{ts // _SECOND}.{ts % _SECOND // 1000:06d}]\t{text}" if "timestamp" in options else text


def in_full(address: str) -> str:
    """An address as /proc prints it: IPv6 uncompressed."""
    return ipaddress.ip_address(address).exploded if ":" in address else address


def proc(flow: Flow) -> str:
    """One line of /proc/net/nf_conntrack."""
    parts = [f"{_FAMILIES[flow.family]}{_PROC_NAMES.get(flow.proto, 'unknown'):<8} {flow.proto}"]
    if flow.timeout is not None:
        parts.append(str(flow.timeout))
    if flow.state is not None:
        parts.append(flow.state)
    elif flow.proto == GRE:
        parts.append("timeout=30, stream_timeout=180")
    if flow.proto == DCCP:
        flow = Flow(**{name: getattr(flow, name) for name in Flow.__slots__} | {"proto": 253})
    _tuples(parts, flow, _texts(flow, *map(in_full, (flow.src, flow.dst, flow.reply_src, flow.reply_dst))))
    parts.append(f"mark={flow.mark or 0}")
    parts.append(f"zone={flow.zone}")
    if flow.delta is not None:
        parts.append(f"delta-time={flow.delta}")
    # the reader of the file holds a reference
    parts.append(f"use={(flow.use or 1) + 1}")
    return " ".join(parts)
