"""Community ID against the published baseline (corelight/community-id-spec, baseline_deflt.json: seed 0, base64)."""

from __future__ import annotations

import ipaddress
import struct

import pytest

import ctreplay
from ctreplay.dataset.community_id import community_id
from ctreplay.sql import open_dataset

# protocol, source, destination, source port (ICMP: type), destination port (ICMP: counterpart, else code), Community ID
BASELINE = [
    (58, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 136, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
    (58, "fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 136, 135, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
    (58, "fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 135, 136, "1:zavyT/cezQr1fmImYCwYnMXbgck="),
    (58, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 136, 135, "1:zavyT/cezQr1fmImYCwYnMXbgck="),
    (58, "3ffe:501:1800:2345::2", "3ffe:507:0:1:200:86ff:fe05:80da", 3, 0, "1:2ObVBgIn28oZvibYZhZMBgh7WdQ="),
    (58, "3ffe:501:410:0:2c0:dfff:fe47:33e", "3ffe:507:0:1:200:86ff:fe05:80da", 1, 4, "1:hLZd0XGWojozrvxqE0dWB1iM6R0="),
    (58, "3ffe:507:0:1:200:86ff:fe05:80da", "3ffe:501:0:1001::2", 128, 129, "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="),
    (58, "3ffe:501:0:1001::2", "3ffe:507:0:1:200:86ff:fe05:80da", 129, 128, "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="),
    (58, "fe80::200:86ff:fe05:80da", "ff02::2", 133, 134, "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="),
    (58, "fe80::260:97ff:fe07:69ea", "ff02::1", 134, 133, "1:pkvHqCL88/tg1k4cPigmZXUtL00="),
    (1, "192.168.0.89", "192.168.0.1", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    (1, "192.168.0.1", "192.168.0.89", 0, 8, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    (1, "10.0.0.1", "10.0.0.2", 11, 0, "1:YHxtAirCG//0OzkcVAukqKQN9xM="),
    (
        6,
        "2001:470:e5bf:dead:4957:2174:e82c:4887",
        "2607:f8b0:400c:c03::1a",
        63943,
        25,
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
    ),
    (
        6,
        "2607:f8b0:400c:c03::1a",
        "2001:470:e5bf:dead:4957:2174:e82c:4887",
        25,
        63943,
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
    ),
    (132, "192.168.170.8", "192.168.170.56", 7, 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
    (132, "192.168.170.56", "192.168.170.8", 7, 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
    (6, "128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    (6, "66.35.250.204", "128.232.110.120", 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    (17, "192.168.1.52", "8.8.8.8", 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
    (17, "8.8.8.8", "192.168.1.52", 53, 54585, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
    (46, "10.1.12.1", "10.1.12.2", 0, 0, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="),
    (46, "10.1.12.2", "10.1.12.1", 0, 0, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="),
]


@pytest.mark.parametrize("row", BASELINE, ids=[f"{row[0]}-{row[1]}-{row[3]}" for row in BASELINE])
def test_baseline(row):
    proto, src, dst, sport, dport, expected = row
    ends = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    # with an ICMP code of its own, which must not matter where the type has a counterpart
    for code in (0, 4):
        second = dport if proto not in (1, 58) or sport in (3, 1, 11) else code
        assert community_id(proto, *ends, sport, second) == expected


def ip(proto: int, src: str, dst: str, payload: bytes) -> bytes:
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if a.version == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0) + a.packed + b.packed
        total = sum(struct.unpack(">10H", head))
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        return head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:] + payload
    return struct.pack(">IHBB", 6 << 28, len(payload), proto, 64) + a.packed + b.packed + payload


def test_in_the_dataset(tmp_path):
    """Packets of the baseline's tuples that may open an entry, through the whole replay."""
    frames, expected = [], {}
    for proto, src, dst, sport, dport, wanted in BASELINE:
        if proto == 6:
            payload = struct.pack(">HHIIBBHHH", sport, dport, 1, 0, 0x50, 2, 1024, 0, 0)
        elif proto == 17:
            payload = struct.pack(">HHHH", sport, dport, 8, 0)
        elif (proto, sport) in ((1, 8), (58, 128)):
            payload = struct.pack(">BBHHH", sport, 0, 0, 1, 1)
        elif proto == 46:
            payload = bytes(16)
        else:
            continue
        if wanted in expected.values():
            continue
        frames.append(ip(proto, src, dst, payload))
        expected[proto, src] = wanted
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for number, frame in enumerate(frames):
        data += struct.pack("<IIII", 1000 + number, 0, len(frame), len(frame)) + frame
    (tmp_path / "x.pcap").write_bytes(data)
    ctreplay.replay(tmp_path / "x.pcap", tmp_path / "x.ctreplay", sysctls={"nf_conntrack_checksum": 0})
    rows = (
        open_dataset(tmp_path / "x.ctreplay")
        .execute("SELECT protonum, orig_src, community_id FROM connections")
        .fetchall()
    )
    assert {(proto, src): found for proto, src, found in rows} == expected
    assert len(rows) == 6
