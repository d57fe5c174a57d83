"""pcapng: sections of either byte order, many interfaces, all packet blocks, statistics, recovery after
damage.

Layout: draft-ietf-opsawg-pcapng section 3 (blocks) and 4 (block types). Every block carries its length before
and after its body; a block whose two lengths differ is damage, and reading goes on at the next block that
fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctreplay import octets

from .errors import CaptureError, Damage
from .reader import Reader

if TYPE_CHECKING:
    from .facts import CaptureFacts
    from .inputs import CaptureFile
    from .streams import Stream

_SHB = 0x0A0D0D0A
_IDB = 1
_PB = 2
_SPB = 3
_NRB = 4
_ISB = 5
_EPB = 6
_LITTLE = b"\x4d\x3c\x2b\x1a"
_BIG = b"\x1a\x2b\x3c\x4d"
_MAX_CAPLEN = 262144
_MAX_FRAME = 268435456
_MAX_BLOCK = 285212672
_MAX_META = 16777216
_SEARCH = 67108864
# nobody counted so far: all ones for a number that is not known, or memory that was never set
_MOST = 0x7FFFFFFFFFFFFFFF
_TICKS_INVALID = -0x7FFF_FFFF_FFFF_FFFF
# the longest timeout a sysctl takes must still fit behind a timestamp (this is in the year 2194)
_LATEST = 0x7FFF_FFFF_FFFF_FFFF - (1 << 31) * 1_000_000_000
_MAX_INTERFACES = 65535
# block types that a search for the next block believes in
_KNOWN = frozenset({_SHB, _IDB, _PB, _SPB, _NRB, _ISB, _EPB, 7, 8, 9, 10, 11, 0xBAD, 0x40000BAD})


class PcapngReader(Reader):
    """Reads one pcapng stream; raises CaptureError when it does not start with a section header."""

    __slots__ = ("big", "declared", "interfaces", "version")

    def __init__(self, file: CaptureFile, stream: Stream, chunk: int, damage: list[Damage]) -> None:
        super().__init__(file, stream, chunk, damage)
        self.big = False
        self.interfaces: list[CaptureFacts | None] = []
        self.declared = 0
        self.version = ""
        if not self.fill(12) or self.u32(0) != _SHB:
            raise CaptureError("not a pcapng file", self.file.path)

    def u32(self, i: int) -> int:
        """The 32-bit field at window position `i`, in the section's byte order."""
        # the one check for the four reads behind it
        if i < 0 or i + 4 > self.end:
            self.beyond(i)
        return octets.be32(self.buf, i) if self.big else octets.le32(self.buf, i)

    def u16(self, i: int) -> int:
        """The 16-bit field at window position `i`, in the section's byte order."""
        if i < 0 or i + 2 > self.end:
            self.beyond(i)
        return (self.buf[i] << 8) | self.buf[i + 1] if self.big else (self.buf[i + 1] << 8) | self.buf[i]

    def another(self) -> bool:
        p = self.pos
        if self.end - p < 32 or self.u32(p) != _EPB:
            return False
        total = self.u32(p + 4)
        if total < 32 or total > self.end - p or total & 3 != 0 or self.u32(p + total - 4) != total:
            return False
        return self.enhanced(p, total)

    def step(self) -> bool:
        while not self.another():
            if self.end - self.pos < 12 and not self.fill(12):
                if self.stream is not None:
                    cut = self.end - self.pos
                    what = f"the file ends inside a block header ({cut} of 12 bytes)" if cut else ""
                    self.finish(self.base + self.pos, what)
                return False
            p = self.pos
            kind = self.u32(p)
            total = self.u32(p + 4)
            if kind == _EPB:
                if total < 32 or (total & 3) != 0:
                    if not self.resync(f"block length {total} is not possible for a packet block"):
                        return False
                elif self.end - p < total:
                    self.load(total, 28)
                elif self.u32(p + total - 4) != total and not self.resync("the two lengths of a block differ"):
                    return False
            elif self.other(kind, total):
                if kind in (_PB, _SPB):
                    return True
            elif kind == _SHB:
                # interfaces of the section before are not those of this one
                self.interfaces = []
            elif kind == _IDB:
                # it keeps its number, or packets would be taken for those of another interface
                self.interfaces.append(None)
        return True

    def enhanced(self, p: int, total: int) -> bool:
        """Take the Enhanced Packet Block at `p`; False (noted, skipped) when it cannot be used."""
        self.pos = p + total
        return self.select(self.u32(p + 8), p) and self.packet(p, total)

    def packet(self, p: int, total: int) -> bool:
        """What the Enhanced and the obsolete Packet Block share: time, lengths, bytes."""
        caplen = self.u32(p + 20)
        if caplen > total - 32:
            self.note(
                self.base + p,
                f"captured length {caplen} does not fit its block of {total} bytes",
                True,
                total,
            )
            return False
        self.start = p + 28
        self.offset = self.base + self.start
        self.caplen = caplen
        self.wirelen = self.u32(p + 24)
        self.stamp(self.u32(p + 12), self.u32(p + 16), p)
        self.frame += 1
        return True

    def select(self, interface: int, p: int) -> bool:
        """Make `fact` the description of this interface of the section; False (noted) when there is none."""
        if interface < len(self.interfaces):
            fact = self.interfaces[interface]
            if fact is not None:
                if fact is not self.fact:
                    self.fact = fact
                return True
        self.note(self.base + p, f"a packet of interface {interface}, which is not described", True, self.pos - p)
        return False

    def stamp(self, high: int, low: int, p: int) -> None:
        """Set `ts`; a time too far off for 64-bit nanoseconds is noted and the time of the frame before it kept."""
        ts = self.fact.to_ns(high, low)
        if ts == _TICKS_INVALID or ts > _LATEST:
            self.note(self.base + p, "the timestamp is beyond the range of 64-bit nanoseconds", True, 0)
        else:
            self.ts = ts

    def load(self, total: int, head: int) -> bool:
        """Have the whole block at `pos` in the window; False after damage (then go on, or the stream is
        closed).
        """
        if total > _MAX_BLOCK:
            self.resync(f"block length {total} is above the limit of {_MAX_BLOCK}")
            return False
        sane = False
        if head == 28 and self.fill(28):
            # judge the captured length before much memory is taken for it
            caplen = self.u32(self.pos + 20)
            limit = self.caplen_limit(self.u32(self.pos + 8))
            if caplen > limit and total > _MAX_META:
                self.resync(f"captured length {caplen} is above the limit of {limit}")
                return False
            sane = 32 + caplen <= total <= 32 + caplen + 65536
        if self.fill(total):
            return True
        offset = self.base + self.pos
        left = self.end - self.pos
        what = f"the file ends inside a block ({left} of {total} bytes)"
        # a block that agrees with itself is one cut by the end of the file, not a false length in the middle
        if sane or not self.search(offset, what):
            self.finish(offset, what)
        return False

    def caplen_limit(self, interface: int) -> int:
        """Largest captured length believed for an interface of this section."""
        if interface < len(self.interfaces):
            fact = self.interfaces[interface]
            if fact is not None and _MAX_CAPLEN < fact.snaplen <= _MAX_FRAME:
                return fact.snaplen
        return _MAX_CAPLEN

    def other(self, kind: int, total: int) -> bool:
        """Take a block that is no Enhanced Packet Block; True when it could be read."""
        p = self.pos
        if kind == _SHB:
            mark = bytes(self.view[p + 8 : p + 12])
            if mark not in (_LITTLE, _BIG):
                self.resync("a section header without a byte-order mark")
                return False
            self.big = mark == _BIG
            total = self.u32(p + 4)
        if total < 12 or total & 3:
            self.resync(f"block length {total} is not possible")
            return False
        if kind not in (_SHB, _IDB, _PB, _SPB, _ISB):
            return self.pass_over(total)
        if total > _MAX_META and kind not in (_PB, _SPB):
            self.resync(f"block length {total} is not possible for a block of type {kind}")
            return False
        if not self.load(total, 0):
            return False
        p = self.pos
        if self.u32(p + total - 4) != total:
            self.resync("the two lengths of a block differ")
            return False
        self.pos = p + total
        if kind == _SHB:
            return self.section(p, total)
        if kind == _IDB:
            return self.interface(p, total)
        if kind == _ISB:
            return self.statistics(p, total)
        return self.old_packet(p, total) if kind == _PB else self.simple_packet(p, total)

    def pass_over(self, total: int) -> bool:
        """Skip a block of a type that carries no packets."""
        offset = self.base + self.pos
        # not by the size of the window, which is another for a first look, and with many files
        if total <= _MAX_META:
            if not self.load(total, 0):
                return False
            if self.u32(self.pos + total - 4) != total:
                self.resync("the two lengths of a block differ")
                return False
            self.pos += total
            return True
        there = self.skip(total - 4)
        if there == total - 4 and self.fill(4) and self.u32(self.pos) == total:
            self.pos += 4
            return True
        if there < total - 4 or self.end - self.pos < 4:
            self.finish(offset, f"the file ends inside a block (length {total})")
        else:
            self.search(offset, "the two lengths of a block differ")
        return False

    def section(self, p: int, total: int) -> bool:
        """A section starts: its interfaces are numbered from 0 again."""
        if total < 28:
            self.note(self.base + p, f"a section header of {total} bytes", True, total)
            return False
        self.interfaces = []
        self.version = f"{self.u16(p + 12)}.{self.u16(p + 14)}"
        return True

    def interface(self, p: int, total: int) -> bool:
        """Describe the next interface of the section."""
        if total < 20:
            self.note(self.base + p, f"an interface description of {total} bytes", True, total)
            return False
        fact = self.file.declare(self.declared) if self.declared < _MAX_INTERFACES else None
        if fact is None:
            self.note(self.base + p, "more interfaces than can be told apart", True, total)
            return False
        self.declared += 1
        fact.format = "pcapng"
        fact.byte_order = "big" if self.big else "little"
        fact.version = self.version
        fact.interface_id = len(self.interfaces)
        fact.linktype = self.u16(p + 8)
        fact.snaplen = self.u32(p + 12)
        tsresol, tsoffset = 6, 0
        for code, value in self.option_list(p + 16, p + total - 4):
            if code == 2:
                fact.interface_name = value.rstrip(b"\0").decode("utf-8", "replace")
            elif code == 9 and len(value) == 1:
                tsresol = value[0]
            elif code == 14 and len(value) == 8:
                tsoffset = int.from_bytes(value, "big" if self.big else "little", signed=True)
        fact.set_resolution(tsresol, tsoffset)
        self.interfaces.append(fact)
        return True

    def statistics(self, p: int, total: int) -> bool:
        """Interface statistics: the counters of the last such block of an interface stay."""
        if total < 24:
            self.note(self.base + p, f"interface statistics of {total} bytes", True, total)
            return False
        number = self.u32(p + 8)
        fact = self.interfaces[number] if number < len(self.interfaces) else None
        if fact is None:
            self.note(self.base + p, f"statistics of interface {number}, which is not described", True, total)
            return False
        drops: int | None = None
        for code, value in self.option_list(p + 20, p + total - 4):
            if len(value) != 8:
                continue
            count = int.from_bytes(value, "big" if self.big else "little")
            if count > _MOST:
                continue
            if code == 4:
                fact.kernel_received = count
            elif code == 5 or code == 7:
                # by the interface, and by the system behind it
                drops = min((drops or 0) + count, _MOST)
        if drops is not None:
            fact.kernel_drops = drops
        return True

    def option_list(self, at: int, end: int) -> list[tuple[int, bytes]]:
        """Options of a block as (code, value), up to the end mark or the first that does not fit."""
        found = []
        while at + 4 <= end:
            code, size = self.u16(at), self.u16(at + 2)
            if code == 0 or at + 4 + size > end:
                break
            found.append((code, bytes(self.view[at + 4 : at + 4 + size])))
            at += 4 + ((size + 3) & ~3)
        return found

    def old_packet(self, p: int, total: int) -> bool:
        """The obsolete Packet Block."""
        if total < 32:
            self.note(self.base + p, f"a packet block of {total} bytes", True, total)
            return False
        if not self.select(self.u16(p + 8), p):
            return False
        return self.packet(p, total)

    def simple_packet(self, p: int, total: int) -> bool:
        """A Simple Packet Block: no time of its own (the one of the frame before it, or 0), interface 0."""
        if total < 16:
            self.note(self.base + p, f"a simple packet block of {total} bytes", True, total)
            return False
        if not self.select(0, p):
            return False
        wirelen = self.u32(p + 8)
        caplen = min(wirelen, total - 16)
        snaplen = self.fact.snaplen
        if 0 < snaplen < caplen:
            caplen = snaplen
        self.start = p + 12
        self.offset = self.base + self.start
        self.caplen = caplen
        self.wirelen = wirelen
        self.frame += 1
        return True

    def resync(self, what: str) -> bool:
        """Find the next block that fits behind the damage at `pos`; closes the stream when there is none."""
        offset = self.base + self.pos
        if self.search(offset, what):
            return True
        self.finish(offset, what)
        return False

    def search(self, offset: int, what: str) -> bool:
        """True (noted) with `pos` on the next plausible block; False with `pos` where the damage starts, or
        behind.
        """
        scanned = 0
        while scanned < _SEARCH:
            self.pos += 1
            scanned += 1
            if not self.fill(12):
                break
            if self.plausible():
                self.note(offset, what, True, self.base + self.pos - offset)
                return True
        return False

    def plausible(self) -> bool:
        """Whether a block of a known type with two equal lengths starts at `pos`."""
        kind = self.u32(self.pos)
        if kind not in _KNOWN:
            return False
        big = self.big
        if kind == _SHB:
            mark = bytes(self.view[self.pos + 8 : self.pos + 12])
            if mark not in (_LITTLE, _BIG):
                return False
            self.big = mark == _BIG
        fits = self.framed()
        # a section header that turns out to be real sets the order again when it is read
        self.big = big
        return fits

    def framed(self) -> bool:
        """Whether the block at `pos` has a possible length, and the same one at its end."""
        total = self.u32(self.pos + 4)
        if total < 12 or total & 3 or total > _MAX_META or not self.fill(total):
            return False
        return self.u32(self.pos + total - 4) == total
