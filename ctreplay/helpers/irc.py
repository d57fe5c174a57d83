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


def offer(data: bytes) -> tuple[int, int] | None:
    """Address and port of a packet's first DCC offer: when that is none to go by, those behind it are not looked at."""
    data = data[:_LONGEST]
    end = len(data)
    at = 0
    while at < end - _SHORTEST_MESSAGE and data[at] in b" \r\n":
        at += 1
    if at < end - _SHORTEST_MESSAGE:
        if data[at : at + 8].upper() != b"PRIVMSG ":
            return None
        at += 8
    while True:
        at = data.find(b" :", at)
        if at < 0 or at >= end - _SHORTEST_OFFER:
            return None
        at += 2
        if data[at : at + 5] != b"\x01DCC ":
            return None
        at += 5
        for command in _COMMANDS:
            if data.startswith(command, at):
                return arguments(data, at + len(command))


def packet(c: Control) -> bool:
    """One packet of the client."""
    if c.reply or not c.established or not c.data:
        return True
    found = offer(c.data)
    if found is not None and found[0] | MAPPED == c.client and found[1]:
        text = printable(c.data.lstrip(b" \r\n"))
        return c.expected(proto=_TCP, src=0, src_mask=0, dst=c.client, dport=found[1], text=text)
    return True
