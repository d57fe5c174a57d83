"""Community ID version 1 (Corelight's specification): a flow hash that other tools compute alike."""

from __future__ import annotations

_SEED = b"\0\0"
# ICMP and ICMPv6 types that have a counterpart; the pair stands for the ports
ICMP_PAIRS = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10}
ICMPV6_PAIRS = {
    128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130, 139: 140, 140: 139, 144: 145,
    145: 144,
}  # fmt: skip
_WITH_PORTS = {1, 6, 17, 58, 132}


def community_id(proto: int, src: bytes, dst: bytes, sport: int, dport: int) -> str:
    """`1:<base64 of SHA-1>`; addresses are 4 or 16 bytes; for ICMP `sport` is the type and `dport` the code."""
    # a replay asks for whole batches (see `flowhash`)
    import base64
    import hashlib

    one_way = False
    if proto in (1, 58):
        counterpart = (ICMP_PAIRS if proto == 1 else ICMPV6_PAIRS).get(sport)
        if counterpart is None:
            one_way = True
        else:
            dport = counterpart
    if not one_way and (src, sport) > (dst, dport):
        src, dst, sport, dport = dst, src, dport, sport
    data = _SEED + src + dst + bytes((proto, 0))
    if proto in _WITH_PORTS:
        data += sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
    return "1:" + base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode("ascii")
