"""What an ICMP error says, in words (IANA registries of ICMP and ICMPv6 parameters; RFC 792, 1191, 1812, 4443)."""

from __future__ import annotations

_V4, _V6 = 1, 58
_KINDS = {
    (_V4, 3): "destination unreachable",
    (_V4, 4): "source quench",
    (_V4, 5): "redirect",
    (_V4, 11): "time exceeded",
    (_V4, 12): "parameter problem",
    (_V6, 1): "destination unreachable",
    (_V6, 2): "packet too big",
    (_V6, 3): "time exceeded",
    (_V6, 4): "parameter problem",
    (_V6, 137): "redirect",
}
_CODES = {
    (_V4, 3): (
        "network", "host", "protocol", "port", "fragmentation needed", "source route failed", "network unknown",
        "host unknown", "source host isolated", "network prohibited", "host prohibited", "network for this TOS",
        "host for this TOS", "administratively prohibited", "host precedence", "precedence cutoff",
    ),
    (_V4, 11): ("TTL ended on the way", "reassembly timed out"),
    (_V6, 1): (
        "no route", "administratively prohibited", "beyond scope of source address", "address", "port",
        "source address failed policy", "route rejected",
    ),
    (_V6, 3): ("hop limit ended on the way", "reassembly timed out"),
}  # fmt: skip
_FRAGMENTATION_NEEDED = (_V4, 3, 4)
_TOO_BIG = (_V6, 2, 0)


def message(proto: int, head: bytes) -> str:
    """`destination unreachable, port (type 3, code 3)`, from the first eight bytes of a message; '' of fewer."""
    if len(head) < 8:
        return ""
    kind, code = head[0], head[1]
    names = _CODES.get((proto, kind), ())
    words = [_KINDS.get((proto, kind), "error")]
    if code < len(names):
        words.append(names[code])
    # a router older than RFC 1191 leaves the field of the MTU zero
    if (proto, kind, code) == _FRAGMENTATION_NEEDED and any(head[6:8]):
        words.append(f"next MTU {int.from_bytes(head[6:8], 'big')}")
    elif (proto, kind, code) == _TOO_BIG:
        words.append(f"next MTU {int.from_bytes(head[4:8], 'big')}")
    return f"{', '.join(words)} (type {kind}, code {code})"
