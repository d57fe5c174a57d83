"""Every link layer with every truncation: the right IP header, or the right reason, and never an exception."""

from __future__ import annotations

import struct

import pytest

from ctreplay import reasons
from tests.traffic import build as b

from .machine import A6, B6, A, B, Machine

V4 = b.ipv4(A, B, 17, b.udp(1111, 2222, b"payload"))
V6 = b.ipv6(A6, B6, 17, b.udp(1111, 2222, b"payload"))
MACS = bytes(range(12))


def nflog(order: str, *before: bytes) -> bytes:
    out = struct.pack("!BBH", 2, 0, 0)
    for value in before:
        out += struct.pack(order + "HH", 4 + len(value), 1) + value + bytes(-len(value) % 4)
    return out + struct.pack(order + "HH", 4 + len(V4), 9)


def wlan(control: int = 0x08, flags: int = 0x01, extra: int = 0) -> bytes:
    return bytes((control, flags)) + bytes(22 + extra) + b"\xaa\xaa\x03\0\0\0"


def amsdu(size: int) -> bytes:
    return b"\x88\x01" + bytes(22) + b"\x80\0" + MACS + struct.pack("!H", size) + b"\xaa\xaa\x03\0\0\0"


def radiotap(form: str, *fields: int) -> bytes:
    """Its length fits; fields follow the bit masks of those present."""
    return struct.pack("<BBH", 0, 0, 4 + struct.calcsize(form)) + struct.pack(form, *fields)


# IEEE 802.11 QoS data whose header is padded to 28 bytes
PADDED = wlan(0x88, 0x01, 4)

