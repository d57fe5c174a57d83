"""SANE network protocol: the answer to SANE_NET_START names the port of the image data."""

from __future__ import annotations

from ctreplay.helpers.control import Control

_TCP = 6
_REQUEST_BYTES = 8
_REPLY_BYTES = 8
_NET_START = b"\x00\x00\x00\x07"


def packet(c: Control) -> bool:
    """A request arms, the next answer fires; `info` is True while armed."""
    if not c.established or not c.data:
        return True
    if not c.reply:
        if len(c.data) == _REQUEST_BYTES:
            c.ext.info = c.data[:4] == _NET_START
        return True
    if not c.ext.info:
        return True
    c.ext.info = False
    if len(c.data) < _REPLY_BYTES or any(c.data[:6]):
        return True
    port = c.data[6] << 8 | c.data[7]
    return c.expected(proto=_TCP, src=c.client, dst=c.server, dport=port, text=f"SANE_NET_START port {port}")
