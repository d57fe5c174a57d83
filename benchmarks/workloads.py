"""Seeded workloads for the benchmarks: `python benchmarks/workloads.py FOLDER [NAME...] [--scale F]`.

mix        120,000 TCP and UDP flows, 4.2 million packets, 1.9 GB
flood      a SYN flood: every packet a flow of its own
elephant   one TCP connection
many       1,000 small captures that overlap in time
idle       few packets, long silences: the clock's work
ipv6       the mix over IPv6
vlan       the mix with an 802.1Q tag
fragments  UDP datagrams in three fragments each
invalid    the mix with every third TCP sequence number wrong
jumbo      frames of 9,000 bytes
shuffled   the mix's first packets with wholly shuffled timestamps
"""

from __future__ import annotations

import argparse
import heapq
import random
import struct
from collections.abc import Iterator
from pathlib import Path

GLOBAL = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
START = 1_700_000_000_000_000_000
ETHER = bytes.fromhex("020000000002020000000001")
PAYLOAD = bytes(range(256)) * 40
NAMES = ("mix", "flood", "elephant", "many", "idle", "ipv6", "vlan", "fragments", "invalid", "jumbo", "shuffled")

Frame = tuple[int, bytes]


class Link:
    """Builds frames of one flavour: family and VLAN tag."""

    def __init__(self, family: int = 4, vlan: bool = False) -> None:
        self.family = family
        kind = b"\x08\x00" if family == 4 else b"\x86\xdd"
        self.ether = ETHER + (b"\x81\x00\x00\x07" if vlan else b"") + kind

    def address(self, number: int) -> bytes:
        if self.family == 4:
            return struct.pack("!I", 0x0A000000 | number & 0xFFFFFF)
        return bytes.fromhex("20010db8") + struct.pack("!QI", number >> 8, number)

    def ip(self, src: bytes, dst: bytes, proto: int, payload: bytes, ident: int = 0, fragment: int = 0) -> bytes:
        if self.family == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident, fragment, 64, proto, 0)
            return self.ether + head + src + dst + payload
        head = struct.pack("!IHBB", 6 << 28, len(payload), proto, 64)
        return self.ether + head + src + dst + payload

    def tcp(self, src: bytes, dst: bytes, ports: bytes, seq: int, ack: int, flags: int, data: bytes = b"") -> bytes:
        head = ports + struct.pack("!IIBBHHH", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 64000, 0, 0)
        return self.ip(src, dst, 6, head + data)

    def udp(self, src: bytes, dst: bytes, ports: bytes, data: bytes) -> bytes:
        return self.ip(src, dst, 17, ports + struct.pack("!HH", 8 + len(data), 0) + data)


def tcp_flow(rng: random.Random, link: Link, number: int, start: int, wrong: bool) -> Iterator[Frame]:
    """Handshake, request and response bursts, close."""
    client = link.address(rng.randrange(1, 1 << 16))
    server = link.address((1 << 20) + rng.randrange(2000))
    there = struct.pack("!HH", 1024 + number % 60000, rng.choice((80, 443, 443, 8080, 22)))
    back = there[2:] + there[:2]
    a, b = rng.getrandbits(32), rng.getrandbits(32)
    gap = lambda: int(rng.expovariate(1 / 3e7))  # noqa: E731
    t = start
    yield t, link.tcp(client, server, there, a, 0, 0x02)
    t += gap()
    yield t, link.tcp(server, client, back, b, a + 1, 0x12)
    a, b = a + 1, b + 1
    t += gap()
    yield t, link.tcp(client, server, there, a, b, 0x10)
    for _ in range(1 + min(int(rng.expovariate(1 / 5)), 40)):
        size = rng.randrange(60, 500)
        t += gap()
        skew = 1 << 30 if wrong and rng.random() < 0.33 else 0
        yield t, link.tcp(client, server, there, a + skew, b, 0x18, PAYLOAD[:size])
        a += size
        for _ in range(rng.randrange(1, 6)):
            size = rng.choice((200, 700, 1448, 1448))
            t += gap()
            yield t, link.tcp(server, client, back, b, a, 0x18, PAYLOAD[:size])
            b += size
            t += gap()
            yield t, link.tcp(client, server, there, a, b, 0x10)
    t += gap()
    yield t, link.tcp(client, server, there, a, b, 0x11)
    t += gap()
    yield t, link.tcp(server, client, back, b, a + 1, 0x11)
    t += gap()
    yield t, link.tcp(client, server, there, a + 1, b + 1, 0x10)


def udp_flow(rng: random.Random, link: Link, number: int, start: int) -> Iterator[Frame]:
    """A few requests and answers."""
    client = link.address(rng.randrange(1, 1 << 16))
    server = link.address((1 << 20) + rng.randrange(50))
    there = struct.pack("!HH", 1024 + number % 60000, rng.choice((53, 53, 443, 123)))
    back = there[2:] + there[:2]
    t = start
    for _ in range(1 + min(int(rng.expovariate(1 / 5)), 60)):
        yield t, link.udp(client, server, there, PAYLOAD[: rng.randrange(30, 90)])
        t += int(rng.expovariate(1 / 2e7))
        yield t, link.udp(server, client, back, PAYLOAD[: rng.randrange(60, 1200)])
        t += int(rng.expovariate(1 / 5e8))


