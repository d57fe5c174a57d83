"""IRC: DCC offers inside a client's PRIVMSG (CTCP, DCC)."""

from __future__ import annotations

from ctreplay.helpers.addresses import MAPPED
from ctreplay.helpers.control import Control, printable

_TCP = 6
_U16 = 0xFFFF
_U32 = 0xFFFFFFFF
_LONGEST = 4095
_COMMANDS = (b"SEND ", b"CHAT ", b"MOVE ", b"TSEND ", b"SCHAT ")
# the shortest text that can follow: target and command; from " :" on; from the argument on
_SHORTEST_MESSAGE = 10
_SHORTEST_OFFER = 26
_SHORTEST_ARGUMENTS = 12


def number(data: bytes, at: int) -> tuple[int, int]:
    """Decimal digits from `at` (64 bits, wrapping) and where they end."""
    value = 0
    while at < len(data) and 48 <= data[at] <= 57:
        value = (value * 10 + data[at] - 48) & 0xFFFFFFFFFFFFFFFF
        at += 1
    return value, at


def arguments(data: bytes, at: int) -> tuple[int, int] | None:
    """Address and port behind one word; a newline must follow somewhere."""
    limit = len(data) - _SHORTEST_ARGUMENTS
    space = data.find(b" ", at, max(at, limit + 1))
    if space < 0:
        return None
    at = space + 1
    if data.find(b"\n", at) < 0:
        return None
    host, at = number(data, at)
    while at < len(data) and data[at] == 32:
        at += 1
    if at >= len(data):
        return None
    port, _ = number(data, at)
    return host & _U32, port & _U16


def offers(data: bytes) -> list[tuple[int, int]]:
    """Addresses and ports of the DCC offers of one packet, in order; the first usable one counts."""
    data = data[:_LONGEST]
    end = len(data)
    at = 0
    while at < end - _SHORTEST_MESSAGE and data[at] in b" \r\n":
        at += 1
    if at < end - _SHORTEST_MESSAGE:
        if data[at : at + 8].upper() != b"PRIVMSG ":
            return []
        at += 8
    found: list[tuple[int, int]] = []
    while True:
        at = data.find(b" :", at)
        if at < 0 or at >= end - _SHORTEST_OFFER:
            return found
        at += 2
        if data[at : at + 5] != b"\x01DCC ":
            return found
        at += 5
        for command in _COMMANDS:
            if data.startswith(command, at):
                at += len(command)
                offer = arguments(data, at)
                if offer is not None:
                    found.append(offer)


def packet(c: Control) -> bool:
    """One packet of the client."""
    if c.reply or not c.established or not c.data:
        return True
    for host, port in offers(c.data):
        if host | MAPPED == c.client and port:
            return c.expected(
                proto=_TCP, src=0, src_mask=0, dst=c.client, dport=port, text=printable(c.data.lstrip(b" \r\n"))
            )
    return True
