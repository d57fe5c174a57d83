"""The packets of captures as the referee takes them: number, time and the bytes from the IP header on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ctreplay.capture import OutOfOrder, open_captures
from ctreplay.decode.link import Link
from ctreplay.packet import Packet


def ip_packets(paths: Sequence[str | os.PathLike[str]]) -> list[tuple[int, int, bytes]]:
    """`(number in replay order, time in ns, bytes)`; empty bytes for a frame without IP. Raises CaptureError.

    All at once: the referee has to plan ahead.
    """
    captures = open_captures(paths, hashing="asked")
    link, packet = Link(), Packet()
    found: list[tuple[int, int, bytes]] = []
    try:
        while True:
            try:
                while captures.advance(packet):
                    at = packet.l3 if link.find(packet) == 0 else packet.start + packet.caplen
                    found.append((packet.number, packet.ts, bytes(packet.buf[at : packet.start + packet.caplen])))
                return found
            except OutOfOrder:
                found.clear()
                captures.restart()
    finally:
        captures.close()