def mix(rng: random.Random, link: Link, flows: int, wrong: bool = False) -> Iterator[Frame]:
    """Flows that begin over ten minutes, merged in time."""
    starts = sorted(START + rng.randrange(600_000_000_000) for _ in range(flows))
    heap: list[tuple[int, int, bytes, Iterator[Frame]]] = []
    for number, start in enumerate(starts):
        while heap and heap[0][0] <= start:
            ts, n, frame, flow = heap[0]
            yield ts, frame
            following = next(flow, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (following[0], n, following[1], flow))
        flow = tcp_flow(rng, link, number, start, wrong) if number % 3 else udp_flow(rng, link, number, start)
        ts, frame = next(flow)
        heapq.heappush(heap, (ts, number, frame, flow))
    while heap:
        ts, n, frame, flow = heap[0]
        yield ts, frame
        following = next(flow, None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following[0], n, following[1], flow))


def flood(link: Link, packets: int) -> Iterator[Frame]:
    """SYNs from ever new sources, all within the life of a SYN_SENT entry."""
    server = link.address(1 << 20)
    step = 100_000_000_000 // packets
    for n in range(packets):
        source = struct.pack("!I", 0x0B000000 + n * 2654435761 % (1 << 27))
        yield START + n * step, link.tcp(source, server, struct.pack("!HH", 1024 + n % 60000, 80), n, 0, 0x02)


def elephant(link: Link, packets: int, size: int = 1448) -> Iterator[Frame]:
    """One connection: data one way, an acknowledgment for every second segment."""
    client, server = link.address(1), link.address(1 << 20)
    there = struct.pack("!HH", 40000, 443)
    back = there[2:] + there[:2]
    t, a, b = START, 1000, 5000
    for seq, ack, flags, src, dst, ports in (
        (a, 0, 0x02, client, server, there),
        (b, a + 1, 0x12, server, client, back),
        (a + 1, b + 1, 0x10, client, server, there),
    ):
        yield t, link.tcp(src, dst, ports, seq, ack, flags)
        t += 1_000_000
    a, b = a + 1, b + 1
    for n in range(packets):
        t += 12_000
        if n % 3 < 2:
            yield t, link.tcp(client, server, there, a, b, 0x10, PAYLOAD[:size])
            a += size
        else:
            yield t, link.tcp(server, client, back, b, a, 0x10)


def fragments(rng: random.Random, link: Link, datagrams: int) -> Iterator[Frame]:
    """Datagrams of 3,600 bytes, each in three fragments."""
    for n in range(datagrams):
        src, dst = link.address(rng.randrange(1, 1 << 12)), link.address(1 << 20)
        udp = struct.pack("!HHHH", 1024 + n % 60000, 2049, 3608, 0) + PAYLOAD[:3600]
        for part, offset in enumerate(range(0, 3608, 1480)):
            more = 0x2000 if offset + 1480 < 3608 else 0
            frame = link.ip(src, dst, 17, udp[offset : offset + 1480], n & 0xFFFF, more | offset >> 3)
            yield START + n * 50_000 + part * 1000, frame


def idle(rng: random.Random, link: Link, packets: int) -> Iterator[Frame]:
    """UDP pairs hours apart."""
    t = START
    for n in range(packets):
        t += rng.randrange(60, 36_000) * 1_000_000_000
        yield t, link.udp(link.address(n), link.address(1 << 20), struct.pack("!HH", 5000, 53), b"x" * 30)


def write(path: Path, frames: Iterator[Frame]) -> int:
    """Write a nanosecond pcap; the number of packets."""
    count = 0
    with path.open("wb", 1 << 20) as file:
        file.write(GLOBAL)
        for ts, frame in frames:
            seconds, fraction = divmod(ts, 1_000_000_000)
            file.write(struct.pack("<IIII", seconds, fraction, len(frame), len(frame)))
            file.write(frame)
            count += 1
    return count


def make(name: str, folder: Path, scale: float) -> int:
    """Write one workload; the number of packets."""
    rng = random.Random(name)
    flows = int(120_000 * scale)
    v4 = Link()
    path = folder / f"{name}.pcap"
    if name == "mix":
        return write(path, mix(rng, v4, flows))
    if name == "flood":
        return write(path, flood(v4, int(1_000_000 * scale)))
    if name == "elephant":
        return write(path, elephant(v4, int(1_000_000 * scale)))
    if name == "jumbo":
        return write(path, elephant(v4, int(200_000 * scale), 8948))
    if name == "idle":
        return write(path, idle(rng, v4, int(200_000 * scale)))
    if name == "ipv6":
        return write(path, mix(rng, Link(6), flows // 4))
    if name == "vlan":
        return write(path, mix(rng, Link(4, vlan=True), flows // 4))
    if name == "fragments":
        return write(path, fragments(rng, v4, int(300_000 * scale)))
    if name == "invalid":
        return write(path, mix(rng, v4, flows // 4, wrong=True))
    if name == "shuffled":
        frames = list(mix(rng, v4, flows // 20))
        times = [ts for ts, _ in frames]
        rng.shuffle(times)
        return write(path, ((ts, frame) for ts, (_, frame) in zip(times, frames, strict=True)))
    if name == "many":
        target = folder / "many"
        target.mkdir(exist_ok=True)
        frames = list(mix(rng, v4, flows // 10))
        for n in range(1000):
            write(target / f"{n:04}.pcap", iter(frames[n::1000]))
        return len(frames)
    raise SystemExit(f"unknown workload {name!r}; there are {', '.join(NAMES)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        print(f"{name}: {make(name, options.folder, options.scale):,} packets", flush=True)


if __name__ == "__main__":
    main()
