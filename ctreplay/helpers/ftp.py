"""FTP: PORT, EPRT, and the replies 227 and 229 (RFC 959, RFC 2428), as the kernel's helper reads them.

Only a packet whose first byte follows a newline that was seen is parsed, and only its first line.
"""

from __future__ import annotations

from ctreplay.helpers.addresses import MAPPED, ipv6
from ctreplay.helpers.control import Control

_U16 = 0xFFFF
_U32 = 0xFFFFFFFF
_HALF = 0x80000000
_TCP = 6
_PARTIAL = "partial"


class Lines:
    """Per direction, up to two sequence numbers that follow a newline."""

    __slots__ = ("after_newline",)

    def __init__(self) -> None:
        self.after_newline: tuple[list[int], list[int]] = ([], [])

    def known(self, reply: bool, seq: int) -> bool:
        """Whether `seq` begins a line."""
        return seq in self.after_newline[reply]

    def remember(self, reply: bool, seq: int) -> None:
        """A line ended before `seq`; the older of two is replaced, if `seq` is later."""
        seqs = self.after_newline[reply]
        if seq in seqs:
            return
        if len(seqs) < 2:
            seqs.append(seq)
            return
        older = 0 if ((seqs[0] - seqs[1]) & _U32) >= _HALF else 1
        if ((seqs[older] - seq) & _U32) >= _HALF:
            seqs[older] = seq


Endpoint = tuple[int | None, int]


def numbers(data: bytes, start: int, count: int, separator: int, terminator: int) -> tuple[list[int], int] | None:
    """`count` decimal numbers (32 bits, wrapping) from `start`, and where the terminator stands (0: any will do)."""
    found = [0] * count
    i = 0
    for at in range(start, len(data)):
        c = data[at]
        if 48 <= c <= 57:
            found[i] = (found[i] * 10 + c - 48) & _U32
        elif c == separator:
            i += 1
            if i == count:
                return None
        else:
            return (found, at) if (c == terminator or not terminator) and i == count - 1 else None
    return None


def six(data: bytes, start: int, terminator: int) -> Endpoint | None:
    """h1,h2,h3,h4,p1,p2: address and port."""
    got = numbers(data, start, 6, 44, terminator)
    if got is None:
        return None
    n = got[0]
    return (n[0] << 24 | n[1] << 16 | n[2] << 8 | n[3]) & _U32, (n[4] << 8 | n[5]) & _U16


def port_until(data: bytes, start: int, delimiter: int) -> int | None:
    """A decimal port that is not 0 (16 bits, wrapping), ended by the delimiter."""
    port = 0
    for at in range(start, len(data)):
        c = data[at]
        if c == delimiter:
            return port or None
        if not 48 <= c <= 57:
            return None
        port = (port * 10 + c - 48) & _U16
    return None


def is_delimiter(c: int) -> bool:
    """RFC 2428: a printable character that is no digit."""
    return 33 <= c <= 126 and not 48 <= c <= 57


def extended(data: bytes, start: int, family: int) -> Endpoint | None:
    """<d><family><d><address><d><port><d>; the address as 32 or 128 bits."""
    if len(data) - start <= 3:
        return None
    d = data[start]
    if not is_delimiter(d) or data[start + 2] != d or data[start + 1] != (49 if family == 4 else 50):
        return None
    at = start + 3
    if family == 4:
        got = numbers(data, at, 4, 46, d)
        if got is None:
            return None
        n, end = got
        host = (n[0] << 24 | n[1] << 16 | n[2] << 8 | n[3]) & _U32
    else:
        end = data.find(d, at)
        got6 = ipv6(data, at, end) if end >= 0 else None
        if got6 is None or got6[1] != end:
            return None
        host = got6[0]
    port = port_until(data, end + 1, d)
    return None if port is None else (host, port)


def extended_passive(data: bytes, start: int) -> Endpoint | None:
    """<d><d><d><port><d>."""
    if len(data) - start <= 3:
        return None
    d = data[start]
    if not is_delimiter(d) or data[start + 1] != d or data[start + 2] != d:
        return None
    port = port_until(data, start + 3, d)
    return None if port is None else (None, port)


def command(data: bytes, reply: bool, family: int) -> Endpoint | str | None:
    """(address or None for the sender's own, port), `_PARTIAL` for a command that is cut or malformed, None for
    any other line."""
    for pattern, skip in ((b"227 ", 0), (b"229 ", 40)) if reply else ((b"PORT", 32), (b"EPRT", 32)):
        n = len(pattern)
        if data[:n].upper() != (pattern if len(data) > n else pattern[: len(data)]):
            continue
        if len(data) <= n:
            return _PARTIAL
        start = n
        if skip:
            start = data.find(skip, n) + 1
            if start == 0:
                return _PARTIAL
        found: Endpoint | None
        if pattern == b"PORT":
            found = six(data, start, 13)
        elif pattern == b"EPRT":
            found = extended(data, start, family)
        elif pattern == b"229 ":
            found = extended_passive(data, start)
        else:
            digit = next((i for i in range(start, len(data)) if 48 <= data[i] <= 57), None)
            found = None if digit is None else six(data, digit, 0)
        return _PARTIAL if found is None else found
    return None


def packet(c: Control) -> bool:
    """One packet of a control connection."""
    data = c.data
    if not c.established or not data:
        return True
    lines = c.ext.info
    if lines is None:
        lines = c.ext.info = Lines()
    accept = True
    seq = c.packet.seq
    if lines.known(c.reply, seq):
        found = command(data, c.reply, c.entry.family)
        if found == _PARTIAL:
            return False
        if found is not None:
            accept = announce(c, found[0], found[1])  # type: ignore[arg-type]
    if data[-1] == 10:
        lines.remember(c.reply, (seq + len(data)) & _U32)
    return accept


def announce(c: Control, host: int | None, port: int) -> bool:
    """Expect a connection to the announced port of the sender, unless it named somebody else's address."""
    own = c.sender
    if host is not None:
        if c.entry.family == 4:
            host |= MAPPED
        elif host <= _U32 and c.data[:1] in b"Pp2":
            # four bytes of a PORT or 227 land in the first four of the IPv6 address
            host = host << 96 | own & ((1 << 96) - 1)
        if host != own:
            return True
    return c.expected(proto=_TCP, src=c.peer, dst=own, dport=port)
