"""Seeded workloads for the benchmarks: `python benchmarks/workloads.py FOLDER [NAME...] [--scale F]`.

mix        120,000 TCP and UDP flows over ten minutes, 4.2 million packets, 2 GB
wide       the mix with all its flows alive at once: they begin within two seconds
flood      a SYN flood: a million packets, every one a flow of its own
crafted    a million IPv6 datagrams whose ports undo what their addresses change: hard for a hash that one can foresee
full       65,536 connections, then for an hour every second one that finds no room where nf_conntrack_max=65536
elephant   one TCP connection, a million packets
quarter    the mix with a quarter of its flows, to compare the following ones with
pcapng     quarter as pcapng
gzip       quarter, gzip
zstd       quarter, zstd
ipv6       quarter over IPv6
vlan       quarter with an 802.1Q tag
invalid    quarter with every third TCP segment far outside the window
fragments  100,000 UDP datagrams in three fragments each, every other one IPv6
jumbo      frames of 9,000 bytes, one TCP connection
idle       100,000 packets with hours of silence between them: the clock's work
shuffled   a twentieth of the mix, its timestamps wholly shuffled
many       a tenth of the mix, dealt out to 1,000 files that overlap from end to end
rotated    a tenth of the mix in 200 files, one after the other as `tcpdump -C` leaves them
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path

from files import Frame, write
from frames import Link, Payload

START = 1_700_000_000_000_000_000
FLOWS = 120_000
MANY = 1000
ROTATED = 200
NAMES = (
    "mix", "wide", "flood", "crafted", "full", "elephant", "quarter", "pcapng", "gzip", "zstd", "ipv6", "vlan",
    "invalid", "fragments", "jumbo", "idle", "shuffled", "many", "rotated",
)  # fmt: skip
FILES = {
    "pcapng": "pcapng.pcapng",
    "gzip": "gzip.pcap.gz",
    "zstd": "zstd.pcap.zst",
    "many": "many",
    "rotated": "rotated",
}


def tcp_flow(rng: random.Random, link: Link, payload: Payload, number: int, start: int, wrong: bool) -> Iterator[Frame]:
    """Handshake, request and response bursts, close; `wrong` moves a third of the segments out of the window."""
    client = link.address(rng.randrange(1, 1 << 16))
    server = link.address((1 << 20) + rng.randrange(2000))
    there = struct.pack("!HH", 1024 + number % 60000, rng.choice((80, 443, 443, 8080, 22)))
    back = there[2:] + there[:2]
    a, b = rng.getrandbits(32), rng.getrandbits(32)
    t = start

    def gap() -> int:
        return int(rng.expovariate(1 / 3e7))

    def skew() -> int:
        return 1 << 30 if wrong and rng.random() < 1 / 3 else 0

    yield t, link.tcp(client, server, there, a, 0, 0x02, ts=t)
    t += gap()
    yield t, link.tcp(server, client, back, b, a + 1, 0x12, ts=t)
    a, b = a + 1, b + 1
    t += gap()
    yield t, link.tcp(client, server, there, a, b, 0x10, ts=t)
    for _ in range(1 + min(int(rng.expovariate(1 / 5)), 40)):
        size = rng.randrange(60, 500)
        t += gap()
        yield t, link.tcp(client, server, there, a + skew(), b, 0x18, payload.take(size), t)
        a += size
        for _ in range(rng.randrange(1, 6)):
            size = rng.choice((200, 700, 1448, 1448))
            t += gap()
            yield t, link.tcp(server, client, back, b + skew(), a, 0x18, payload.take(size), t)
            b += size
            t += gap()
            yield t, link.tcp(client, server, there, a + skew(), b, 0x10, ts=t)
    t += gap()
    yield t, link.tcp(client, server, there, a, b, 0x11, ts=t)
    t += gap()
    yield t, link.tcp(server, client, back, b, a + 1, 0x11, ts=t)
    t += gap()
    yield t, link.tcp(client, server, there, a + 1, b + 1, 0x10, ts=t)


def udp_flow(rng: random.Random, link: Link, payload: Payload, number: int, start: int) -> Iterator[Frame]:
    """A few requests and answers."""
    client = link.address(rng.randrange(1, 1 << 16))
    server = link.address((1 << 20) + rng.randrange(50))
    there = struct.pack("!HH", 1024 + number % 60000, rng.choice((53, 53, 443, 123)))
    back = there[2:] + there[:2]
    t = start
    for _ in range(1 + min(int(rng.expovariate(1 / 5)), 60)):
        yield t, link.udp(client, server, there, payload.take(rng.randrange(30, 90)))
        t += int(rng.expovariate(1 / 2e7))
        yield t, link.udp(server, client, back, payload.take(rng.randrange(60, 1200)))
        t += int(rng.expovariate(1 / 5e8))


def mix(rng: random.Random, link: Link, flows: int, wrong: bool = False, over_s: int = 600) -> Iterator[Frame]:
    """Flows that begin over `over_s` seconds, merged in time: two thirds TCP, one third UDP."""
    payload = Payload("mix")
    starts = sorted(START + rng.randrange(over_s * 1_000_000_000) for _ in range(flows))
    seeds = [rng.getrandbits(64) for _ in range(flows)]
    heap: list[tuple[int, int, bytes, Iterator[Frame]]] = []

    def front() -> Frame:
        ts, number, frame, flow = heap[0]
        following = next(flow, None)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following[0], number, following[1], flow))
        return ts, frame

    for number, (start, seed) in enumerate(zip(starts, seeds, strict=True)):
        while heap and heap[0][0] <= start:
            yield front()
        # a generator for each flow: what one draws does not depend on how the others are merged
        own = random.Random(seed)
        if number % 3:
            flow = tcp_flow(own, link, payload, number, start, wrong)
        else:
            flow = udp_flow(own, link, payload, number, start)
        ts, frame = next(flow)
        heapq.heappush(heap, (ts, number, frame, flow))
    while heap:
        yield front()


def flood(link: Link, packets: int, over_ns: int = 100_000_000_000) -> Iterator[Frame]:
    """SYNs from ever new sources within `over_ns`: by default within the life of a SYN_SENT entry."""
    server = link.address(1 << 20)
    for n in range(packets):
        source = struct.pack("!I", 0x0B000000 + n * 2654435761 % (1 << 27))
        t = START + n * over_ns // packets
        yield t, link.tcp(source, server, struct.pack("!HH", 1024 + n % 60000, 80), n, 0, 0x02, ts=t)


def crafted(link: Link, packets: int) -> Iterator[Frame]:
    """Bits 16 to 31 of both addresses change with the ports; every tuple is another one."""
    a, b = (int.from_bytes(link.address(host)) for host in (1, 1 << 20))
    for n in range(packets):
        there, back = n & 0xFFFF, n >> 16
        src, dst = ((host ^ bits << 96).to_bytes(16) for host, bits in ((a, there), (b, back)))
        yield START + n * 20_000, link.udp(src, dst, struct.pack("!HH", 0x8000 ^ there, 0x4000 ^ back), b"x" * 30)


def full(link: Link, packets: int) -> Iterator[Frame]:
    """Handshakes within a second, then SYNs of others, one a second."""
    server = link.address(1 << 20)
    connections = min(1 << 16, packets // 3)
    t = START
    for n in range(packets - 2 * connections):
        client = link.address(n + 1)
        there = struct.pack("!HH", 5000, 443)
        yield t, link.tcp(client, server, there, 1, 0, 0x02, ts=t)
        if n < connections:
            yield t + 2000, link.tcp(server, client, there[2:] + there[:2], 1, 2, 0x12, ts=t)
            yield t + 4000, link.tcp(client, server, there, 2, 2, 0x10, ts=t)
            t += 1_000_000_000 // connections
        else:
            t += 1_000_000_000


def elephant(link: Link, packets: int, size: int = 1448) -> Iterator[Frame]:
    """One connection: data one way, an acknowledgment for every second segment."""
    client, server = link.address(1), link.address(1 << 20)
    there = struct.pack("!HH", 40000, 443)
    back = there[2:] + there[:2]
    payload = Payload("elephant")
    t, a, b = START, 1000, 5000
    for seq, ack, flags, src, dst, ports in (
        (a, 0, 0x02, client, server, there),
        (b, a + 1, 0x12, server, client, back),
        (a + 1, b + 1, 0x10, client, server, there),
    ):
        yield t, link.tcp(src, dst, ports, seq, ack, flags, ts=t)
        t += 1_000_000
    a, b = a + 1, b + 1
    for n in range(packets - 3):
        t += 12_000
        if n % 3 < 2:
            yield t, link.tcp(client, server, there, a, b, 0x10, payload.take(size), t)
            a += size
        else:
            yield t, link.tcp(server, client, back, b, a, 0x10, ts=t)


def fragments(rng: random.Random, datagrams: int) -> Iterator[Frame]:
    """Datagrams of 3,608 bytes, each in three fragments, IPv4 and IPv6 by turns."""
    payload = Payload("fragments")
    links = Link(4), Link(6)
    for n in range(datagrams):
        link = links[n % 2]
        src, dst = link.address(rng.randrange(1, 1 << 12)), link.address(1 << 20)
        datagram = link.datagram(src, dst, struct.pack("!HH", 1024 + n % 60000, 2049), payload.take(3600))
        for part, frame in enumerate(link.fragments(src, dst, datagram)):
            yield START + n * 50_000 + part * 1000, frame


def idle(rng: random.Random, link: Link, packets: int) -> Iterator[Frame]:
    """Single UDP packets, one minute to ten hours apart."""
    t = START
    for n in range(packets):
        t += rng.randrange(60, 36_000) * 1_000_000_000
        yield t, link.udp(link.address(n), link.address(1 << 20), struct.pack("!HH", 5000, 53), b"x" * 30)


def shuffled(frames: list[Frame]) -> Iterator[Frame]:
    """The same frames, their timestamps dealt out at random."""
    times = [ts for ts, _ in frames]
    random.Random("shuffled").shuffle(times)
    return ((ts, frame) for ts, (_, frame) in zip(times, frames, strict=True))


def dealt(folder: Path, frames: list[Frame], files: int, overlap: bool) -> int:
    """`frames` in `files` captures: every n-th packet each, or one stretch of time after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(frames) // files)
    for n in range(files):
        part = frames[n::files] if overlap else frames[n * size : (n + 1) * size]
        write(folder / f"{n:04}.pcap", part)
    return len(frames)


