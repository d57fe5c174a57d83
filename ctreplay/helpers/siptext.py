"""Reading SIP headers (RFC 3261) and SDP lines (RFC 4566) the way the kernel's helper does.

Every function takes the whole message and positions in it, and looks at each byte a bounded number of times. Searches
answer a `Found`, None (not there) or MALFORMED.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

_NEWLINE = re.compile(rb"[\r\n]")
_DIGITS = re.compile(rb"[0-9]*")
_LETTERS = re.compile(rb"[A-Za-z]*")
_HEX_RUN = re.compile(rb"[0-9A-Fa-f:.]*")
_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF
_MAPPED = 0xFFFF << 32
_BLANK = b" \t"
_LONGEST_V6 = 64
SIP_PORT = 5060
_FIRST_PORT = 1024
_LAST_PORT = 65535


@dataclass(frozen=True)
class Found:
    """Position and length of what a header holds."""

    at: int
    length: int

    @property
    def end(self) -> int:
        """Position behind it."""
        return self.at + self.length


class Malformed:
    """The header is there but does not hold what it should; `at` is where its value begins."""

    def __init__(self, at: int) -> None:
        self.at = at


# name: (long form, compact form, what to skip to, kind of value)
HEADERS: dict[str, tuple[bytes, bytes, bytes, str]] = {
    "cseq": (b"cseq", b"", b"", "digits"),
    "contact": (b"contact", b"m", b"sip:", "uri"),
    "expires": (b"expires", b"", b"", "digits"),
    "content-length": (b"content-length", b"l", b"", "digits"),
}


def number(data: bytes, at: int, *, any_base: bool = False) -> tuple[int, int]:
    """An unsigned number of 32 bits (wrapping) and where it ends; `any_base` takes 0x and a leading 0 as C does."""
    base, digits = 10, b"0123456789"
    if any_base and data[at : at + 1] == b"0":
        if data[at + 1 : at + 2].lower() == b"x" and data[at + 2 : at + 3].lower() in _members(b"0123456789abcdef"):
            base, digits = 16, b"0123456789abcdefABCDEF"
            at += 2
        else:
            base, digits = 8, b"01234567"
    value = 0
    while at < len(data) and data[at] in digits:
        value = (value * base + int(chr(data[at]), 16)) & _U64
        at += 1
    return value & _U32, at


def _members(characters: bytes) -> list[bytes]:
    return [bytes([c]) for c in characters]


def line_starts(data: bytes, at: int) -> Iterator[int]:
    """Positions after a line's end; the first line is not among them."""
    n = len(data)
    while True:
        found = _NEWLINE.search(data, at)
        if found is None:
            return
        start = found.end()
        if start >= n:
            return
        if data[start - 1] == 13 and data[start] == 10:
            start += 1
            if start >= n:
                return
        yield start
        at = start + 1


def continued(data: bytes, at: int, limit: int) -> int | None:
    """From a line's end to the text of its continuation line; None when there is none."""
    at += 1
    if at >= limit:
        return None
    if data[at - 1] == 13 and data[at] == 10:
        at += 1
        if at >= limit:
            return None
    if data[at] not in _BLANK:
        return None
    while at < limit and data[at] in _BLANK:
        at += 1
    return at


def skip_blank(data: bytes, at: int) -> int | None:
    """Over blanks, also onto a continuation line; None at the end of the header."""
    limit = len(data)
    while at < limit and data[at] in _BLANK:
        at += 1
    if at < limit and data[at] in b"\r\n":
        following = continued(data, at, limit)
        if following is None:
            return None
        at = following
    return at if at < limit else None


def seek(data: bytes, at: int, limit: int, needle: bytes) -> int | None:
    """Where `needle` (lower case) stands in the rest of this header."""
    limit -= len(needle)
    n = len(needle)
    while at < limit:
        c = data[at]
        if c == 13 or c == 10:
            following = continued(data, at, limit)
            if following is None:
                return None
            # the first character of the continuation is passed over
            at = following + 1
            continue
        if data[at : at + n].lower() == needle:
            return at
        at += 1
    return None


def ipv4(data: bytes, at: int, limit: int) -> tuple[int, int] | None:
    """A dotted address as key, and where it ends: at the end, a colon, or what is neither digit nor hex letter."""
    parts: list[int] = []
    value = -1
    while True:
        c = data[at] if at < limit else 0
        if 48 <= c <= 57:
            value = max(value, 0) * 10 + c - 48
            if value > 255 or len(parts) >= 4:
                return None
        else:
            if chr(c) in "abcdefABCDEF" and c:
                return None
            if value < 0:
                return None
            parts.append(value)
            value = -1
            if c != 46:
                if len(parts) != 4:
                    return None
                return _MAPPED | int.from_bytes(bytes(parts), "big"), at
            if len(parts) >= 4:
                return None
        at += 1


def ipv6(data: bytes, at: int, limit: int) -> tuple[int, int] | None:
    """A colon-separated address as key, and where it ends."""
    found = _HEX_RUN.match(data, at, min(limit, at + _LONGEST_V6))
    assert found is not None
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET6, found[0].decode("ascii")), "big"), found.end()
    except OSError:
        return None


def host(data: bytes, at: int, limit: int, family: int) -> tuple[int, int] | None:
    """The address of a SIP URI; IPv6 stands in brackets."""
    if family == 4:
        return ipv4(data, at, limit)
    if data[at : at + 1] != b"[":
        return None
    got = ipv6(data, at + 1, limit)
    if got is None or got[1] >= limit or data[got[1]] != 93:
        return None
    return got[0], got[1] + 1


