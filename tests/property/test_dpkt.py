"""Our decode against dpkt's, on every header that both read."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import dpkt
import pytest

from ctreplay.capture import open_captures
from ctreplay.capture.record import Record
from ctreplay.packet import Packet
from tests.traffic import generate
from tests.unit.machine import Machine
from tests.unit.test_link import CASES, V4, V6, WRAPS

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(p for p in (ROOT / "sample_pcaps").iterdir() if p.suffix in (".pcap", ".pcapng"))
MOST = 400


def raw(data: bytes) -> Any:
    return dpkt.ip.IP(data) if data[0] >> 4 == 4 else dpkt.ip6.IP6(data)


READERS: dict[int, Any] = {
    1: dpkt.ethernet.Ethernet, 0: dpkt.loopback.Loopback, 113: dpkt.sll.SLL, 276: dpkt.sll2.SLL2, 101: raw,
    105: dpkt.ieee80211.IEEE80211, 127: dpkt.radiotap.Radiotap,
}  # fmt: skip


WLAN = (dpkt.ieee80211.IEEE80211.Data, dpkt.ieee80211.IEEE80211.DataToDS, dpkt.ieee80211.IEEE80211.DataFromDS)


def theirs(linktype: int, frame: bytes) -> Any:
    """dpkt's IP object, None where it does not get that far."""
    try:
        layer = READERS[linktype](frame)
        for _ in range(12):
            if isinstance(layer, (dpkt.ip.IP, dpkt.ip6.IP6)):
                return layer
            inner = getattr(layer, "data_frame", None) or getattr(layer, "data", None)
            if isinstance(inner, bytes):
                if not isinstance(layer, WLAN):
                    return None
                inner = dpkt.llc.LLC(inner)
            layer = inner
    except (dpkt.UnpackError, AttributeError, KeyError, IndexError, ValueError):
        return None
    return None


def address(hi: int, lo: int, family: int) -> bytes:
    both = (hi << 64 | lo).to_bytes(16)
    return both[12:] if family == 4 else both


def agree(packet: Packet, ip: Any, frame: bytes) -> bool:
    """Compare; False when there was nothing to compare with."""
    family = 4 if isinstance(ip, dpkt.ip.IP) else 6
    assert packet.family == family
    assert (address(packet.src_hi, packet.src_lo, family), address(packet.dst_hi, packet.dst_lo, family)) == (
        ip.src,
        ip.dst,
    )
    if family == 4:
        assert (packet.proto, packet.hop_limit) == (ip.p, ip.ttl)
        if ip.len:
            assert packet.l3_len == ip.len and packet.l4 - packet.l3 == ip.hl * 4
        assert packet.frag == int(bool(ip.mf or ip.offset))
        if packet.frag:
            assert (packet.frag_off, packet.frag_more, packet.frag_id) == (ip.offset * 8, int(ip.mf), ip.id)
            return True
    else:
        assert packet.hop_limit == ip.hlim
        if packet.frag or packet.l4_fault:
            return True
        assert packet.proto == ip.p
    layer = ip.data
    if isinstance(layer, (dpkt.tcp.TCP, dpkt.udp.UDP, dpkt.sctp.SCTP)) and not packet.tuple_fault:
        assert (packet.sport, packet.dport) == (layer.sport, layer.dport)
    if isinstance(layer, dpkt.tcp.TCP) and packet.l4_cap >= 20:
        assert (packet.seq, packet.ack, packet.window, packet.doff) == (layer.seq, layer.ack, layer.win, layer.off * 4)
        assert packet.flags == layer.flags & 0xFF
    if isinstance(layer, dpkt.icmp.ICMP) and packet.l4_cap >= 8:
        assert packet.dport == layer.type << 8 | layer.code
    return True


def compare(linktype: int, frame: bytes) -> bool:
    ip = theirs(linktype, frame)
    if ip is None:
        return False
    machine = compare.machine  # type: ignore[attr-defined]
    packet = machine.engine.packets[0]
    packet.linktype, packet.start, packet.caplen, packet.wirelen, packet.buf = (
        linktype,
        0,
        len(frame),
        len(frame),
        frame,
    )
    fault = machine.engine.link.find(packet)
    assert fault == 0, frame.hex()
    if machine.engine.network.parse(packet):
        return False
    return agree(machine.engine.network.whole, ip, frame)


compare.machine = Machine()  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples(path: Path) -> None:
    rec, compared, seen = Record(), 0, 0
    with open_captures([path]) as source:
        while source.advance(rec) and seen < MOST:
            frame = bytes(rec.buf[rec.start : rec.start + rec.caplen])
            seen += frame[12:14] != b"\x08\x06"
            compared += compare(rec.linktype, frame)
    assert compared >= seen * 0.9 or path.name == "snaplen_cut.pcap", (compared, seen)


def test_generated() -> None:
    compared = sum(compare(101, data) for _, data in generate(3, 3000, headers=0.3, fragments=0.2))
    assert compared > 2000


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES if WRAPS[name][0] in READERS}))
def test_link_layers(name: str) -> None:
    linktype, before4, before6, _ = WRAPS[name]
    done = [compare(linktype, before4 + V4)] if name != "ipv6" else []
    if before6 is not None:
        done.append(compare(linktype, before6 + V6))
    unread = {
        "llc ip",
        "sll, vlan",
        "mpls pseudowire",
        "vlan 9100 9200 9300",
        "vlan, snap",
        "802.11 wds",
        "802.11 qos, ht",
        "802.11 a-msdu",
    }
    if name not in unread and not name.startswith("radiotap, padded"):
        assert any(done), "dpkt does not read this"


def test_spoilt_headers() -> None:
    rng = random.Random(9)
    compared = 0
    for data in [V4, V6] * 500:
        frame = bytearray(data)
        frame[rng.randrange(6, len(frame))] = rng.randrange(256)
        compared += compare(101, bytes(frame))
    assert compared > 500
