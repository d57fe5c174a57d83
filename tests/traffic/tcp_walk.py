"""A TCP conversation that keeps a rough idea of conntrack's windows, to land close to their bounds."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from . import build as b

MS, S = 1_000_000, 1_000_000_000
_M = 0xFFFFFFFF
# gaps around the timeouts of the state machine, exact and a nanosecond to either side
_TIMEOUTS = (10, 30, 60, 120, 300, 311, 182, 1, 5, 180, 432000)
_WINDOWS = (0, 1, 2, 100, 1000, 5840, 16384, 64240, 65535)


@dataclass
class Side:
    """What conntrack would remember of one side, as far as this generator cares."""

    address: bytes
    port: int
    end: int = 0
    maxend: int = 0
    maxwin: int = 0
    maxack: int = 0
    scale: int = 0
    sack: bool = False
    nxt: int = 0


def gap(rng: random.Random) -> int:
    """Mostly short, sometimes on a timeout's edge."""
    if rng.random() < 0.90:
        return int(rng.expovariate(1 / (40 * MS))) + 1
    return max(1, rng.choice(_TIMEOUTS) * S + rng.choice((-1, 0, 1, -500 * MS, 500 * MS, -2 * S)))


def _syn_options(rng: random.Random) -> tuple[bytes, int | None, bool]:
    """Options of a SYN: bytes, the window scale they announce (None: none) and whether SACK is permitted."""
    scale: int | None = None
    sack = rng.random() < 0.6
    out = b""
    if rng.random() < 0.7:
        out += struct.pack("!BBH", 2, 4, 1460)
    if sack:
        out += b"\x04\x02"
    if rng.random() < 0.3:
        out += struct.pack("!BBII", 8, 10, rng.getrandbits(32), 0)
    if rng.random() < 0.6:
        scale = rng.randrange(16)
        out += b"\x01" * rng.randrange(3) + bytes((3, 3, scale))
    if rng.random() < 0.12:
        out = damage(rng, out)
    return out[:40], scale, sack


def damage(rng: random.Random, options: bytes) -> bytes:
    """Options cut short, with odd lengths, an early end or bytes from anywhere."""
    how = rng.randrange(5)
    if how == 0 and options:
        return options[: rng.randrange(len(options))]
    if how == 1:
        return options + bytes((rng.choice((3, 4, 5, 8, 30)), rng.choice((0, 1, 2, 3, 40, 255))))
    if how == 2 and options:
        at = rng.randrange(len(options))
        return options[:at] + bytes((rng.randrange(256),)) + options[at + 1 :]
    if how == 3:
        return b"\0" + options
    return bytes(rng.randrange(256) for _ in range(rng.randrange(41)))