# name: link type, header before IPv4 (the same with another last type before IPv6, None: not offered), reasons when cut
SHORT = {"frame_short"}
WRAPS: dict[str, tuple[int, bytes, bytes | None, set[str]]] = {
    "ethernet": (1, MACS + b"\x08\0", MACS + b"\x86\xdd", SHORT),
    "vlan": (1, MACS + b"\x81\0\0\x07\x08\0", MACS + b"\x81\0\0\x07\x86\xdd", SHORT),
    "qinq": (1, MACS + b"\x88\xa8\0\x01\x81\0\0\x02\x08\0", None, SHORT),
    "vlan 9100 9200 9300": (1, MACS + b"\x91\0\0\1\x92\0\0\2\x93\0\0\3\x08\0", None, SHORT),
    "raw": (101, b"", b"", SHORT),
    "raw 12": (12, b"", b"", SHORT),
    "raw 14": (14, b"", b"", SHORT),
    "ipv4": (228, b"", None, SHORT),
    "ipv6": (229, b"", b"", SHORT),
    "null, little endian": (0, b"\2\0\0\0", b"\x1e\0\0\0", SHORT),
    "null, big endian": (0, b"\0\0\0\2", b"\0\0\0\x18", SHORT),
    "loop": (108, b"\0\0\0\2", b"\0\0\0\x1c", SHORT),
    "sll": (113, bytes(14) + b"\x08\0", bytes(14) + b"\x86\xdd", SHORT),
    "sll, vlan": (113, bytes(14) + b"\x81\0\0\x07\x08\0", None, SHORT),
    "sll2": (276, b"\x08\0" + bytes(18), b"\x86\xdd" + bytes(18), SHORT),
    "ppp": (9, b"\0\x21", b"\0\x57", SHORT),
    "ppp, hdlc": (9, b"\xff\3\0\x21", b"\xff\3\0\x57", SHORT),
    "ppp, compressed": (9, b"\x21", b"\x57", SHORT),
    "ppp serial": (50, b"\xff\3\0\x21", b"\xff\3\x57", SHORT),
    "ppp serial, cisco": (50, b"\x0f\0\x08\0", b"\x8f\0\x86\xdd", SHORT),
    "c_hdlc": (104, b"\x0f\0\x08\0", b"\x0f\0\x86\xdd", SHORT),
    "nflog, little endian": (239, nflog("<"), None, SHORT),
    "nflog, big endian": (239, nflog(">"), None, SHORT),
    "nflog, attributes": (239, nflog("<", b"\0\0\0\1", b"eth0\0"), None, SHORT),
    "pppoe": (1, MACS + b"\x88\x64\x11\0\0\1\0\x20\0\x21", MACS + b"\x88\x64\x11\0\0\1\0\x20\0\x57", SHORT),
    "pppoe link type": (51, b"\x11\0\0\1\0\x20\0\x21", None, SHORT),
    "mpls": (1, MACS + b"\x88\x47\0\1\x01\x40", MACS + b"\x88\x47\0\1\x01\x40", SHORT),
    "mpls, three labels": (1, MACS + b"\x88\x48\0\1\0\x40\0\2\0\x40\0\3\1\x40", None, SHORT),
    "mpls pseudowire": (1, MACS + b"\x88\x47\0\1\x01\x40\0\0\0\0" + MACS + b"\x08\0", None, SHORT | {"mpls"}),
    "snap": (1, MACS + b"\0\x40\xaa\xaa\3\0\0\0\x08\0", MACS + b"\0\x40\xaa\xaa\3\0\0\xf8\x86\xdd", SHORT | {"llc"}),
    "llc ip": (1, MACS + b"\0\x40\6\6\3", None, SHORT | {"llc"}),
    "vlan, snap": (1, MACS + b"\x81\0\0\1\0\x40\xaa\xaa\3\0\0\0\x08\0", None, SHORT | {"llc"}),
    "802.11": (105, wlan() + b"\x08\0", wlan() + b"\x86\xdd", SHORT | {"llc"}),
    "802.11 qos": (105, wlan(0x88, 0x01, 2) + b"\x08\0", None, SHORT | {"llc"}),
    "802.11 qos, ht": (105, wlan(0x88, 0x81, 6) + b"\x08\0", None, SHORT | {"llc"}),
    "802.11 a-msdu": (105, amsdu(8 + len(V4)) + b"\x08\0", None, SHORT | {"llc"}),
    "802.11 wds": (105, wlan(0x08, 0x03, 6) + b"\x08\0", None, SHORT | {"llc"}),
    "radiotap": (127, b"\0\0\x0a\0" + bytes(6) + wlan() + b"\x08\0", None, SHORT | {"llc"}),
    "radiotap, qos": (127, radiotap("<IB3x", 2, 0) + wlan(0x88, 0x01, 2) + b"\x08\0", None, SHORT | {"llc"}),
    "radiotap, padded": (127, radiotap("<IB3x", 2, 0x20) + PADDED + b"\x08\0", None, SHORT | {"llc"}),
    "radiotap, padded, ht": (
        127, radiotap("<IB3x", 2, 0x30) + wlan(0x88, 0x81, 8) + b"\x08\0", None, SHORT | {"llc"},
    ),
    "radiotap, padded, plain": (127, radiotap("<IB3x", 2, 0x20) + wlan() + b"\x08\0", None, SHORT | {"llc"}),
    "radiotap, padded, time": (
        127, radiotap("<IQBB", 7, 0x1010101010101010, 0x20, 2) + PADDED + b"\x08\0", None, SHORT | {"llc"},
    ),
    "radiotap, padded, masks": (
        127, radiotap("<IIIQB", 0xA0000003, 0x20, 0x40404040, 0, 0x20) + PADDED + b"\x08\0", None, SHORT | {"llc"},
    ),
    "ppi, 802.11": (192, b"\0\0\x08\0\x69\0\0\0" + wlan() + b"\x08\0", None, SHORT | {"llc"}),
    "ppi, ethernet": (192, b"\0\0\x0c\0\1\0\0\0" + bytes(4) + MACS + b"\x08\0", None, SHORT),
    "ppi, raw": (192, b"\0\0\x08\0\x65\0\0\0", None, SHORT),
    "frame relay": (107, b"\x18\x41\3\xcc", b"\x18\x41\3\x8e", SHORT),
    "frame relay, padded": (107, b"\x18\x41\3\0\xcc", None, SHORT | {"llc"}),
    "frame relay, snap": (107, b"\x18\x41\3\0\x80\0\0\0\x08\0", None, SHORT | {"llc"}),
    "frame relay, cisco": (107, b"\x18\x41\x08\0", None, SHORT),
    "token ring": (6, b"\x10\x40" + bytes(12) + b"\xaa\xaa\3\0\0\0\x08\0", None, SHORT | {"llc"}),
    "token ring, routed": (
        6, b"\x10\x40" + bytes(6) + b"\x80" + bytes(5) + b"\6\0\0\0\0\0\xaa\xaa\3\0\0\0\x08\0", None, SHORT | {"llc"},
    ),
    "fddi": (10, b"\x50" + bytes(12) + b"\xaa\xaa\3\0\0\0\x08\0", None, SHORT | {"llc"}),
    "pflog": (117, b"\x3d" + bytes(63), None, SHORT),
    "enc": (109, bytes(12), None, SHORT),
}  # fmt: skip
CASES = [(name, 4) for name, row in WRAPS.items() if name != "ipv6"]
CASES += [(name, 6) for name, row in WRAPS.items() if row[2] is not None]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("size", [252, 255, 256, 508, 764, 1020, 1276, 1280])
def test_nflog_attributes_of_any_length(order: str, size: int) -> None:
    """Read in the other byte order many a length is a small one."""
    packet = b.ipv4(A, B, 17, b.udp(1, 2, bytes(size - 28)))
    frame = struct.pack("!BBH", 2, 0, 0) + struct.pack(order + "HH", 4 + size, 9) + packet
    assert Machine().send(frame, linktype=239).ctstate == "NEW"
    behind = nflog(order, bytes(size), b"\0" * 3) + V4
    assert Machine().send(behind, linktype=239).ctstate == "NEW"


