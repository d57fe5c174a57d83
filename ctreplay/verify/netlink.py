"""A small netlink codec for the per-packet path (ctnetlink and nfnetlink_log).

pyroute2 decodes one conntrack message in some 0.4 ms; a replay asks for several per packet, so this path is decoded
by hand. Everything that happens once (devices, routes, rules) goes through pyroute2.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator

NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
SUBSYS_CTNETLINK, SUBSYS_EXPECT, SUBSYS_ULOG, SUBSYS_NFTABLES = 1, 2, 4, 10

_HEAD = struct.Struct("=IHHII")
_ATTR = struct.Struct("=HH")
_GEN = struct.Struct("!BBH")


def attr(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTR.pack(len(payload) + 4, kind) + payload + bytes(-len(payload) & 3)


def nest(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attr(kind | 0x8000, b"".join(parts))


def message(subsystem: int, command: int, flags: int, seq: int, family: int, body: bytes, res_id: int = 0) -> bytes:
    """One nfnetlink message with its generic header."""
    return (
        _HEAD.pack(20 + len(body), subsystem << 8 | command, flags | NLM_F_REQUEST, seq, 0)
        + _GEN.pack(family, 0, res_id)
        + body
    )


def attributes(buf: bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    """`{kind: (start, end)}` of the attributes in `buf[start:end]`."""
    found = {}
    while start + 4 <= end:
        size, kind = _ATTR.unpack_from(buf, start)
        if size < 4:
            break
        found[kind & 0x3FFF] = (start + 4, start + size)
        start += (size + 3) & ~3
    return found


def messages(buf: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """`(type, flags, seq, body start, body end)` of each message in a datagram; the body follows the 16-byte header."""
    at, total = 0, len(buf)
    while at + 16 <= total:
        size, kind, flags, seq, _ = _HEAD.unpack_from(buf, at)
        if size < 16:
            return
        yield kind, flags, seq, at + 16, at + size
        at += (size + 3) & ~3


def text(payload: bytes) -> str:
    """A string attribute, which ends with a zero byte."""
    return payload.rstrip(b"\0").decode("ascii", "replace")


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


class NetfilterSocket:
    """A NETLINK_NETFILTER socket; `receive` never blocks longer than `timeout`."""

    def __init__(self, groups: tuple[int, ...] = (), buffer: int = 32 << 20) -> None:
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except OSError:  # not in a user namespace; a smaller buffer does, since it is read after each packet
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.bind((0, 0))
        self.port: int = self.sock.getsockname()[0]
        for group in groups:
            self.sock.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        self._seq = 1

    def ignore_messages_caused_by(self, port: int) -> None:
        """Drop, in the kernel, events that our own requests cause."""
        wanted = struct.unpack("!I", struct.pack("=I", port))[0]
        code = (_Filter * 4)(
            _Filter(0x20, 0, 0, 12),  # the header's port id
            _Filter(0x15, 0, 1, wanted),
            _Filter(0x06, 0, 0, 0),
            _Filter(0x06, 0, 0, 0xFFFFFFFF),
        )
        program = _Program(4, ctypes.cast(code, ctypes.POINTER(_Filter)))
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))

    def next_seq(self) -> int:
        self._seq = (self._seq + 1) & 0x7FFFFFFF
        return self._seq

    def receive_now(self) -> bytes | None:
        """A datagram that is already there, or None."""
        try:
            return self.sock.recv(1 << 18, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def request(self, body: bytes) -> None:
        self.sock.send(body)

    def acknowledged(self, body: bytes, seq: int) -> None:
        """Send and wait for the acknowledgement; OSError carries the kernel's errno."""
        self.sock.send(body)
        while True:
            buf = self.sock.recv(1 << 18)
            for kind, _, got, start, _ in messages(buf):
                if kind == NLMSG_ERROR and got == seq:
                    code = -struct.unpack_from("=i", buf, start)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return

    def dumped(self, body: bytes, seq: int) -> Iterator[tuple[bytes, int, int, int, int]]:
        """Send a dump request; yields `(datagram, type, flags, body start, body end)` of each message of the answer."""
        self.sock.send(body)
        while True:
            buf = self.sock.recv(1 << 18)
            for kind, flags, got, start, end in messages(buf):
                if got != seq:
                    continue
                if kind == NLMSG_DONE:
                    return
                yield buf, kind, flags, start, end

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()


def is_gone(error: OSError) -> bool:
    return error.errno == errno.ENOENT
