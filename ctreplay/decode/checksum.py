"""Internet checksum (RFC 1071) with pseudo-header, and SCTP's CRC32c (RFC 9260 appendix A)."""

from __future__ import annotations

from ctreplay import octets
from ctreplay.packet import Packet

_U32 = 0xFFFFFFFF
_UDP = 17
_CRC32C = 0x82F63B78


def _crc_table() -> bytearray:
    table = bytearray(1024)
    for n in range(256):
        value = n
        for _ in range(8):
            value = value >> 1 ^ (_CRC32C if value & 1 else 0)
        table[n * 4 : n * 4 + 4] = value.to_bytes(4, "little")
    return table


class Checksum:
    """Verifies checksums of whole packets; the caller sees to it that no byte is missing."""

    __slots__ = ("crc_table",)

    def __init__(self) -> None:
        self.crc_table = memoryview(_crc_table()).cast("I")

    def total(self, pkt: Packet, o: int, size: int) -> int:
        """One's complement sum of `size` bytes at `o`, folded to 16 bits."""
        return fold(ones(pkt, o, size))

    def transport(self, pkt: Packet, proto: int, size: int) -> bool:
        """Whether the sum over pseudo-header (with protocol `proto`) and `size` transport bytes is right."""
        total = pseudo(pkt) + proto + pkt.l4_len
        return fold(total + ones(pkt, pkt.l4, size)) == 0xFFFF

    def udplite(self, pkt: Packet, size: int) -> bool:
        """UDP-Lite's sum as nf_checksum_partial takes it: UDP's protocol number, of IPv4 eight bits of the length."""
        length = pkt.l4_len & 0xFF if pkt.family == 4 else pkt.l4_len
        return fold(pseudo(pkt) + _UDP + length + ones(pkt, pkt.l4, size)) == 0xFFFF

    def partial(self, pkt: Packet, proto: int, field: int) -> bool:
        """Whether the checksum field at `field` holds only the pseudo-header's sum, as offload leaves it."""
        return fold(pseudo(pkt) + proto + pkt.l4_len) == octets.be16(pkt.buf, field)

    def sctp(self, pkt: Packet) -> bool:
        """Whether the CRC32c in the SCTP header (little endian, zeroed for the sum) is right."""
        b = pkt.buf
        o = pkt.l4
        crc = _U32
        for i in range(pkt.l4_len):
            byte = 0 if 8 <= i < 12 else b[o + i]
            crc = self.crc_table[(crc ^ byte) & 255] ^ crc >> 8
        crc ^= _U32
        return crc == octets.le32(b, o + 8)


def ones(pkt: Packet, o: int, size: int) -> int:
    """Sum of big-endian words of 32 bits, which folds to that of 16; a shorter last one is padded with zeros."""
    # the one check for all reads behind it
    if o < 0 or size < 0 or o + size > len(pkt.buf):
        raise IndexError(f"{size} bytes at {o} of {len(pkt.buf)}")
    total = 0
    end = o + size
    while end - o >= 4:
        total += octets.be32(pkt.buf, o)
        o += 4
    if end > o:
        last = pkt.buf[o]
        last = last << 8 | (pkt.buf[o + 1] if end - o >= 2 else 0)
        last = last << 8 | (pkt.buf[o + 2] if end - o == 3 else 0)
        total += last << 8
    return total


def fold(total: int) -> int:
    """Carry the upper bits round until 16 are left."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def words(value: int) -> int:
    """Sum of the four 16-bit words of a 64-bit value."""
    return (value >> 48) + (value >> 32 & 0xFFFF) + (value >> 16 & 0xFFFF) + (value & 0xFFFF)


def pseudo(pkt: Packet) -> int:
    """The addresses' share of the pseudo-header sum (IPv4: without the mapped prefix)."""
    if pkt.family == 4:
        return words(pkt.src_lo & _U32) + words(pkt.dst_lo & _U32)
    return words(pkt.src_hi) + words(pkt.src_lo) + words(pkt.dst_hi) + words(pkt.dst_lo)
