"""Reading SIP headers (RFC 3261) and SDP lines (RFC 4566) the way the kernel's helper does.

Every function takes the whole message and positions in it, and looks at each byte a bounded number of times. Header
searches answer a `Found`, None (not there) or a `Malformed`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ctreplay.helpers.addresses import ipv4, ipv6

_NEWLINE = re.compile(rb"[\r\n]")
_DIGITS = re.compile(rb"[0-9]*")
_U32 = 0xFFFFFFFF
_MOST_DIGITS = 11
_MOST_PORT_DIGITS = 5
_BLANK = b" \t"
SIP_PORT = 5060
FIRST_PORT = 1024
LAST_PORT = 65535


class Found(NamedTuple):
    """Position and length of what a header holds."""

    at: int
    length: int

    @property
    def end(self) -> int:
        """Position behind it."""
        return self.at + self.length


class Malformed:
    """The header is there but does not hold what it should; `at` is where its value begins."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at


def _lines(names: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"[\r\n](" + names + rb")", re.IGNORECASE)


# for the kernel those of Latin-1 are letters too
LETTERS = rb"A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff"

# name: (how its lines begin: long form or compact form, what to skip to, kind of value)
HEADERS: dict[str, tuple[re.Pattern[bytes], bytes, str]] = {
    "cseq": (_lines(rb"cseq"), b"", "digits"),
    "contact": (_lines(rb"contact|m(?=[^" + LETTERS + rb"])"), b"sip:", "uri"),
    "expires": (_lines(rb"expires"), b"", "digits"),
    "content-length": (_lines(rb"content-length|l(?=[^" + LETTERS + rb"])"), b"", "digits"),
}
_TARGETS = {needle: re.compile(rb"[\r\n]|" + re.escape(needle), re.IGNORECASE) for needle in (
    b",", b"sip:", b"transport=", b"expires=",
)}  # fmt: skip


def number(data: bytes, at: int) -> int | None:
    """A decimal number of 32 bits; None when there is none, when it is larger or has more than eleven digits."""
    found = _DIGITS.match(data, at)
    assert found is not None
    if not 0 < len(found[0]) <= _MOST_DIGITS:
        return None
    value = int(found[0])
    return value if value <= _U32 else None


def line(data: bytes, at: int, names: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """The next line behind `at` that begins with one of `names`; the message's first line is none."""
    for found in names.finditer(data, at):
        end, name = found.start(), found.start(1)
        while end > at and data[end - 1] in b"\r\n":
            end -= 1
        while end < name:
            end += 2 if data[end : end + 2] == b"\r\n" else 1
            if end == name:
                return found
            # what a line begins with is not looked at as its end
            end += 1
    return None


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
    target = _TARGETS[needle]
    while at < limit:
        found = target.search(data, at, limit + len(needle) - 1)
        if found is None or found.start() >= limit:
            return None
        if data[found.start()] not in b"\r\n":
            return found.start()
        following = continued(data, found.start(), limit)
        if following is None:
            return None
        # the first character of the continuation is passed over
        at = following + 1
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


def endpoint(data: bytes, at: int, family: int) -> tuple[int, int, int] | None:
    """address[:port] of a URI: both, and where they end. The port is 1024 to 65535; more must follow."""
    limit = len(data)
    got = host(data, at, limit, family)
    if got is None or got[1] >= limit:
        return None
    key, end = got
    if data[end] != 58:
        return key, SIP_PORT, end
    found = _DIGITS.match(data, end + 1)
    assert found is not None
    if not 0 < len(found[0]) <= _MOST_PORT_DIGITS or not FIRST_PORT <= int(found[0]) <= LAST_PORT:
        return None
    return None if found.end() >= limit else (key, int(found[0]), found.end())


def uri(data: bytes, at: int, family: int) -> Found | None:
    """The endpoint of a URI, behind `user@`."""
    line_end = _NEWLINE.search(data, at)
    sign = data.find(b"@", at, line_end.start() if line_end else len(data))
    start = sign + 1 if sign >= 0 else at
    got = endpoint(data, start, family)
    return None if got is None else Found(start, got[2] - start)


def _value(data: bytes, at: int, kind: str, family: int) -> Found | None:
    if kind == "digits":
        found = _DIGITS.match(data, at)
        return Found(at, len(found[0])) if found and found[0] else None
    return uri(data, at, family)


def header(data: bytes, at: int, name: str, family: int) -> Found | Malformed | None:
    """The next header of this name whose line starts behind `at`."""
    names, skip, kind = HEADERS[name]
    found = line(data, at, names)
    if found is None:
        return None
    colon = skip_blank(data, found.end())
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


def next_value(data: bytes, at: int, name: str, family: int) -> Found | Malformed | None:
    """The next comma-separated value of the header that `at` is in."""
    _, skip, kind = HEADERS[name]
    comma = seek(data, at, len(data), b",")
    if comma is None:
        return None
    found_at = seek(data, comma, len(data), skip)
    if found_at is None:
        return None
    value = found_at + len(skip)
    return _value(data, value, kind, family) or Malformed(value)


class Contacts:
    """Walks over the contacts of a message; `at` and `inside` say how far it came."""

    __slots__ = ("at", "inside")

    def __init__(self) -> None:
        self.at = 0
        self.inside = False


def contact(data: bytes, walk: Contacts, family: int) -> tuple[Found, int, int] | None:
    """The next contact: its place, address and port."""
    found = next_contact(data, walk, family)
    got = None if found is None else endpoint(data, found.at, family)
    if found is None or got is None:
        return None
    key, port, walk.at = got
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
            at = found.at
    while True:
        found = header(data, at, "contact", family)
        if isinstance(found, Found):
            walk.inside = True
            return found
        if found is None:
            return None
        at = found.at


def parameter(data: bytes, at: int, name: bytes) -> int | None:
    """Where the value of a parameter (`name` with its `=`) of this contact begins."""
    limit = seek(data, at, len(data), b",")
    start = seek(data, at, len(data) if limit is None else limit, name)
    return None if start is None else start + len(name)


_VERSION = _lines(rb"v=")
_MEDIA = _lines(rb"m=")
_CONNECTION = _lines(rb"[cm]=")
_STREAM = re.compile(rb"[" + LETTERS + rb"]* [0-9]*")


def version(data: bytes) -> int | None:
    """Where the number of the first v= line stands: the description begins there."""
    found = line(data, 0, _VERSION)
    return found.end() if found is not None and data[found.end() : found.end() + 1].isdigit() else None


def media(data: bytes, at: int) -> Found | None:
    """Kind and port of the next m= line behind `at`."""
    found = line(data, at, _MEDIA)
    stream = None if found is None else _STREAM.match(data, found.end())
    return None if stream is None else Found(stream.start(), stream.end() - stream.start())


def connection(data: bytes, at: int, family: int) -> int | None:
    """The address of the next c= line behind `at` that comes before the next m= line."""
    found = line(data, at, _CONNECTION)
    if found is None or found[1] in (b"m=", b"M="):
        return None
    line_end = _NEWLINE.search(data, found.end())
    limit = line_end.start() if line_end else len(data)
    found_at = data.find(b"IN IP4 " if family == 4 else b"IN IP6 ", found.end(), limit)
    if found_at < 0:
        return None
    got = ipv4(data, found_at + 7, len(data)) if family == 4 else ipv6(data, found_at + 7, len(data))
    return None if got is None else got[0]
