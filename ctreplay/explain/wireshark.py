"""Display filters that show in Wireshark what an answer is about."""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 40
# ICMP types with an identifier: echo, timestamp, information, address mask
_WITH_ID = (0, 8, 13, 14, 15, 16, 17, 18)


def conversation(family: int, proto: int, src: str, dst: str, parts_of_tuple: tuple[int, int] | None) -> str:
    """All packets of a tuple, in both directions; ICMP: by identifier. Without ports: all between the two hosts."""
    ip = "ip" if family == 4 else "ipv6"
    parts = [f"{ip}.addr == {src}"] + ([f"{ip}.addr == {dst}"] if dst != src else [])
    sport, dport = parts_of_tuple or (0, 0)
    if parts_of_tuple is None:
        parts.append(f"ip.proto == {proto}" if family == 4 else f"ipv6.nxt == {proto}")
    elif proto in (6, 17, 132):
        name = {6: "tcp", 17: "udp", 132: "sctp"}[proto]
        ports = [sport] if sport == dport else [sport, dport]
        parts += [f"{name}.port == {port}" for port in ports]
    elif proto == 1:
        parts.append(f"icmp.ident == {sport}" if dport >> 8 in _WITH_ID else f"icmp.type == {dport >> 8}")
    elif proto == 58:
        echo = dport >> 8 in (128, 129)
        parts.append(f"icmpv6.echo.identifier == {sport}" if echo else f"icmpv6.type == {dport >> 8}")
    elif proto == 136:
        parts.append("udplite")
    elif family == 4:
        parts.append(f"ip.proto == {proto}")
    else:
        parts.append(f"ipv6.nxt == {proto}")
    return " && ".join(parts)


def frames(numbers: Sequence[int]) -> str:
    """Some frames of one file by their numbers; runs are written as ranges."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(a) if a == b else f"{a}..{b}" for a, b in runs[:_MOST]]
    return "frame.number in {" + ", ".join(words) + "}"