@pytest.mark.parametrize(("name", "family"), CASES, ids=str)
def test_whole_and_cut(name: str, family: int) -> None:
    linktype, before4, before6, short = WRAPS[name]
    before, packet = (before4, V4) if family == 4 else (before6 or b"", V6)
    header = 20 if family == 4 else 40
    frame = before + packet
    machine = Machine()
    verdict = machine.send(frame + bytes(5), linktype=linktype)
    assert verdict.short == ("NEW", "") and verdict.entry is not None
    entry = verdict.entry
    assert (entry.family, entry.sport, entry.dport) == (family, 1111, 2222)
    assert entry.orig_bytes == len(packet), "trailing bytes do not count"
    for size in range(len(frame)):
        machine = Machine() if size > len(before) + header - 2 else machine
        verdict = machine.send(frame[:size], linktype=linktype, wirelen=len(frame))
        if size <= len(before):
            assert verdict.ctstate == "" and verdict.reason in short | {"ip_header"}, size
        elif size < len(before) + header:
            assert verdict.short == ("", "ip_header"), size
        elif size < len(before) + header + 6:
            # what was cut off reads as zero, the UDP length too
            assert verdict.short == ("INVALID", "udp_length"), size
        else:
            assert verdict.short == ("NEW", ""), size
            assert verdict.entry is not None and verdict.entry.orig_bytes == len(packet)


