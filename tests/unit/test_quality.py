"""What taints trust in a capture: repeated packets, checksums left to the network card, undecodable frames."""

from __future__ import annotations

import pytest

from tests.traffic import build as b

from .machine import A6, ACK, B6, A, B, Machine

MS = 10**6


def tcp(n: int = 0, ident: int = 7) -> bytes:
    return b.ipv4(A, B, 6, b.with_checksum(A, B, 6, b.tcp(1, 2, 100 + n, 3, ACK, 5)), ident)


@pytest.mark.parametrize(
    ("first", "second", "ns", "counted"),
    [
        (tcp(), tcp(), MS - 1, 1),
        (tcp(), tcp(), MS, 0),
        (tcp(), tcp(1), 10, 0),
        (tcp(), tcp(ident=8), 10, 0),
        (tcp(ident=0), tcp(ident=0), 10, 1),
        (b.ipv4(A, B, 17, b.udp(1, 2), 7), b.ipv4(A, B, 17, b.udp(1, 2), 7), 10, 1),
        # without an identification two equal UDP packets may well be two
        (b.ipv4(A, B, 17, b.udp(1, 2)), b.ipv4(A, B, 17, b.udp(1, 2)), 10, 0),
        (b.ipv6(A6, B6, 17, b.udp(1, 2)), b.ipv6(A6, B6, 17, b.udp(1, 2)), 10, 0),
        (b.ipv6(A6, B6, 6, b.tcp(1, 2, 3, 4, ACK, 5)), b.ipv6(A6, B6, 6, b.tcp(1, 2, 3, 4, ACK, 5)), 10, 1),
    ],
)
def test_duplicates(first: bytes, second: bytes, ns: int, counted: int) -> None:
    machine = Machine()
    machine.send(first)
    machine.send(second, ns=ns)
    assert machine.engine.quality.duplicates.get(0, 0) == counted


@pytest.mark.parametrize(("between", "counted"), [(3, 1), (4, 0)])
def test_duplicates_are_sought_among_the_last_four(between: int, counted: int) -> None:
    machine = Machine()
    machine.send(tcp())
    for n in range(between):
        machine.send(tcp(10 + n), ns=10)
    machine.send(tcp(), ns=10)
    assert machine.engine.quality.duplicates.get(0, 0) == counted


def partial(proto: int, segment: bytes, at: int) -> bytes:
    """The checksum field as offload leaves it: the pseudo-header's sum alone."""
    total = ~b.internet_checksum(b.pseudo(A, B, proto, len(segment))) & 0xFFFF
    return b.ipv4(A, B, proto, segment[:at] + total.to_bytes(2, "big") + segment[at + 2 :], 7)


TCP, UDP = b.tcp(1, 2, 3, 4, ACK, 5, data=b"odd"), b.udp(1, 2, b"abcd")


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (b.ipv4(A, B, 6, b.with_checksum(A, B, 6, TCP)), (1, 0, 0)),
        (b.ipv4(A, B, 6, b.with_checksum(A, B, 6, TCP, 1)), (1, 1, 0)),
        (partial(6, TCP, 16), (1, 1, 1)),
        (b.ipv4(A, B, 17, b.with_checksum(A, B, 17, UDP)), (1, 0, 0)),
        (b.ipv4(A, B, 17, b.with_checksum(A, B, 17, UDP, 1)), (1, 1, 0)),
        (partial(17, UDP, 6), (1, 1, 1)),
        (b.ipv4(A, B, 17, UDP), (0, 0, 0)),
        (b.ipv4(A, B, 50, UDP), (0, 0, 0)),
        (b.ipv6(A6, B6, 6, b.with_checksum(A6, B6, 6, TCP)), (1, 0, 0)),
        (b.ipv4(A, B, 6, TCP[:19]), (0, 0, 0)),
    ],
)
def test_checksum_samples(frame: bytes, wanted: tuple[int, int, int]) -> None:
    """The first of every 64 packets."""
    machine = Machine()
    quality = machine.engine.quality
    for _ in range(65):
        machine.send(frame)
    found = quality.checked.get(0, 0), quality.wrong.get(0, 0), quality.offloaded.get(0, 0)
    assert found == tuple(2 * n for n in wanted)


def test_a_packet_cut_by_the_snap_length_is_no_sample() -> None:
    machine = Machine()
    frame = tcp()
    machine.send(frame[:-1], wirelen=len(frame))
    assert not machine.engine.quality.checked
