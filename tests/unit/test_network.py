"""IP headers, extension headers, fragments (spec 1.3, 2.1, 2.2)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from tests.traffic import build as b

from .machine import A6, B6, SECOND, SYN, A, B, C, Machine, Verdict

HOP = (0, b"\0\0\1\4" + bytes(4))
ROUTE = (43, b"\0\0\xfd\0" + bytes(4))
DEST = (60, b"\0\1\1\4" + bytes(12))
AUTH = (51, b"\0\4" + bytes(22))
ATOMIC = (44, bytes(4) + b"\0\0\0\7")
UDP = b.udp(1111, 2222, b"payload")


class TestIpv4:
    @pytest.mark.parametrize("options", range(0, 44, 4))
    def test_options(self, options: int) -> None:
        packet = b.ipv4(A, B, 17, UDP, options=bytes(options))
        verdict = Machine(checksum=1).send(packet)
        if options <= 40:
            assert verdict.entry is not None and verdict.entry.sport == 1111
            assert verdict.entry.orig_bytes == 20 + options + len(UDP)

    @pytest.mark.parametrize("cut", range(60))
    def test_options_cut(self, cut: int) -> None:
        packet = b.ipv4(A, B, 17, UDP, options=bytes(12))
        verdict = Machine().send(packet[:cut], wirelen=len(packet))
        reason = "frame_short" if cut == 0 else "ip_header" if cut < 32 else "udp_length" if cut < 38 else ""
        assert verdict.reason == reason

    @pytest.mark.parametrize("check", [0, 1])
    def test_header_checksum(self, check: int) -> None:
        packet = bytearray(b.ipv4(A, B, 17, UDP))
        packet[8] ^= 1
        machine = Machine(checksum=check)
        verdict = machine.send(bytes(packet))
        assert verdict.short == (("", "ip_checksum") if check else ("NEW", ""))
        assert bool(machine.entries()) == (not check)

    @pytest.mark.parametrize(("total", "size"), [(28, 0), (27, None), (100, 72)])
    def test_lengths_are_the_ip_headers(self, total: int, size: int | None) -> None:
        packet = bytearray(b.ipv4(A, B, 17, b.udp(1, 2, bytes(100), 0)))
        packet[2:4] = total.to_bytes(2, "big")
        packet[24:26] = (total - 20).to_bytes(2, "big")
        verdict = Machine().send(bytes(packet))
        assert verdict.reason == ("udp_short" if size is None else "")

    def test_total_length_zero_is_offload_for_tcp_only(self) -> None:
        packet = bytearray(b.ipv4(A, B, 6, b.tcp(1, 2, 100, 0, SYN, 9, data=bytes(50))))
        packet[2:4] = b"\0\0"
        for wirelen in (90, 5000, 65_536, 180_000):
            for cut in (len(packet), 40):
                entry = Machine().send(bytes(packet[:cut]), wirelen=wirelen).entry
                assert entry is not None and entry.end0 == 101 + wirelen - 40 and entry.orig_bytes == wirelen
        assert Machine().send(bytes(packet), wirelen=19).reason == "ip_length"

    @pytest.mark.parametrize(("wirelen", "reason"), [(65_535, ""), (65_536, "l4_not_found"), (180_000, "l4_not_found")])
    def test_big_tcp_without_its_header(self, wirelen: int, reason: str) -> None:
        packet = bytearray(b.ipv4(A, B, 6, b.tcp(1, 2, 100, 0, SYN, 9)))
        packet[2:4] = b"\0\0"
        assert Machine().send(bytes(packet[:34]), wirelen=wirelen).reason == reason

    def test_proto_and_addresses_make_the_entry(self) -> None:
        machine = Machine()
        one = machine.send(b.ipv4(A, B, 17, UDP)).entry
        for frame in (
            b.ipv4(A, C, 17, UDP),
            b.ipv4(C, B, 17, UDP),
            b.ipv4(A, B, 136, struct.pack("!HHHH", 1111, 2222, 0, 1)),
        ):
            assert machine.send(frame).entry is not one
        assert machine.send(b.ipv4(B, A, 17, b.udp(2222, 1111))).entry is one
        assert machine.send(b.ipv4(B, A, 17, b.udp(1111, 2222))).entry is not one

    def test_the_same_address_on_both_ends(self) -> None:
        machine = Machine()
        """With equal ports too both tuples are the same one, which is found as the reply's."""
        first = machine.send(b.ipv4(A, A, 17, b.udp(5, 5)))
        second = machine.send(b.ipv4(A, A, 17, b.udp(5, 5)))
        assert first.entry is second.entry and second.direction == 1 and second.ctstate == "ESTABLISHED"
        first = machine.send(b.ipv4(A, A, 17, b.udp(5, 6)))
        second = machine.send(b.ipv4(A, A, 17, b.udp(5, 6)))
        assert first.entry is second.entry and second.direction == 0 and second.ctstate == "NEW"