def uri(data: bytes, at: int, limit: int, family: int) -> Found | None:
    """address[:port] of a URI, behind `user@`; the port must be 1024 to 65535."""
    line_end = _NEWLINE.search(data, at, limit)
    sign = data.find(b"@", at, line_end.start() if line_end else limit)
    start = sign + 1 if sign >= 0 else at
    got = host(data, start, limit, family)
    if got is None:
        return None
    end = got[1]
    if data[end : end + 1] == b":":
        port, end = number(data, end + 1)
        if not _FIRST_PORT <= port <= _LAST_PORT:
            return None
    return Found(start, end - start)


def _value(data: bytes, at: int, kind: str, family: int) -> Found | None:
    if kind == "digits":
        found = _DIGITS.match(data, at)
        return Found(at, len(found[0])) if found and found[0] else None
    return uri(data, at, len(data), family)


def header(data: bytes, at: int, name: str, family: int) -> Found | Malformed | None:
    """The next header of this name whose line starts behind `at`."""
    long, compact, skip, kind = HEADERS[name]
    for start in line_starts(data, at):
        if data[start] in _BLANK:
            continue
        if data[start : start + len(long)].lower() == long:
            after = start + len(long)
        elif compact and data[start : start + 1].lower() == compact and start + 1 < len(data):
            after = start + 1
            if 65 <= data[after] & 0xDF <= 90:
                continue
        else:
            continue
        colon = skip_blank(data, after)
        if colon is None or data[colon] != 58 or colon + 1 >= len(data):
            return None
        value = skip_blank(data, colon + 1)
        if value is None:
            return None
        if skip:
            found_at = seek(data, value, len(data), skip)
            if found_at is None:
                return Malformed(value)
            value = found_at + len(skip)
        return _value(data, value, kind, family) or Malformed(value)
    return None


def next_value(data: bytes, at: int, name: str, family: int) -> Found | Malformed | None:
    """The next comma-separated value of the header that `at` is in."""
    skip, kind = HEADERS[name][2:]
    comma = seek(data, at, len(data), b",")
    if comma is None:
        return None
    found_at = seek(data, comma, len(data), skip)
    if found_at is None:
        return None
    value = found_at + len(skip)
    return _value(data, value, kind, family) or Malformed(value)


@dataclass
class Contacts:
    """Walks over the contacts of a message; `at` and `inside` say how far it came."""

    at: int = 0
    inside: bool = False


def contact(data: bytes, walk: Contacts, family: int) -> tuple[Found, int, int] | None:
    """The next contact: its place, address and port."""
    found = next_contact(data, walk, family)
    got = None if found is None else host(data, found.at, found.end, family)
    if found is None or got is None:
        return None
    key, end = got
    port = SIP_PORT
    if data[end : end + 1] == b":":
        port, end = number(data, end + 1)
    walk.at = end
    return found, key, port


def next_contact(data: bytes, walk: Contacts, family: int) -> Found | None:
    """Where the next readable contact stands, in the same header or in a later one."""
    at = walk.at
    found: Found | Malformed | None
    while walk.inside:
        found = next_value(data, at, "contact", family)
        if isinstance(found, Found):
            return found
        if found is None:
            walk.inside = False
        else:
            at += found.at
    while True:
        found = header(data, at, "contact", family)
        if isinstance(found, Found):
            walk.inside = True
            return found
        if found is None:
            return None
        at += found.at


def parameter(data: bytes, at: int, name: bytes) -> int | None:
    """Where the value of a parameter (`name` with its `=`) of this contact begins."""
    limit = seek(data, at, len(data), b",")
    start = seek(data, at, len(data) if limit is None else limit, name)
    return None if start is None else start + len(name)


SDP = {"version": b"v=", "connection": b"c=", "media": b"m="}


def sdp(data: bytes, at: int, name: str, family: int, until: str | None = None) -> Found | Malformed | None:
    """The next SDP line of this type behind `at`, before the next one of type `until`."""
    n = len(data)
    for start in line_starts(data, at):
        kind = data[start : start + 2].lower()
        if until is not None and kind == SDP[until]:
            return None
        if kind != SDP[name]:
            continue
        value = start + 2
        if name == "version":
            length = len(_DIGITS.match(data, value)[0])  # type: ignore[index]
        elif name == "media":
            word = len(_LETTERS.match(data, value)[0])  # type: ignore[index]
            if data[value + word : value + word + 1] != b" ":
                return Malformed(value)
            length = word + 1 + len(_DIGITS.match(data, value + word + 1)[0])  # type: ignore[index]
        else:
            line_end = _NEWLINE.search(data, value)
            found_at = data.find(b"IN IP4 " if family == 4 else b"IN IP6 ", value, line_end.start() if line_end else n)
            if found_at < 0:
                return Malformed(value)
            value = found_at + 7
            got = ipv4(data, value, len(data)) if family == 4 else ipv6(data, value, len(data))
            length = 0 if got is None else got[1] - value
        return Found(value, length) if length else Malformed(value)
    return None


def sdp_address(data: bytes, at: int, family: int) -> int | None:
    """Address of the next c= line before the next m= line."""
    found = sdp(data, at, "connection", family, until="media")
    if not isinstance(found, Found):
        return None
    got = ipv4(data, found.at, found.end) if family == 4 else ipv6(data, found.at, found.end)
    return None if got is None else got[0]
