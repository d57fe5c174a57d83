"""`conntrack -o save`: entries as the options that would create them again (spec section 10.3)."""

from __future__ import annotations

from ctreplay.text.flow import ASSURED, DCCP, GRE, ICMP, SEEN_REPLY, WITH_PORTS, Flow

_COMMANDS = {"": "-A", "NEW": "-A", "UPDATE": "-U", "DESTROY": "-D"}
_EXPECTED, _FIXED_TIMEOUT = 0x1, 0x400
_STATUS = ((SEEN_REPLY, "SEEN_REPLY"), (ASSURED, "ASSURED"), (_EXPECTED, "EXPECTED"), (_FIXED_TIMEOUT, "FIXED_TIMEOUT"))


def save(flow: Flow, kind: str = "") -> str:
    """`kind`: an event's name, empty for a dump."""
    parts = [_COMMANDS[kind]]
    if flow.timeout is not None:
        parts += ["-t", str(flow.timeout)]
    status = [name for bit, name in _STATUS if flow.status & bit]
    parts += ["-u", ",".join(status) or "UNSET"]
    parts += ["-s", flow.src, "-d", flow.dst]
    parts += ["-r" if flow.reply_src == flow.dst else "-g", flow.reply_src]
    parts += ["-q" if flow.reply_dst == flow.src else "-n", flow.reply_dst]
    if flow.proto in ICMP:
        name = flow.proto_name
        parts += ["-p", name]
        for option, (_, value) in zip(("type", "code", "id"), flow.original(), strict=True):
            parts += [f"--{name}-{option}", str(value)]
    elif flow.proto == GRE:
        parts += ["-p", "gre", "--srckey", str(flow.sport), "--dstkey", str(flow.dport)]
        parts += ["--reply-key-src", str(flow.rsport), "--reply-key-dst", str(flow.rdport)]
    elif flow.proto == DCCP:
        parts += ["-p", "dccp"]
    elif flow.proto in WITH_PORTS:
        parts += ["-p", flow.proto_name, "--sport", str(flow.sport), "--dport", str(flow.dport)]
        parts += ["--reply-port-src", str(flow.rsport), "--reply-port-dst", str(flow.rdport)]
        if flow.state is not None:
            parts += ["--state", flow.state]
            if flow.vtags is not None:
                parts += ["--orig-vtag", str(flow.vtags[0]), "--reply-vtag", str(flow.vtags[1])]
    else:
        parts += ["-p", str(flow.proto)]
    if flow.mark:
        parts += ["-m", str(flow.mark)]
    if flow.zone:
        parts += ["-w", str(flow.zone)]
    return " ".join(parts)
