"""Addresses as text, the way the kernel's helpers read them (in4_pton, in6_pton): numbers may begin with any zeros."""

from __future__ import annotations

import re

# what makes the key of an IPv4 address of its 32 bits
MAPPED = 0xFFFF << 32
_DECIMAL = re.compile(rb"\.".join([rb"0*([0-9]{1,3})"] * 4) + rb"(?![0-9A-Fa-f.])")
_RUN = re.compile(rb"[0-9A-Fa-f:]*")
_GROUP = re.compile(rb"0*([0-9A-Fa-f]{1,4})")


def ipv4(data: bytes, at: int, limit: int) -> tuple[int, int] | None:
    """A dotted address as key, and where it ends: at `limit`, or before what is neither a hex digit nor a dot."""
    found = _DECIMAL.match(data, at, limit)
    if found is None:
        return None
    parts = [int(one) for one in found.groups()]
    return (MAPPED | int.from_bytes(bytes(parts), "big"), found.end()) if max(parts) < 256 else None


def _groups(text: bytes) -> list[int] | None:
    """Numbers of 16 bits with a colon between each two."""
    words = text.split(b":") if text else []
    found = [group for word in words if (group := _GROUP.fullmatch(word)) is not None]
    return [int(group[1], 16) for group in found] if len(found) == len(words) else None


def ipv6(data: bytes, at: int, limit: int) -> tuple[int, int] | None:
    """An address with colons as key, and where it ends: at `limit`, or before what can be no part of one."""
    run = _RUN.match(data, at, limit)
    assert run is not None
    text, stop = run[0], run.end()
    tail: list[int] = []
    if stop < limit and data[stop] == 46:
        # the last two groups as a dotted address
        text = text[: text.rfind(b":") + 1]
        dotted = ipv4(data, at + len(text), limit)
        if dotted is None or not text:
            return None
        tail, stop = [dotted[0] >> 16 & 0xFFFF, dotted[0] & 0xFFFF], dotted[1]
        text = text if text.endswith(b"::") else text[:-1]
    first, gap, second = text.partition(b"::")
    begin, end = _groups(first), _groups(second)
    if begin is None or end is None:
        return None
    missing = 8 - len(begin) - len(end) - len(tail)
    if missing < 1 if gap else missing:
        return None
    key = 0
    for group in (*begin, *[0] * missing, *end, *tail):
        key = key << 16 | group
    return key, stop
