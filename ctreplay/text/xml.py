"""`conntrack -o xml` (spec section 10.4)."""

from __future__ import annotations

from collections.abc import Container
from xml.sax.saxutils import escape

from ctreplay.text.flow import ASSURED, GRE, ICMP, SCTP, SEEN_REPLY, Flow
from ctreplay.tracker.proto import sctp_table, tcp_table

HEADER = '<?xml version="1.0" encoding="utf-8"?>\n<conntrack>'
FOOTER = "</conntrack>"
_EVENTS = {
    "": "<flow>",
    "NEW": '<flow type="new">',
    "UPDATE": '<flow type="update">',
    "DESTROY": '<flow type="destroy">',
}


def xml(flow: Flow, options: Container[str] = (), kind: str = "") -> str:
    """One `<flow>`; `kind`: an event's name, empty for a dump."""
    counters = flow.counters
    parts = [_EVENTS[kind]]
    for direction, src, dst, transport, counted in (
        ("original", flow.src, flow.dst, flow.original(), counters[:2] if counters else None),
        ("reply", flow.reply_src, flow.reply_dst, flow.reply(), counters[2:] if counters else None),
    ):
        number, name = (2, "ipv4") if flow.family == 4 else (10, "ipv6")
        parts.append(
            f'<meta direction="{direction}"><layer3 protonum="{number}" protoname="{name}"><src>{escape(src)}</src>'
            f'<dst>{escape(dst)}</dst></layer3><layer4 protonum="{flow.proto}" protoname="{flow.proto_name}">'
        )
        if flow.proto not in ICMP:
            # conntrack leaves ICMP's fields out
            parts.extend(_element(flow.proto, tag, value) for tag, value in transport)
        parts.append("</layer4>")
        if counted is not None:
            parts.append(f"<counters><packets>{counted[0]}</packets><bytes>{counted[1]}</bytes></counters>")
        parts.append("</meta>")
    parts.append('<meta direction="independent">')
    for tag, content in (
        ("state", _state(flow)),
        ("timeout", flow.timeout),
        ("mark", flow.mark),
        ("zone", flow.zone or None),
        ("use", flow.use),
        ("id", flow.conn_id & 0xFFFFFFFF),
    ):
        if content is not None:
            parts.append(f"<{tag}>{content}</{tag}>")
    if flow.status & ASSURED:
        parts.append("<assured/>")
    if not flow.status & SEEN_REPLY:
        parts.append("<unreplied/>")
    if "ktimestamp" in options and flow.start is not None:
        stop = f"<stop>{flow.stop}</stop>" if flow.stop is not None else ""
        parts.append(f"<timestamp><start>{flow.start}</start>{stop}</timestamp>")
    if flow.delta is not None:
        parts.append(f"<deltatime>{flow.delta}</deltatime>")
    parts.append("</meta>")
    if flow.helper:
        parts.append(f"<helper>{escape(flow.helper)}</helper>")
    parts.append("</flow>")
    return "".join(parts)


def _state(flow: Flow) -> str | None:
    """conntrack's XML gives the states of SCTP the names of TCP's with the same numbers; so does this."""
    if flow.proto == SCTP and flow.state is not None:
        return tcp_table.STATES[sctp_table.STATES.index(flow.state)]
    return flow.state and escape(flow.state)


def _element(proto: int, tag: str, value: int) -> str:
    return f"<{tag}>{value:#x}</{tag}>" if proto == GRE else f"<{tag}>{value}</{tag}>"
