"""Classic pcap: µs and ns, both byte orders, the modified (Kuznetsov) record header, swapped lengths of
version 2.2.

Layout: draft-ietf-opsawg-pcap section 4 and 5. A file header of 24 bytes, then per record seconds, fraction,
captured length, original length (32 bits each; the modified format adds 8 bytes), then the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctreplay import octets

from .errors import CaptureError, Damage
from .reader import Reader

if TYPE_CHECKING:
    from .inputs import CaptureFile
    from .streams import Stream

_NS = 1_000_000_000
_MAX_CAPLEN = 262144
_MAX_FRAME = 268435456
_CHAIN = 3
_DAY_S = 86400
_SEARCH = 67108864
_LENGTHS_PLAIN = 0
_LENGTHS_MAYBE_SWAPPED = 1
_LENGTHS_SWAPPED = 2

# magic as read little-endian → (big-endian, fraction to ns, record header size)
MAGICS: dict[int, tuple[bool, int, int]] = {
    0xA1B2C3D4: (False, 1000, 16),
    0xD4C3B2A1: (True, 1000, 16),
    0xA1B23C4D: (False, 1, 16),
    0x4D3CB2A1: (True, 1, 16),
    0xA1B2CD34: (False, 1000, 24),
    0x34CDB2A1: (True, 1000, 24),
}


class PcapReader(Reader):
    """Reads one classic pcap stream; raises CaptureError when it does not start with a pcap file header."""

    __slots__ = ("big", "declared", "head", "header", "lengths", "limit", "scale")

    def __init__(self, file: CaptureFile, stream: Stream, chunk: int, damage: list[Damage]) -> None:
        super().__init__(file, stream, chunk, damage)
        self.head = b""
        self.declared = 0
        self.open()

    def open(self) -> None:
        """Read the file header and describe the file's one interface."""
        if not self.fill(24):
            raise CaptureError(f"truncated in the pcap file header ({self.end - self.pos} of 24 bytes)", self.file.path)
        if int.from_bytes(self.view[:4], "little") not in MAGICS:
            raise CaptureError("not a pcap file", self.file.path)
        if not self.begin():
            raise CaptureError("more captures than can be told apart (65,536)", self.file.path)

    def begin(self) -> bool:
        """Take the file header at `pos`; False when it is that of one capture too many."""
        p = self.pos
        head = bytes(self.view[p : p + 24])
        self.pos = p + 24
        if head == self.head:
            return True
        fact = self.file.declare(self.declared)
        if fact is None:
            return False
        self.head = head
        self.big, self.scale, self.header = MAGICS[int.from_bytes(head[:4], "little")]
        major, minor = self.u32(p + 4) & 0xFFFF, self.u32(p + 4) >> 16
        if self.big:
            major, minor = minor, major
        fact.format = "pcap" if self.header == 16 else "pcap (modified)"
        fact.byte_order = "big" if self.big else "little"
        fact.version = f"{major}.{minor}"
        fact.interface_id = self.declared
        fact.set_resolution(9 if self.scale == 1 else 6, 0)
        fact.snaplen = self.u32(p + 16)
        # bits above are the length of the frame check sequence
        fact.linktype = self.u32(p + 20) & 0x03FFFFFF
        self.declared += 1
        self.fact = fact
        self.limit = fact.snaplen if _MAX_CAPLEN < fact.snaplen <= _MAX_FRAME else _MAX_CAPLEN
        if (major == 2 and minor < 3) or major == 543:
            self.lengths = _LENGTHS_SWAPPED
        else:
            self.lengths = _LENGTHS_MAYBE_SWAPPED if major == 2 and minor == 3 else _LENGTHS_PLAIN
        return True

    def joined(self, p: int) -> bool:
        """Whether the empty record at `p` is a file header: of a file that was appended to this one."""
        magic = int.from_bytes(self.view[p : p + 4], "little")
        return magic in MAGICS and bytes(self.view[p + 4 : p + 8]) in (b"\2\0\4\0", b"\0\2\0\4")

    def next_file(self) -> bool:
        """Go on with the file that was appended here."""
        offset = self.base + self.pos
        if not self.fill(24):
            self.finish(offset, f"the file ends inside another pcap file header ({self.end - self.pos} of 24 bytes)")
        elif not self.begin():
            self.finish(offset, "more captures than can be told apart (65,536)")
        else:
            self.note(offset, "another pcap file begins inside this one", True, 24)
            return True
        return False

    def u32(self, i: int) -> int:
        """The 32-bit field at window position `i`, in the file's byte order."""
        # the one check for the four reads behind it
        if i < 0 or i + 4 > self.end:
            self.beyond(i)
        return octets.be32(self.buf, i) if self.big else octets.le32(self.buf, i)

    def another(self) -> bool:
        p = self.pos
        if self.end - p < self.header:
            return False
        if self.big:
            sec = octets.be32(self.buf, p)
            fraction = octets.be32(self.buf, p + 4)
            caplen = octets.be32(self.buf, p + 8)
            wirelen = octets.be32(self.buf, p + 12)
        else:
            sec = octets.le32(self.buf, p)
            fraction = octets.le32(self.buf, p + 4)
            caplen = octets.le32(self.buf, p + 8)
            wirelen = octets.le32(self.buf, p + 12)
        if self.lengths != _LENGTHS_PLAIN and (self.lengths == _LENGTHS_SWAPPED or caplen > wirelen):
            caplen, wirelen = wirelen, caplen
        if caplen > self.limit or self.end - p < self.header + caplen:
            return False
        if caplen == 0 and wirelen == 0 and (sec == 0 or self.joined(p)):
            return False
        self.ts = sec * _NS + fraction * self.scale
        self.frame += 1
        self.start = p + self.header
        self.offset = self.base + self.start
        self.caplen = caplen
        self.wirelen = wirelen
        self.pos = self.start + caplen
        return True

    def step(self) -> bool:
        while not self.another():
            if self.end - self.pos < self.header and not self.fill(self.header):
                if self.stream is not None:
                    cut = self.end - self.pos
                    what = f"the file ends inside a record header ({cut} of {self.header} bytes)" if cut else ""
                    self.finish(self.base + self.pos, what)
                return False
            p = self.pos
            caplen = self.u32(p + 8)
            wirelen = self.u32(p + 12)
            if self.lengths != _LENGTHS_PLAIN and (self.lengths == _LENGTHS_SWAPPED or caplen > wirelen):
                caplen, wirelen = wirelen, caplen
            if caplen == 0 and wirelen == 0 and self.u32(p) == 0:
                # a file system that lost the end of a file gives zeros for it
                if not self.resync("a record header of zeros"):
                    return False
            elif caplen == 0 and wirelen == 0 and self.joined(p):
                if not self.next_file():
                    return False
            elif caplen > self.limit:
                if not self.resync(f"captured length {caplen} is above the limit of {self.limit}"):
                    return False
            elif not self.fill(self.header + caplen) and not self.cut(caplen):
                return False
        return True

    def cut(self, caplen: int) -> bool:
        """The record at `pos` goes beyond the end: a cut file, or a false length in the middle of one, behind which
        `pos` then is (True).
        """
        offset = self.base + self.pos
        have = self.end - self.pos - self.header
        what = f"the record has {caplen} bytes and only {max(have, 0)} are left in the file"
        if not self.sane(self.pos, self.ts // _NS) and self.resync(what):
            return True
        if self.stream is not None:
            self.finish(offset, what)
        return False

    def resync(self, what: str) -> bool:
        """Look behind a false record header for a chain of records; True with `pos` on its first one."""
        offset = self.base + self.pos
        skipped = 0
        last_s = self.ts // _NS
        while skipped < _SEARCH:
            self.pos += 1
            skipped += 1
            if not self.fill(self.header):
                break
            if self.plausible(last_s):
                self.note(offset, what, True, skipped)
                return True
        self.finish(offset, what)
        return False

    def plausible(self, last_s: int) -> bool:
        """Whether a chain of records starts at `pos`: sane fields, times within a day, one by one."""
        at = 0
        for _ in range(_CHAIN):
            if not self.fill(at + self.header):
                # the chain may end where the file ends, not inside a header
                return at > 0 and self.end - self.pos == at
            p = self.pos + at
            if not self.sane(p, last_s):
                return False
            at += self.header + self.u32(p + (12 if self.lengths == _LENGTHS_SWAPPED else 8))
        return self.fill(at)

    def sane(self, p: int, last_s: int) -> bool:
        """Whether the header at window position `p` could be a real one: lengths in order, time near
        `last_s`.
        """
        sec = self.u32(p)
        caplen = self.u32(p + 8)
        wirelen = self.u32(p + 12)
        if self.lengths == _LENGTHS_SWAPPED:
            caplen, wirelen = wirelen, caplen
        if caplen == 0 or caplen > self.limit or wirelen < caplen or wirelen > _MAX_CAPLEN:
            return False
        if self.u32(p + 4) * self.scale >= _NS:
            return False
        return self.frame == 0 or (sec <= last_s + _DAY_S and sec + _DAY_S >= last_s)
