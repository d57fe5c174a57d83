"""Amanda: the server's CONNECT answer names the ports of its data streams."""

from __future__ import annotations

from ctreplay.helpers.control import Control, printable

_TCP = 6
_MASTER_TIMEOUT = 300
_STREAMS = (b"DATA ", b"MESG ", b"INDEX ", b"STATE ")
_DIGITS = 5


def ports(data: bytes) -> list[int]:
    """Ports of the streams in the CONNECT line; a port of 0 ends the search, digits beyond the fifth
    are not read."""
    start = data.find(b"CONNECT ")
    if start < 0:
        return []
    start += 8
    stop = data.find(b"\n", start)
    if stop < 0:
        return []
    found = []
    for stream in _STREAMS:
        at = data.find(stream, start, stop)
        if at < 0:
            continue
        at += len(stream)
        end = at
        while end < len(data) and end - at < _DIGITS and 48 <= data[end] <= 57:
            end += 1
        port = int(data[at:end] or b"0") & 0xFFFF
        if port == 0:
            break
        found.append(port)
    return found


def packet(c: Control) -> bool:
    """A packet of the server."""
    if not c.reply or not c.established:
        return True
    c.refresh(_MASTER_TIMEOUT)
    text = printable(c.data[max(0, c.data.find(b"CONNECT ")) :])
    # one that cannot be added drops the packet, but not the others
    added = [c.expected(proto=_TCP, src=c.client, dst=c.server, dport=port, text=text) for port in ports(c.data)]
    return all(added)
