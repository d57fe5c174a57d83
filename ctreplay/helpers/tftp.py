"""TFTP (RFC 1350): the server answers a request from a port of its choice."""

from __future__ import annotations

from ctreplay.helpers.control import Control

_UDP = 17
_REQUESTS = (b"\x00\x01", b"\x00\x02")


def packet(c: Control) -> bool:
    """A read or write request announces the transfer."""
    if c.data[:2] not in _REQUESTS:
        return True
    name = c.data[2:130].split(b"\0")[0].decode("latin-1")
    verb = "RRQ" if c.data[1] == 1 else "WRQ"
    text = verb + " " + "".join(ch if " " <= ch < "\x7f" and ch != "\\" else f"\\x{ord(ch):02x}" for ch in name)
    return c.expected(proto=_UDP, src=c.server, dst=c.client, dport=c.entry.rdport, text=text)