def location(folder: Path, name: str) -> Path:
    """The file, or the folder of files, of a workload."""
    return folder / FILES.get(name, f"{name}.pcap")


def make(name: str, folder: Path, scale: float) -> int:
    """Write one workload; the number of packets."""
    path = location(folder, name)
    v4 = Link()

    def flows(part: int) -> int:
        return max(int(FLOWS * scale) // part, 3)

    def some(number: int) -> int:
        return max(int(number * scale), 10)

    def traffic(part: int, link: Link = v4, wrong: bool = False) -> Iterator[Frame]:
        # one seed for all: IPv6, VLAN and compressed captures hold the flows of the plain one
        return mix(random.Random("mix"), link, flows(part), wrong)

    if name == "mix":
        return write(path, traffic(1))
    if name == "wide":
        return write(path, mix(random.Random(name), v4, flows(1), over_s=2))
    if name in {"quarter", "pcapng", "gzip", "zstd"}:
        return write(path, traffic(4))
    if name == "ipv6":
        return write(path, traffic(4, Link(6)))
    if name == "vlan":
        return write(path, traffic(4, Link(4, vlan=True)))
    if name == "invalid":
        return write(path, traffic(4, wrong=True))
    if name == "flood":
        return write(path, flood(v4, some(1_000_000)))
    if name == "crafted":
        return write(path, crafted(Link(6), some(1_000_000)))
    if name == "full":
        return write(path, full(v4, some(3 * (1 << 16) + 3600)))
    if name == "elephant":
        return write(path, elephant(v4, some(1_000_000)))
    if name == "jumbo":
        return write(path, elephant(v4, some(200_000), 8948))
    if name == "idle":
        return write(path, idle(random.Random(name), v4, some(100_000)))
    if name == "fragments":
        return write(path, fragments(random.Random(name), some(100_000)))
    if name == "shuffled":
        return write(path, shuffled(list(traffic(20))))
    if name == "many":
        return dealt(path, list(traffic(10)), MANY, overlap=True)
    if name == "rotated":
        return dealt(path, list(traffic(10)), ROTATED, overlap=False)
    raise SystemExit(f"unknown workload {name!r}; there are {', '.join(NAMES)}")


def ensure(folder: Path, names: list[str], scale: float) -> dict[str, int]:
    """Write those of `names` that `folder` does not hold at this scale; packets by name."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "workloads.json"
    made = json.loads(index.read_text()) if index.exists() else {}
    for name in names:
        known = made.get(name)
        if known is None or known["scale"] != scale or not location(folder, name).exists():
            # an interrupted run must not pass for a whole file
            if made.pop(name, None):
                index.write_text(json.dumps(made, indent=1) + "\n")
            packets = make(name, folder, scale)
            made[name] = {"scale": scale, "packets": packets}
            index.write_text(json.dumps(made, indent=1) + "\n")
    return {name: made[name]["packets"] for name in names}


def captures(folder: Path, name: str) -> list[Path]:
    """The files of a workload in order."""
    path = location(folder, name)
    return sorted(path.iterdir()) if path.is_dir() else [path]


def size(folder: Path, name: str) -> int:
    """Bytes of a workload's files."""
    return sum(path.stat().st_size for path in captures(folder, name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    options = parser.parse_intermixed_args()
    for name in options.names or NAMES:
        packets = ensure(options.folder, [name], options.scale)[name]
        print(f"{name}: {packets:,} packets, {size(options.folder, name) / 1e6:,.1f} MB", flush=True)


if __name__ == "__main__":
    main()