class TestIpv6:
    @pytest.mark.parametrize(
        ("chain", "size"),
        [
            ((), 0), ((HOP,), 8), ((ROUTE,), 8), ((DEST,), 16), ((AUTH,), 24), ((ATOMIC,), 0),
            ((HOP, ROUTE, DEST, AUTH, DEST), 72), ((DEST, HOP), 24), ((HOP,) * 20, 160), ((ATOMIC, ATOMIC), 8),
        ],
    )  # fmt: skip
    def test_chains(self, chain: Sequence[tuple[int, bytes]], size: int) -> None:
        """Any order, any number; the fragment header of an atomic fragment is taken out."""
        packet = b.ipv6(A6, B6, 17, UDP, chain)
        machine = Machine()
        verdict = machine.send(packet)
        assert verdict.short == ("NEW", "") and verdict.entry is not None
        entry = verdict.entry
        assert (entry.proto, entry.sport, entry.dport) == (17, 1111, 2222)
        assert entry.orig_bytes == 40 + size + len(UDP)
        assert machine.send(b.ipv6(B6, A6, 17, b.udp(2222, 1111))).entry is entry

    @pytest.mark.parametrize("kind", [50, 59, 17, 255])
    def test_where_the_chain_ends(self, kind: int) -> None:
        verdict = Machine().send(b.ipv6(A6, B6, kind, UDP, (HOP,)))
        assert verdict.short == (("INVALID", "l4_not_found") if kind == 59 else ("NEW", ""))
        if kind != 59:
            assert verdict.entry is not None and verdict.entry.proto == kind

    @pytest.mark.parametrize("header", [HOP, ROUTE, DEST, AUTH, ATOMIC], ids=lambda h: str(h[0]))
    def test_a_chain_that_ends_too_early(self, header: tuple[int, bytes]) -> None:
        """The payload length stops within the chain: never an exception, never another entry than the chain names."""
        whole = b.ipv6(A6, B6, 17, UDP, (header,))
        for size in range(len(whole) - 40):
            packet = whole[:4] + struct.pack("!H", size) + whole[6 : 40 + size]
            verdict = Machine().send(packet)
            if size < len(header[1]) and header is HOP:
                assert verdict.short == ("", "ipv6_options"), size
            elif 0 < size < 4 and header is ATOMIC:
                assert verdict.short == ("", "fragment_refused"), size
            elif size < len(header[1]):
                assert verdict.ctstate == "INVALID", size
            elif size < len(header[1]) + 4:
                assert verdict.short == ("INVALID", "tuple_missing"), size
            elif size < len(header[1]) + 8:
                assert verdict.short == ("INVALID", "udp_short"), size
            else:
                assert verdict.short == ("INVALID", "udp_length") if size < len(whole) - 40 else ("NEW", ""), size

    @pytest.mark.parametrize(
        ("options", "refused"),
        [
            ("000000000000", False), ("00" * 8 + "1e0400000000", True), ("01" "05" + "00" * 12, True),
            ("0105" + "00" * 5 + "1e05" + "00" * 5, False), ("0106" + "00" * 6 + "1e0400000000", True),
            ("010400000001", True), ("050200000100", False), ("050100000000", True), ("050300000000", True),
            ("1e00" * 7, False), ("1e00" * 8 + "1e0400000000", True), ("00" * 5 + "1e", True), ("1e0500000000", True),
            ("3f0400000000", False), ("400400000000", True), ("ff0400000000", True), ("070400000000", True),
            ("1e00310a" + "00" * 10, False), ("310a" + "00" * 10 + "0000", True), ("c20400010000", True),
        ],
    )  # fmt: skip
    def test_hop_by_hop_options(self, options: str, refused: bool) -> None:
        data = bytes.fromhex(options)
        header = (0, bytes((0, len(data) // 8)) + data)
        verdict = Machine().send(b.ipv6(A6, B6, 17, UDP, (header,)))
        assert verdict.short == (("", "ipv6_options") if refused else ("NEW", ""))
        # elsewhere nobody looks at them before the packet is tracked
        for chain in ((HOP, header), ((60, header[1]),)):
            assert Machine().send(b.ipv6(A6, B6, 17, UDP, chain)).short == ("NEW", "")

    @pytest.mark.parametrize(
        ("options", "from_byte"),
        # refused as soon as the first byte is there that shows it, for good until then
        [("010c" + "00" * 12, 4), ("1e00" * 6 + "4000", 16), ("0104000001ff", 7), ("0503000000ff", 4),
         ("070400000000", 4), ("c20400010000", 4), ("1e0400000000", None),
         ("1e020000c20400010000" + "0104" + "00" * 2, 8)],
    )  # fmt: skip
    def test_hop_by_hop_options_cut_by_the_snap_length(self, options: str, from_byte: int | None) -> None:
        data = bytes.fromhex(options)
        packet = b.ipv6(A6, B6, 17, UDP, ((0, bytes((0, len(data) // 8)) + data),))
        for captured in range(len(packet) - 40):
            refused = from_byte is not None and captured >= from_byte
            assert (Machine().send(packet[: 40 + captured]).reason == "ipv6_options") == refused, captured

    @pytest.mark.parametrize(("size", "refused"), [(65536, False), (65535, True), (65537, True)])
    def test_a_jumbogram(self, size: int, refused: bool) -> None:
        header = (0, b"\0\0\xc2\4" + struct.pack("!I", size))
        packet = b.ipv6(A6, B6, 17, b.udp(1, 2), (header,))
        packet = packet[:4] + bytes(2) + packet[6:] + bytes(65536 + 40 - len(packet))
        assert (Machine().send(packet).reason == "ipv6_options") == refused

    @pytest.mark.parametrize("wire", [0, 1, 40, 47, 10**6])
    def test_length_zero_and_any_length_on_the_wire(self, wire: int) -> None:
        packet = b.ipv6(A6, B6, 17, UDP, (HOP,))
        for size in range(40, len(packet) + 1):
            machine = Machine()
            verdict = machine.send(packet[:4] + bytes(2) + packet[6:size], wirelen=wire)
            assert verdict.ctstate in ("", "INVALID", "NEW")

    @pytest.mark.parametrize("wire", [0, 30, 100, 70_000, 2**31, 2**32 - 1])
    @pytest.mark.parametrize("jumbo", [None, 50, 65_536, 2**31, 2**32 - 1])
    def test_length_of_jumbograms(self, wire: int, jumbo: int | None) -> None:
        """In unsigned 32 bits a frame shorter than its header would be a very long one."""
        option = bytes(6) if jumbo is None else b"\xc2\4" + jumbo.to_bytes(4)
        packet = b.ipv6(A6, B6, 17, UDP, ((0, b"\0\0" + option),))
        machine = Machine()
        machine.send(packet[:4] + bytes(2) + packet[6:], wirelen=wire)
        payload = min(wire - 40, 1 << 30) if jumbo is None else min(wire - 40, jumbo, 1 << 30)
        assert machine.engine.packets[0].l3_len == 40 + max(payload, 0)

    @pytest.mark.parametrize("header", [HOP, ROUTE, DEST, AUTH], ids=lambda h: str(h[0]))
    def test_cut_by_the_snap_length(self, header: tuple[int, bytes]) -> None:
        whole = b.ipv6(A6, B6, 17, UDP, (header,))
        for cut in range(40, len(whole)):
            verdict = Machine().send(whole[:cut], wirelen=len(whole))
            at = 40 + len(header[1])
            wanted = "l4_not_found" if cut < at else "udp_length" if cut < at + 6 else ""
            assert verdict.reason == wanted or cut < at, cut
            assert verdict.ctstate == ("INVALID" if wanted else "NEW"), cut

    def test_payload_length_zero_with_data_behind(self) -> None:
        packet = bytearray(b.ipv6(A6, B6, 6, b.tcp(1, 2, 100, 0, SYN, 9, data=bytes(50))))
        packet[4:6] = b"\0\0"
        entry = Machine().send(bytes(packet)).entry
        assert entry is not None and entry.end0 == 151


def frag4(offset: int, more: bool, data: bytes, ident: int = 7, src: bytes = A, proto: int = 17) -> bytes:
    return b.ipv4(src, B, proto, data, ident, (0x2000 if more else 0) | offset // 8)


def frag6(offset: int, more: bool, data: bytes, ident: int = 7, proto: int = 17) -> bytes:
    head = struct.pack("!BBHI", 0, 0, offset | more, ident)
    return b.ipv6(A6, B6, proto, data, [(44, head)])


WHOLE = b.udp(1111, 2222, bytes(range(92)))  # 100 bytes
ABSORBED, DUPLICATE, OVERLAP, REFUSED = (
    ("", name) for name in ("fragment", "fragment_duplicate", "fragment_overlap", "fragment_refused")
)
NEW = ("NEW", "")


def piece(start: int, stop: int, family: int, ident: int = 7, more: bool | None = None) -> bytes:
    make = frag4 if family == 4 else frag6
    return make(start, stop < 100 if more is None else more, WHOLE[start:stop].ljust(stop - start, b"x"), ident)


def feed(machine: Machine, family: int, *pieces: tuple[int, int], **more: int) -> list[tuple[str, str]]:
    return [machine.send(piece(start, stop, family, **more)).short for start, stop in pieces]


BOTH = pytest.mark.parametrize("family", [4, 6])


class TestReassembly:
    @BOTH
    @pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
    def test_any_order(self, family: int, order: tuple[int, ...]) -> None:
        pieces = [(0, 40), (40, 80), (80, 100)]
        machine = Machine()
        assert feed(machine, family, *(pieces[n] for n in order)) == [ABSORBED, ABSORBED, NEW]
        (entry,) = machine.entries()
        assert (entry.sport, entry.dport, entry.conn_id) == (1111, 2222, 3)
        assert (entry.orig_packets, entry.orig_bytes) == (1, (20 if family == 4 else 40) + 100)
        assert entry.first_ts == machine.now, "the time of the fragment that completes it"

    def test_options_and_headers_of_the_first_fragment_stay(self) -> None:
        packet = b.ipv4(A, B, 17, WHOLE, 7, options=b"\1" * 8)
        machine = Machine(checksum=0)
        verdicts = [machine.send(p).short for p in b.fragments4(packet, [40], 7)]
        assert verdicts == [ABSORBED, NEW] and machine.entries()[0].orig_bytes == 128
        chained = b.ipv6(A6, B6, 60, b"\x11\0" + bytes(6) + WHOLE, [HOP])
        head = struct.pack("!BBHI", 0, 0, 1, 9)
        tail = struct.pack("!BBHI", 0, 0, 48, 9)
        rest = chained[48:]
        machine = Machine()
        assert machine.send(b.ipv6(A6, B6, 60, rest[:48], [HOP, (44, head)])).short == ABSORBED
        verdict = machine.send(b.ipv6(A6, B6, 60, rest[48:], [HOP, (44, tail)]))
        assert verdict.short == NEW and verdict.entry is not None and verdict.entry.proto == 17
        assert verdict.entry.orig_bytes == len(chained)

    @BOTH
    def test_keys(self, family: int) -> None:
        """Fragments of another datagram do not mix."""
        machine = Machine()
        feed(machine, family, (0, 48))
        assert feed(machine, family, (48, 100), ident=8) == [ABSORBED]
        if family == 4:
            assert machine.send(frag4(48, False, WHOLE[48:], src=C)).short == ABSORBED
            assert machine.send(frag4(48, False, WHOLE[48:], proto=6)).short == ABSORBED
        else:
            assert machine.send(frag6(48, False, WHOLE[48:], proto=6)).short == NEW, "protocol is no part of the key"
        assert machine.engine.defrag.queues.count == (4 if family == 4 else 1)

    @BOTH
    @pytest.mark.parametrize("early", [1, 0])
    def test_timeout(self, family: int, early: int) -> None:
        seconds = 30 if family == 4 else 60
        machine = Machine()
        feed(machine, family, (0, 48))
        verdict = machine.send(piece(48, 100, family), ns=seconds * SECOND - early)
        assert verdict.short == (NEW if early else ABSORBED)
        assert machine.engine.defrag.timeouts == (not early)

    @BOTH
    @pytest.mark.parametrize("early", [1, 0])
    def test_timeout_while_others_come(self, family: int, early: int) -> None:
        machine = Machine()
        feed(machine, family, (0, 48))
        machine.send(piece(0, 48, family, ident=8), ns=(30 if family == 4 else 60) * SECOND - early)
        assert (machine.engine.defrag.queues.count, machine.engine.defrag.timeouts) == (1 + early, 1 - early)

    @pytest.mark.parametrize(("family", "name"), [(4, "ipfrag_time"), (6, "frag6_timeout")])
    def test_timeout_sysctl(self, family: int, name: str) -> None:
        machine = Machine(**{name: 3})
        feed(machine, family, (0, 48))
        assert machine.send(piece(48, 100, family), after=3).short == ABSORBED

    @BOTH
    def test_duplicates_are_dropped_and_the_rest_kept(self, family: int) -> None:
        machine = Machine()
        assert feed(machine, family, (0, 40), (0, 40), (40, 80), (0, 40), (40, 80), (8, 32), (16, 64), (80, 100)) == [
            ABSORBED, DUPLICATE, ABSORBED, DUPLICATE, DUPLICATE, DUPLICATE, DUPLICATE, NEW,
        ]  # fmt: skip

    @BOTH
    @pytest.mark.parametrize("bad", [(32, 72), (40, 88), (0, 48), (24, 48)])
    def test_overlap_destroys_the_queue(self, family: int, bad: tuple[int, int]) -> None:
        """Partial overlap, also of a run from both sides."""
        machine = Machine()
        feed(machine, family, (0, 40) if bad[0] else (8, 40))
        assert feed(machine, family, (48, 80), bad)[1] == OVERLAP
        assert not machine.engine.defrag.queues.count
        assert feed(machine, family, (0, 48), (48, 100)) == [ABSORBED, NEW], "a later fragment starts a new queue"

    def test_ipv4_tail_of_a_middle_fragment_is_cut(self) -> None:
        machine = Machine()
        assert machine.send(frag4(0, True, WHOLE[:45])).short == ABSORBED
        assert machine.send(frag4(40, False, WHOLE[40:])).short == NEW

    def test_ipv4_middle_fragment_of_less_than_eight_bytes(self) -> None:
        machine = Machine()
        feed(machine, 4, (0, 40))
        assert machine.send(frag4(40, True, b"1234567")).short == REFUSED
        assert not machine.engine.defrag.queues.count

    def test_ipv6_uneven_middle_fragment(self) -> None:
        """The queue goes and the fragment passes on as it is, to become INVALID unless it holds the whole header."""
        machine = Machine()
        feed(machine, 6, (0, 40))
        assert machine.send(frag6(40, True, WHOLE[40:77])).short == ("INVALID", "l4_not_found")
        assert not machine.engine.defrag.queues.count
        assert machine.send(frag6(0, True, WHOLE[:37])).short != ABSORBED

    @pytest.mark.parametrize(
        ("family", "pieces", "wanted", "kept"),
        [
            # the last one ends before what was seen
            (4, [(40, 80, True), (8, 48, False)], OVERLAP, 0),
            (6, [(40, 80, True), (0, 40, False)], OVERLAP, 1),
            # a second last one that ends elsewhere
            (4, [(40, 100, False), (40, 108, False)], OVERLAP, 0),
            (6, [(40, 100, False), (40, 108, False)], OVERLAP, 1),
            # bytes beyond the known end
            (4, [(40, 100, False), (96, 112, True)], OVERLAP, 0),
            (6, [(40, 100, False), (96, 112, True)], OVERLAP, 1),
            # nothing in it
            (4, [(0, 40, True), (40, 40, True)], REFUSED, 0),
            (6, [(0, 40, True), (40, 40, True)], REFUSED, 1),
            (4, [(0, 40, True), (40, 40, False)], REFUSED, 0),
            (6, [(0, 40, True), (40, 40, False)], REFUSED, 1),
        ],
    )
    def test_contradictions(
        self, family: int, pieces: list[tuple[int, int, bool]], wanted: tuple[str, str], kept: int
    ) -> None:
        machine = Machine()
        for start, stop, more in pieces:
            verdict = machine.send(piece(start, stop, family, more=more))
        assert verdict.short == wanted
        assert machine.engine.defrag.queues.count == kept

    @BOTH
    @pytest.mark.parametrize(("size", "refused"), [(7, False), (8, True)])
    def test_beyond_65535_bytes(self, family: int, size: int, refused: bool) -> None:
        """Of IPv4 it is queued all the same, and spoils its datagram."""
        make = frag4 if family == 4 else frag6
        assert (Machine().send(make(65528, False, bytes(size))).short == REFUSED) == (refused and family == 6)

    def test_a_whole_too_large_for_its_header(self) -> None:
        machine = Machine()
        for offset in range(0, 65520, 8190 // 8 * 8):
            stop = min(offset + 8190 // 8 * 8, 65520)
            machine.send(frag4(offset, True, bytes(stop - offset)))
        assert machine.send(frag4(65520, False, bytes(8))).short == REFUSED

    @pytest.mark.parametrize(("others", "kept"), [(63, True), (64, False)])
    @pytest.mark.parametrize("distance", [64, 0])
    def test_distance(self, others: int, kept: bool, distance: int) -> None:
        """IPv4: too many fragments of the same source in between restart the queue; 0 switches it off."""
        machine = Machine(ipfrag_max_dist=distance)
        feed(machine, 4, (0, 48))
        for n in range(others):
            machine.send(frag4(0, True, bytes(8), ident=1000 + n))
            machine.send(frag4(0, True, bytes(8), ident=1000 + n, src=C))
        assert feed(machine, 4, (48, 100)) == [NEW if kept or not distance else ABSORBED]
        if not kept and distance:
            assert feed(machine, 4, (0, 48)) == [NEW], "restarted, not lost"

    def test_a_restart_begins_anew_in_time_too(self) -> None:
        machine = Machine()
        feed(machine, 4, (0, 48))
        machine.wait(20)
        machine.send(frag4(0, True, bytes(8), ident=999))
        for n in range(64):
            machine.send(frag4(0, True, bytes(8), ident=1000 + n))
        assert feed(machine, 4, (48, 100)) == [ABSORBED]
        machine.wait(29)
        assert feed(machine, 4, (0, 48)) == [NEW]
        defrag = machine.engine.defrag
        machine.wait(2)
        machine.send(frag4(0, True, bytes(8), ident=1))
        assert (defrag.queues.count, defrag.timeouts) == (1, 65), "and all others have gone in their order"

    def test_memory(self) -> None:
        machine = Machine(frag6_high_thresh=5000)
        verdicts = [machine.send(frag4(8, True, bytes(1000), ident=n)).short for n in range(10)]
        assert ABSORBED in verdicts and verdicts[-1] == REFUSED
        assert machine.send(frag4(8, True, bytes(1000), ident=99), after=31).short == ABSORBED, "freed by the timeout"
        assert machine.engine.defrag.memory == 1512

    def test_memory_is_given_back(self) -> None:
        machine = Machine()
        for n in range(50):
            feed(machine, 4, (0, 48), (48, 100), ident=n)
            feed(machine, 6, (0, 48), (40, 80), ident=n)
        assert machine.engine.defrag.memory == 0 and not machine.engine.defrag.queues.count

    @pytest.mark.parametrize("size", range(0, 24, 8))
    @pytest.mark.parametrize(("proto", "needed"), [(17, 8), (6, 20), (58, 8), (132, 1)])
    def test_ipv6_first_fragment_without_the_whole_header(self, size: int, proto: int, needed: int) -> None:
        verdict = Machine().send(frag6(0, True, bytes(size), proto=proto))
        assert (verdict.short == ABSORBED) == (size >= needed)

    def test_a_fragment_of_a_tcp_segment(self) -> None:
        machine = Machine()
        segment = b.tcp(1, 2, 100, 0, SYN, 9, data=bytes(80))
        assert machine.send(frag4(0, True, segment[:48], proto=6)).short == ABSORBED
        verdict = machine.send(frag4(48, False, segment[48:], proto=6))
        assert verdict.short == NEW and verdict.entry is not None and verdict.entry.end0 == 181

    def test_a_fragment_cut_by_the_snap_length_counts_in_full(self) -> None:
        machine = Machine()
        first, last = frag4(0, True, WHOLE[:48]), frag4(48, False, WHOLE[48:])
        assert machine.send(first[:40], wirelen=len(first)).short == ABSORBED
        verdict: Verdict = machine.send(last[:24], wirelen=len(last))
        assert verdict.short == NEW and machine.entries()[0].orig_bytes == 120


def cut_short(proto: int) -> bytes:
    bodies = {
        1: b.icmp(8, 0, data=bytes(40)), 58: b.icmp(128, 0, data=bytes(40)), 17: b.udp(1, 2, bytes(40)),
        6: b.tcp(1, 2, 3, 4, SYN, 5, data=bytes(40)), 132: b.sctp(1, 2, 0, [b.chunk(1, 0, bytes(40))]),
    }  # fmt: skip
    return bodies[proto]


@pytest.mark.parametrize(("proto", "family"), [(1, 4), (6, 4), (17, 4), (132, 4), (58, 6), (6, 6), (17, 6), (132, 6)])
def test_what_the_snap_length_cut_has_no_checksum_to_verify(proto: int, family: int) -> None:
    """Also when the missing bytes are filled in because a tracker looks at them, and in fragments."""
    ends = (A, B) if family == 4 else (A6, B6)
    packet = b.ip(*ends, proto, b.with_checksum(*ends, proto, cut_short(proto), 1))
    assert Machine(checksum=1).send(packet).ctstate == "INVALID"
    for size in range(len(packet) - 40, len(packet)):
        verdict = Machine(checksum=1).send(packet[:size], wirelen=len(packet))
        assert verdict.short == ("NEW", ""), size
    pieces = (b.fragments4 if family == 4 else b.fragments6)(packet, [32], 7)
    machine = Machine(checksum=1)
    assert [machine.send(piece).ctstate for piece in pieces] == ["", "INVALID"]
    machine = Machine(checksum=1)
    assert machine.send(pieces[0]).ctstate == ""
    assert machine.send(pieces[1][:-1], wirelen=len(pieces[1])).short == ("NEW", "")
    assert machine.engine.quality.checked == {}