class Walk:
    """Yields `(gap, packet)`; never ends by itself."""

    def __init__(self, rng: random.Random, a: bytes, c: bytes, sport: int, dport: int, bad_checksums: float) -> None:
        self.rng = rng
        self.sides = [Side(a, sport), Side(c, dport)]
        self.bad = bad_checksums

    def packet(
        self, way: int, seq: int, ack: int, flags: int, win: int, options: bytes = b"", size: int = 0,
        data_offset: int | None = None,
    ) -> bytes:  # fmt: skip
        snd, rcv = self.sides[way], self.sides[1 - way]
        segment = b.tcp(snd.port, rcv.port, seq, ack, flags, win, options[:40], bytes(size), data_offset)
        error = 1 + self.rng.randrange(9) if self.rng.random() < self.bad else 0
        segment = b.with_checksum(snd.address, rcv.address, b.TCP, segment, error)
        self._remember(way, seq & _M, ack & _M, flags, win, size)
        return b.ip(snd.address, rcv.address, b.TCP, segment)

    def _remember(self, way: int, seq: int, ack: int, flags: int, win: int, size: int) -> None:
        snd, rcv = self.sides[way], self.sides[1 - way]
        end = (seq + size + bool(flags & b.SYN) + bool(flags & b.FIN)) & _M
        if flags & b.SYN:
            if snd.maxwin == 0 or ((end - snd.end) & _M) < 1 << 31:
                snd.end = snd.maxend = snd.nxt = end
                snd.maxwin = max(win, 1)
            return
        if ((seq - snd.maxend - 1) & _M) < 1 << 31:
            return
        scaled = win << snd.scale
        if ((end - snd.end) & _M) < 1 << 31:
            snd.end = snd.nxt = end
        snd.maxwin = max(snd.maxwin, scaled)
        if flags & b.ACK and ((rcv.end - ack) & _M) < 1 << 31:
            snd.maxack = ack
            if ((ack + scaled - rcv.maxend) & _M) < 1 << 31:
                rcv.maxend = (ack + max(scaled, 1)) & _M

    def _isn(self) -> int:
        rng = self.rng
        return rng.choice((rng.getrandbits(32), (-rng.randrange(3000)) & _M, 0, (1 << 31) - rng.randrange(2000)))

    def _syn(self, way: int, flags: int = b.SYN, size: int = 0, isn: int | None = None) -> bytes:
        options, scale, sack = _syn_options(self.rng)
        snd, rcv = self.sides[way], self.sides[1 - way]
        snd.scale, snd.sack = scale or 0, sack
        seq = self._isn() if isn is None else isn
        return self.packet(way, seq, rcv.nxt if flags & b.ACK else 0, flags, self._win(), options, size)

    def _win(self) -> int:
        return self.rng.choice(_WINDOWS)

    def _timestamps(self) -> bytes:
        return struct.pack("!BBBBII", 1, 1, 8, 10, self.rng.getrandbits(32), 5) if self.rng.random() < 0.2 else b""

    def _plain(self, way: int, flags: int = b.ACK, size: int = 0) -> bytes:
        snd, rcv = self.sides[way], self.sides[1 - way]
        return self.packet(way, snd.nxt, rcv.nxt, flags, self._win(), self._timestamps(), size)

    def _sack(self, way: int) -> bytes:
        """An ACK with SACK blocks inside and around what the other side sent."""
        snd, rcv = self.sides[way], self.sides[1 - way]
        rng = self.rng
        blocks = b""
        for _ in range(rng.choice((1, 1, 2, 3, 4))):
            right = rcv.end + rng.choice((-1000, -1, 0, 1, 2, 1000, -70000))
            blocks += struct.pack("!II", (right - 500) & _M, right & _M)
        length = 2 + len(blocks) + rng.choice((0, 0, 0, 0, 0, 1, -8, 7))
        options = b"\x01\x01" + bytes((5, length & 255)) + blocks
        if rng.random() < 0.2:
            options = struct.pack("!BBBBII", 1, 1, 8, 10, 1, 1) + options
        if rng.random() < 0.1:
            options = damage(rng, options)
        ack = rcv.end + rng.choice((0, 0, -500, -1000, -1, 1, -66001))
        return self.packet(way, snd.nxt, ack, b.ACK, self._win(), options[:40])

    def _bound(self, way: int) -> bytes:
        """A packet within a step or two of one of the four bounds."""
        rng = self.rng
        snd, rcv = self.sides[way], self.sides[1 - way]
        flags = rng.choice((b.ACK, b.ACK, b.ACK | b.PSH, b.ACK | b.FIN, b.RST, b.RST | b.ACK, b.SYN | b.ACK))
        size = rng.choice((0, 0, 1, 10, 500, 1000, 1460))
        step = rng.choice((-2, -1, 0, 1, 2))
        seq, ack = snd.nxt, rcv.end
        which = rng.randrange(6)
        if which == 0:
            seq = snd.maxend + 1 + step
        elif which == 1:
            seq = snd.end - rcv.maxwin - 1 + step - size
        elif which == 2:
            ack = rcv.end + 1 + step
        elif which == 3:
            ack = rcv.end - max(snd.maxwin, 66000) - 1 + step
        elif which == 4:  # beyond the right edge by about the receiver's window
            size = min(max(rcv.maxwin + step, 0), 3000)
            seq = snd.maxend + 1
        else:
            seq = snd.maxend + 1 + rcv.maxwin + step - size
            ack = rcv.end + rng.choice((0, -1, 1))
        return self.packet(way, seq, ack, flags, self._win(), self._timestamps(), size)

    def _reset(self, way: int) -> bytes:
        """Exact, inexact, below the highest ack, far away, zero; with and without ACK."""
        rng = self.rng
        snd, rcv = self.sides[way], self.sides[1 - way]
        seq = rng.choice((rcv.maxack, rcv.maxack, snd.nxt, snd.end))
        seq += rng.choice((0, 0, 0, 1, -1, 10, 1000, -1000, 1000000))
        if rng.random() < 0.1:
            seq = 0
        ack = rng.choice((0, rcv.end, rcv.end + 1, rcv.end - 66001, rng.getrandbits(32)))
        return self.packet(way, seq, ack, rng.choice((b.RST, b.RST | b.ACK)), rng.choice((0, 0, 1000)))

    def _anything(self, way: int) -> bytes:
        """Any flags, sequence numbers from all over the neighbourhood, sometimes a broken header."""
        rng = self.rng
        snd, rcv = self.sides[way], self.sides[1 - way]
        near = (0, 0, 1, -1, 100, -100, 70000, -70000, 1 << 31, rng.getrandbits(32))
        offset = rng.choice((None,) * 12 + (0, 4, 6, 15))
        return self.packet(
            way, snd.nxt + rng.choice(near), rcv.nxt + rng.choice(near), rng.randrange(256), self._win(),
            damage(rng, b"\x02\x04\x05\xb4") if rng.random() < 0.2 else b"", rng.choice((0, 0, 1, 20, 700)), offset,
        )  # fmt: skip

    def _open(self) -> Iterator[bytes]:
        """One of the ways a conversation starts."""
        rng = self.rng
        how = rng.randrange(12)
        one, two = self.sides
        if how == 11:  # picked up in the middle
            one.nxt, two.nxt = self._isn(), self._isn()
            one.end, two.end = one.nxt, two.nxt
            for _ in range(rng.randrange(1, 5)):
                yield self._plain(rng.randrange(2), size=rng.choice((0, 1, 100)))
            return
        yield self._syn(0, size=rng.choice((0, 0, 0, 50)))
        if how == 0:  # sent again, the same, higher or lower
            yield self._syn(0, isn=rng.choice((one.nxt - 1, one.nxt + 5000, one.nxt - 5000)))
        elif how == 1:  # simultaneous open
            yield self._syn(1)
            yield self._syn(rng.randrange(2), b.SYN | b.ACK, isn=self.sides[0].nxt - 1)
            yield self._plain(rng.randrange(2))
        elif how == 2:  # split handshake
            yield self._syn(1)
            yield self._syn(0, b.SYN | b.ACK)
        elif how == 3:  # challenge ACK of an old connection
            challenge = one.nxt + rng.choice((-1000, 900000, 1, 0))
            two.nxt = self._isn()
            yield self.packet(1, two.nxt, challenge, b.ACK, 1000)
            yield self.packet(0, challenge + rng.choice((0, 0, 1)), 0, b.RST, 0)
        elif how == 4:
            yield self._reset(1)
        if rng.random() < 0.9:
            yield self._syn(1, b.SYN | b.ACK)
            if rng.random() < 0.1:
                yield self._plain(1, size=10)
            if rng.random() < 0.9:
                yield self._plain(0, size=rng.choice((0, 0, 100)))

    def _close(self) -> Iterator[bytes]:
        way = self.rng.randrange(2)
        yield self._plain(way, b.FIN | b.ACK)
        yield self._plain(1 - way)
        if self.rng.random() < 0.7:
            yield self._plain(1 - way, b.FIN | b.ACK)
            yield self._plain(way)

    def _step(self) -> Iterator[bytes]:
        rng = self.rng
        way = rng.randrange(2)
        roll = rng.random()
        if roll < 0.25:
            yield self._plain(way, rng.choice((b.ACK, b.ACK | b.PSH)), rng.choice((0, 1, 100, 1000)))
        elif roll < 0.30:  # the same again and again
            copy = self._plain(way)
            for _ in range(rng.randrange(2, 6)):
                yield copy
        elif roll < 0.33:  # keep-alive
            yield self.packet(way, self.sides[way].nxt - 1, self.sides[1 - way].nxt, b.ACK, 1000)
        elif roll < 0.55:
            yield self._bound(way)
        elif roll < 0.62:
            yield self._sack(way)
        elif roll < 0.70:
            yield self._reset(way)
        elif roll < 0.75:  # a SYN into the middle, perhaps answered
            yield self._syn(way)
            if rng.random() < 0.5:
                yield self._syn(1 - way, b.SYN | b.ACK)
            elif rng.random() < 0.5:
                yield self._plain(1 - way)
                yield self._reset(way)
        elif roll < 0.80:
            yield self._syn(way, b.SYN | b.ACK)
        elif roll < 0.86:
            yield from self._close()
        elif roll < 0.92:
            yield from self._open()
        else:
            yield self._anything(way)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while True:
            for packet in self._open():
                yield gap(self.rng), packet
            for _ in range(self.rng.randrange(25)):
                for packet in self._step():
                    yield gap(self.rng), packet
            if self.rng.random() < 0.6:
                for packet in self._close():
                    yield gap(self.rng), packet
            if self.rng.random() < 0.8:
                for side in self.sides:
                    side.maxwin = side.end = side.maxend = side.maxack = 0