@pytest.mark.parametrize(
    ("linktype", "frame", "reason"),
    [
        (1, MACS + b"\x08\x06" + bytes(28), "arp"),
        (1, MACS + b"\x81\0\0\1\x08\x06" + bytes(28), "arp"),
        (1, MACS + b"\x88\xcc" + bytes(28), "ethertype 0x88cc"),
        (1, MACS + b"\x05\xdc\x42\x42\3" + bytes(28), "llc"),
        (1, MACS + b"\0\x40\xaa\xaa\3\0\0\x0c\x08\0" + bytes(28), "llc"),
        (1, MACS + b"\x81\0\0\1" * 13 + b"\x08\0" + V4, "nesting"),
        (1, MACS + (b"\x88\x47\0\1\x01\x40\0\0\0\0" + MACS) * 2000 + b"\x08\0" + V4, "nesting"),
        (1, MACS + b"\0\x10\xaa\xaa\3\0\0\0" * 1 + b"\x88\xb5", "ethertype 0x88b5"),
        (1, MACS + b"\x88\x64\x11\0\0\1\0\x20\xc0\x21" + V4, "ppp"),
        (1, MACS + b"\x88\x47\0\1\x01\x40\x30" + bytes(60), "mpls"),
        (9, b"\xc0\x21" + bytes(8), "ppp"),
        (50, b"\x8f" * 4, "ethertype 0x8f8f"),
        (0, b"\7\0\0\0" + V4, "ip_version"),
        (0, b"\xff\0\0\x1c" + V6, "ip_version"),
        (0, b"\0\1\0\2" + V4, "ip_version"),
        (0, b"\x1c\0\0\xff" + V6, "ip_version"),
        (0, b"\2\0\1\0" + V4, "ip_version"),
        (108, b"\xff\0\0\2" + V4, "ip_version"),
        (113, bytes(14) + b"\0\4" + bytes(20), "llc"),
        (105, wlan(0x80) + b"\x08\0" + V4, "wlan_not_data"),
        (105, wlan(0x48) + b"\x08\0" + V4, "wlan_not_data"),
        (105, wlan(0x08, 0x41) + b"\x08\0" + V4, "wlan_protected"),
        (105, amsdu(8 + len(V4)) + b"\x08\0" + V4 + MACS + b"\0\x20" + bytes(32), "wlan_aggregate"),
        (105, wlan(0x08, 0x05)[:22] + b"\x30\x12" + wlan()[24:] + b"\x08\0" + V4, ""),
        (105, wlan(0x08, 0x05)[:22] + b"\x31\x12" + V4, "wlan_fragment"),
        (105, wlan(0x88, 0x01, 2)[:22] + b"\x3f\x12\0\0" + V4, "wlan_fragment"),
        (192, b"\0\0\x08\0\x93\0\0\0" + V4, "linktype"),
        (107, b"\x18\x41\3\xb0" + V4, "llc"),
        (6, b"\x10\x80" + bytes(40), "llc"),
        (10, b"\x40" + bytes(40), "llc"),
        (239, struct.pack("<BBHHH", 2, 0, 0, 2, 1) + V4, "frame_short"),
        (147, V4, "linktype"),
        (9999, V4, "linktype"),
        (101, b"\x55" + V4[1:], "ip_version"),
        (101, b"\x05" + V4[1:], "ip_version"),
        (101, b"\x44" + V4[1:], "ip_header"),
        (101, b"\x4f" + V4[1:], "ip_header"),
        (101, V4[:2] + b"\0\x13" + V4[4:], "ip_length"),
        (101, V4[:2] + b"\0\0" + V4[4:], "ip_length"),
        (101, b"\x46" + V4[1:2] + b"\0\x14" + V4[4:], "ip_length"),
        (101, b.ipv6(b"\xff\2" + bytes(14), B6, 17, b.udp(1, 2)), "ipv6_address"),
        (101, b.ipv6(A6, b"\xff\0" + bytes(14), 17, b.udp(1, 2)), "ipv6_address"),
        (101, b.ipv6(A6, b"\xff\1" + bytes(14), 17, b.udp(1, 2)), "ipv6_address"),
        (101, b.ipv6(A6, b"\xff\xf1" + bytes(14), 17, b.udp(1, 2)), "ipv6_address"),
        (101, b.ipv6(A6, b"\xff\2" + bytes(14), 17, b.udp(1, 2)), ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_ip(linktype: int, frame: bytes, reason: str) -> None:
    machine = Machine()
    verdict = machine.send(frame, linktype=linktype)
    assert verdict.reason == reason
    assert (verdict.ctstate == "") == bool(reason)
    counted = machine.engine.quality.undecodable_counts
    if reason:
        assert {reasons.NAMES[code]: count for (_, code), count in counted.items()} == {reason: 1}


def test_the_list_of_names_does_not_grow_without_end() -> None:
    before = len(reasons.NAMES)
    try:
        machine = Machine()
        for kind in range(0x0600, 0x0600 + 1200):
            verdict = machine.send(MACS + struct.pack("!H", kind) + bytes(20), linktype=1)
        assert len(reasons.NAMES) <= reasons.LIMIT and verdict.reason == "ethertype"
    finally:
        for name in reasons.NAMES[before:]:
            del reasons.CODES[name]
        del reasons.NAMES[before:], reasons.CLASSES[before:], reasons.MEANINGS[before:]


def test_reasons_are_a_closed_list() -> None:
    assert len(set(reasons.NAMES)) == len(reasons.NAMES)
    assert {kind for _, kind, _ in reasons.TABLE} == {
        "note", "invalid", "ignored", "untracked", "dropped", "fragment", "undecodable",
    }  # fmt: skip
