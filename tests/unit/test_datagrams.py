"""UDP, UDP-Lite, GRE, generic, ICMP and ICMPv6 (spec 2.6, 2.7, 4.1 to 4.6)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.traffic import build as b

from .machine import A6, ASSURED, B6, REPLIED, SECOND, UNREPLIED, A, B, C, Machine, Verdict

LINK_LOCAL = bytes.fromhex("fe80") + bytes(13) + b"\1"


class TestUdp:
    def test_sysctls_and_stream(self) -> None:
        machine = Machine(udp_timeout=7, udp_timeout_stream=9)
        assert machine.udp(0).timeout_s == 7
        assert machine.udp(1).timeout_s == 7
        assert machine.udp(0).timeout_s == 7
        assert machine.udp(1, after=2.0).timeout_s == 9

    def test_defaults(self) -> None:
        machine = Machine()
        assert machine.udp(0).timeout_s == 30
        machine.udp(1)
        assert machine.udp(0, after=2).timeout_s == 120

    @pytest.mark.parametrize(("ns", "timeout", "status"), [(0, 30, REPLIED), (1, 120, ASSURED)])
    def test_two_seconds_are_strict(self, ns: int, timeout: int, status: int) -> None:
        """Spec 4.1: now > creation + 2 s."""
        machine = Machine()
        entry = machine.udp(0).entry
        machine.udp(1, ns=SECOND)
        verdict = machine.udp(0, ns=SECOND + ns)
        assert entry is not None and entry.status == status and verdict.timeout_s == timeout
        assert verdict.changes() == ([("UPDATE", ("assured",))] if ns else [])

    def test_the_first_reply_never_makes_a_stream(self) -> None:
        machine = Machine()
        machine.udp(0)
        verdict = machine.udp(1, after=10)
        assert verdict.timeout_s == 30 and verdict.changes() == [("UPDATE", ("seen_reply",))]
        assert machine.udp(1).timeout_s == 120, "both from the same side"

    def test_one_sided_never(self) -> None:
        machine = Machine()
        for _ in range(5):
            verdict = machine.udp(0, after=5)
            assert (verdict.timeout_s, verdict.ctstate) == (30, "NEW")

    def test_assured_once_stays_a_stream(self) -> None:
        machine = Machine()
        machine.udp(0)
        machine.udp(1)
        machine.udp(0, after=3)
        verdict = machine.udp(0, after=100)
        assert verdict.timeout_s == 120 and verdict.changes() == [] and verdict.refreshed

    @pytest.mark.parametrize("length", range(9))
    def test_cut(self, length: int) -> None:
        reason = "tuple_missing" if length < 4 else "udp_short" if length < 8 else ""
        assert Machine().send(b.ipv4(A, B, 17, b.udp(1, 2)[:length])).reason == reason

    @pytest.mark.parametrize(
        ("field", "reason"), [(0, "udp_length"), (7, "udp_length"), (8, ""), (18, ""), (19, "udp_length")]
    )
    def test_length_field(self, field: int, reason: str) -> None:
        assert Machine().send(b.ipv4(A, B, 17, b.udp(1, 2, bytes(10), field))).reason == reason

    @pytest.mark.parametrize("check", [0, 1])
    @pytest.mark.parametrize(("kind", "wrong"), [("good", False), ("bad", True), ("none", False)])
    @pytest.mark.parametrize("ends", [(A, B), (A6, B6)])
    def test_checksum(self, check: int, kind: str, wrong: bool, ends: tuple[bytes, bytes]) -> None:
        segment = b.udp(1, 2, b"abc")
        if kind != "none":
            segment = b.with_checksum(*ends, 17, segment, kind == "bad")
        verdict = Machine(checksum=check).send(b.ip(*ends, 17, segment))
        assert verdict.short == (("INVALID", "udp_checksum") if wrong and check else ("NEW", ""))

    def test_a_checksum_is_no_matter_for_a_packet_cut_by_the_snap_length(self) -> None:
        segment = b.with_checksum(A, B, 17, b.udp(1, 2, bytes(100)), 1)
        frame = b.ipv4(A, B, 17, segment)
        assert Machine(checksum=1).send(frame[:60], wirelen=len(frame)).short == ("NEW", "")

    def test_port_zero(self) -> None:
        assert Machine().send(b.ipv4(A, B, 17, b.udp(0, 0))).ctstate == "NEW"


class TestUdplite:
    @staticmethod
    def frame(coverage: int = 0, direction: int = 0, field: int | None = 1, size: int = 12) -> bytes:
        ends = (A, B) if direction == 0 else (B, A)
        ports = (1, 2) if direction == 0 else (2, 1)
        return b.ipv4(*ends, 136, struct.pack("!HHHH", *ports, coverage, field or 0) + bytes(size - 8))

    def test_assured_by_the_second_packet_after_the_reply(self) -> None:
        machine = Machine()
        assert machine.send(self.frame()).timeout_s == 30
        assert machine.send(self.frame(direction=1)).timeout_s == 30
        verdict = machine.send(self.frame())
        assert verdict.timeout_s == 120 and verdict.changes() == [("UPDATE", ("assured",))]
        assert machine.send(self.frame()).changes() == []

    def test_follows_udps_sysctls(self) -> None:
        machine = Machine(udp_timeout=5, udp_timeout_stream=6)
        assert machine.send(self.frame()).timeout_s == 5
        machine.send(self.frame(direction=1))
        assert machine.send(self.frame()).timeout_s == 6

    @pytest.mark.parametrize(
        ("coverage", "ok"), [(0, True), (1, False), (7, False), (8, True), (12, True), (13, False)]
    )
    def test_coverage(self, coverage: int, ok: bool) -> None:
        assert Machine().send(self.frame(coverage)).reason == ("" if ok else "udplite_coverage")

    @pytest.mark.parametrize("length", range(9))
    def test_cut(self, length: int) -> None:
        frame = b.ipv4(A, B, 136, struct.pack("!HHHH", 1, 2, 0, 5)[:length])
        reason = "tuple_missing" if length < 4 else "udplite_short" if length < 8 else ""
        assert Machine().send(frame).reason == reason

    @pytest.mark.parametrize("check", [0, 1])
    def test_checksum_zero_is_always_wrong(self, check: int) -> None:
        assert Machine(checksum=check).send(self.frame(field=0)).reason == "udplite_checksum"

    @pytest.mark.parametrize(("proto", "ok"), [(136, False), (17, True)])
    @pytest.mark.parametrize("coverage", [0, 8])
    def test_checksum_is_verified_with_udps_number(self, proto: int, ok: bool, coverage: int) -> None:
        """Spec 4.2, a quirk: genuine UDP-Lite is INVALID while checksums are verified."""
        segment = struct.pack("!HHHH", 1, 2, coverage, 0) + b"abcdef"
        covered = segment[:coverage] if coverage else segment
        value = b.internet_checksum(b.pseudo(A, B, proto, len(segment)) + covered)
        frame = b.ipv4(A, B, 136, segment[:6] + struct.pack("!H", value) + segment[8:])
        assert (Machine(checksum=1).send(frame).reason == "") == ok
        assert Machine(checksum=0).send(frame).reason == ""


class TestGre:
    @staticmethod
    def frame(version: int, key: int = 0, direction: int = 0, proto: int = 0x880B, cut: int = 100) -> bytes:
        ends = (A, B) if direction == 0 else (B, A)
        return b.ipv4(*ends, 47, b.gre(version, proto, struct.pack("!HH", 0, key), 0x20)[:cut])

    @pytest.mark.parametrize(
        ("sysctls", "first", "stream"), [({}, 30, 180), ({"gre_timeout": 5, "gre_timeout_stream": 6}, 5, 6)]
    )
    def test_timeouts(self, sysctls: dict[str, int], first: int, stream: int) -> None:
        machine = Machine(**sysctls)
        assert machine.send(self.frame(0)).timeout_s == first
        assert machine.send(self.frame(0, direction=1)).timeout_s == first
        verdict = machine.send(self.frame(0))
        assert verdict.timeout_s == stream and verdict.changes() == [("UPDATE", ("assured",))]

    def test_version_1_has_the_call_in_its_tuple(self) -> None:
        machine = Machine()
        first = machine.send(self.frame(1, 0x1234)).entry
        assert first is not None and (first.sport, first.dport, first.rsport, first.rdport) == (0, 0x1234, 0x1234, 0)
        assert machine.send(self.frame(1, 0x5678)).entry is not first
        assert machine.send(self.frame(1, 0x1234)).entry is first
        assert machine.send(self.frame(1, 0x1234, direction=1)).ctstate == "NEW"

    def test_other_versions_have_none(self) -> None:
        machine = Machine()
        first = machine.send(self.frame(0, 1)).entry
        assert machine.send(self.frame(0, 2)).entry is first
        assert machine.send(self.frame(2, 3)).entry is first
        assert machine.send(self.frame(0, 4, direction=1)).direction == 1

    @pytest.mark.parametrize("cut", range(9))
    def test_cut(self, cut: int) -> None:
        verdict = Machine().send(self.frame(1, 0x1234, cut=cut))
        assert verdict.short == ("NEW", "") and verdict.entry is not None
        assert verdict.entry.dport == (0x1234 if cut == 8 else 0)

    def test_version_1_without_ppp(self) -> None:
        assert Machine().send(self.frame(1, 1, proto=0x800)).short == ("INVALID", "gre_not_ppp")
        assert Machine().send(self.frame(1, 1, proto=0x800, cut=7)).short == ("NEW", "")


class TestGeneric:
    @pytest.mark.parametrize("proto", [0, 2, 4, 33, 41, 50, 51, 89, 112, 254, 255])
    def test_one_entry_by_protocol_and_addresses(self, proto: int) -> None:
        machine = Machine()
        first = machine.send(b.ipv4(A, B, proto, b"x"))
        assert first.short == ("NEW", "") and first.timeout_s == 600 and first.state == 0
        verdict = machine.send(b.ipv4(B, A, proto, b""))
        assert verdict.entry is first.entry and verdict.ctstate == "ESTABLISHED"
        for _ in range(3):
            assert machine.send(b.ipv4(A, B, proto, b"y"), after=5).timeout_s == 600
        assert first.entry is not None and first.entry.status == REPLIED
        assert machine.send(b.ipv4(A, C, proto, b"")).entry is not first.entry

    def test_sysctl(self) -> None:
        assert Machine(generic_timeout=11).send(b.ipv4(A, B, 50, bytes(8))).timeout_s == 11


def icmp(machine: Machine, kind: int, code: int = 0, ident: int = 7, direction: int = 0, data: bytes = b"") -> Verdict:
    ends = (A, B) if direction == 0 else (B, A)
    segment = b.icmp(kind, code, struct.pack("!HH", ident, 1), data)
    return machine.send(b.ipv4(*ends, 1, b.with_checksum(*ends, 1, segment)))


def icmp6(machine: Machine, kind: int, code: int = 0, ident: int = 7, direction: int = 0, data: bytes = b"") -> Verdict:
    ends = (A6, B6) if direction == 0 else (B6, A6)
    segment = b.icmp(kind, code, struct.pack("!HH", ident, 1), data)
    return machine.send(b.ipv6(*ends, 58, b.with_checksum(*ends, 58, segment)))


ANSWERS = {8: 0, 13: 14, 15: 16, 17: 18}
ANSWERS6 = {128: 129, 139: 140}
UNTRACKED6 = {130, 131, 132, 133, 134, 135, 136, 143, 151, 152}


class TestIcmp:
    def test_first_packet_of_each_type(self) -> None:
        for kind in range(256):
            self.check_type(kind)

    @staticmethod
    def check_type(kind: int) -> None:
        machine = Machine()
        verdict = icmp(machine, kind)
        if kind in ANSWERS:
            assert verdict.short == ("NEW", "") and verdict.timeout_s == 30
            return
        if kind > 18:
            reason = "icmp_type"
        elif kind in (3, 4, 5, 11, 12):
            reason = "icmp_error_quote"
        elif kind in ANSWERS.values():
            reason = "icmp_not_request"
        else:
            reason = "tuple_not_invertible"
        assert verdict.short == ("INVALID", reason) and not machine.entries() and not verdict.events

    @pytest.mark.parametrize(("ask", "answer"), ANSWERS.items())
    def test_answers(self, ask: int, answer: int) -> None:
        machine = Machine(icmp_timeout=12)
        assert icmp(machine, ask).timeout_s == 12
        verdict = icmp(machine, answer, direction=1)
        assert verdict.short == ("ESTABLISHED", "") and verdict.changes() == [("UPDATE", ("seen_reply",))]
        assert verdict.timeout_s == 12
        assert icmp(machine, answer, direction=1).changes() == []
        assert icmp(machine, ask).ctstate == "ESTABLISHED"
        assert icmp(machine, answer, 1, direction=1).short == ("INVALID", "icmp_not_request"), "the code is in the key"
        assert icmp(machine, answer, ident=8, direction=1).ctstate == "INVALID"
        assert icmp(machine, answer, direction=0).ctstate == "INVALID"
        assert icmp(machine, ask, direction=1).ctstate == "NEW", "the other way round is another entry"
        assert machine.entries()[0].status == REPLIED

    @pytest.mark.parametrize("length", range(9))
    def test_cut(self, length: int) -> None:
        frame = b.ipv4(A, B, 1, b.icmp(8, 0)[:length])
        machine = Machine()
        assert machine.send(frame).reason == ("icmp_short" if length < 8 else "")
        assert machine.engine.tracker.n_error == (length < 8) and machine.engine.tracker.n_invalid == 0

    @pytest.mark.parametrize("check", [0, 1])
    def test_checksum(self, check: int) -> None:
        segment = b.with_checksum(A, B, 1, b.icmp(8, 0, bytes(4), b"odd"), 1)
        assert Machine(checksum=check).send(b.ipv4(A, B, 1, segment)).reason == ("icmp_checksum" if check else "")
        assert icmp(Machine(checksum=1), 8).reason == ""

    @pytest.mark.parametrize(
        ("send", "ask", "answer"), [(icmp, 8, 0), (icmp, 13, 14), (icmp6, 128, 129), (icmp6, 139, 140)]
    )
    def test_the_code_stays_when_the_tuple_is_turned(self, send: Any, ask: int, answer: int) -> None:
        machine = Machine()
        entry = send(machine, ask, 5).entry
        assert send(machine, answer, 5, direction=1).entry is entry
        assert entry.rdport == answer << 8 | 5 and entry.rsport == 7

    def test_the_other_family(self) -> None:
        assert Machine().send(b.ipv4(A, B, 58, b.icmp(128, 0))).short == ("INVALID", "icmp_family")
        assert Machine().send(b.ipv6(A6, B6, 1, b.icmp(8, 0))).short == ("INVALID", "icmp_family")


class TestIcmpv6:
    def test_first_packet_of_each_type(self) -> None:
        for kind in range(256):
            self.check_type(kind)

    @staticmethod
    def check_type(kind: int) -> None:
        machine = Machine()
        verdict = icmp6(machine, kind)
        if kind in UNTRACKED6:
            assert verdict.short == ("UNTRACKED", "icmpv6_untracked")
        elif kind in ANSWERS6:
            assert verdict.short == ("NEW", "") and verdict.timeout_s == 30
        elif kind == 137:
            assert verdict.short == ("INVALID", "icmp_redirect")
        elif kind < 128:
            assert verdict.short == ("INVALID", "icmp_error_quote")
        else:
            assert verdict.short == (
                "INVALID",
                "icmp_not_request" if kind in ANSWERS6.values() else "tuple_not_invertible",
            )
        assert len(machine.entries()) == (kind in ANSWERS6)

    @pytest.mark.parametrize(("ask", "answer"), ANSWERS6.items())
    def test_answers(self, ask: int, answer: int) -> None:
        machine = Machine(icmpv6_timeout=12)
        assert icmp6(machine, ask).timeout_s == 12
        verdict = icmp6(machine, answer, direction=1)
        assert verdict.short == ("ESTABLISHED", "") and verdict.timeout_s == 12
        assert icmp6(machine, answer, 1, direction=1).ctstate == "INVALID"

    @pytest.mark.parametrize("length", range(9))
    def test_cut(self, length: int) -> None:
        assert Machine().send(b.ipv6(A6, B6, 58, b.icmp(128, 0)[:length])).reason == (
            "icmp_short" if length < 8 else ""
        )

    @pytest.mark.parametrize("check", [0, 1])
    def test_checksum(self, check: int) -> None:
        segment = b.with_checksum(A6, B6, 58, b.icmp(128, 0), 1)
        assert Machine(checksum=check).send(b.ipv6(A6, B6, 58, segment)).reason == ("icmp_checksum" if check else "")
        assert icmp6(Machine(checksum=1), 128).reason == ""


class TestErrors:
    """Spec 2.6, inner lookup."""

    @staticmethod
    def quote(
        machine: Machine, quoted: bytes, src: bytes = C, dst: bytes = A, kind: int = 3, v6: bool = False
    ) -> Verdict:
        proto, ip = (58, b.ipv6) if v6 else (1, b.ipv4)
        segment = b.with_checksum(src, dst, proto, b.icmp(kind, 0, data=quoted))
        return machine.send(ip(src, dst, proto, segment), after=5)

    @pytest.mark.parametrize("kind", range(19))
    def test_types_that_are_errors(self, kind: int) -> None:
        machine = Machine()
        machine.udp(0)
        verdict = self.quote(machine, b.ipv4(A, B, 17, b.udp(40000, 53)), kind=kind)
        assert (verdict.ctstate == "RELATED") == (kind in (3, 4, 5, 11, 12))

    @pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 50, 100, 127, 128, 129, 144, 255])
    def test_icmpv6_types_that_are_errors(self, kind: int) -> None:
        machine = Machine()
        packet = b.ipv6(A6, B6, 17, b.udp(1, 2))
        machine.send(packet)
        assert (self.quote(machine, packet, B6, A6, kind, True).ctstate == "RELATED") == (kind < 128)

    def test_directions_and_no_side_effect(self) -> None:
        machine = Machine()
        entry = machine.udp(0).entry
        assert entry is not None
        before = (entry.deadline, entry.status, entry.orig_packets, entry.reply_packets, entry.last_packet)
        verdict = self.quote(machine, b.ipv4(A, B, 17, b.udp(40000, 53)))
        assert (verdict.ctstate, verdict.direction, verdict.note) == ("RELATED", 1, "icmp_error")
        assert verdict.entry is entry and not verdict.events and not verdict.refreshed
        assert (entry.deadline, entry.status, entry.orig_packets, entry.reply_packets, entry.last_packet) == before
        verdict = self.quote(machine, b.ipv4(B, A, 17, b.udp(53, 40000)), C, B)
        assert (verdict.ctstate, verdict.direction) == ("RELATED", 0)

    def test_must_go_to_the_sender_of_what_it_quotes(self) -> None:
        machine = Machine()
        machine.udp(0)
        quoted = b.ipv4(A, B, 17, b.udp(40000, 53))
        assert self.quote(machine, quoted, dst=C).short == ("INVALID", "icmp_error_destination")
        assert self.quote(machine, quoted, dst=B).short == ("INVALID", "icmp_error_destination")
        assert machine.engine.tracker.n_error == 2
        machine = Machine()
        packet = b.ipv6(A6, B6, 17, b.udp(1, 2))
        machine.send(packet)
        near = A6[:8] + b"\1" + A6[9:]
        far = b"\x20\x02" + A6[2:]
        assert self.quote(machine, packet, B6, near, 1, True).reason == "icmp_error_destination"
        assert self.quote(machine, packet, B6, far, 1, True).reason == "icmp_error_destination"

    def test_unknown_flow(self) -> None:
        machine = Machine()
        machine.udp(0)
        assert self.quote(machine, b.ipv4(A, B, 17, b.udp(40001, 53))).short == ("INVALID", "icmp_error_no_entry")

    @pytest.mark.parametrize("proto", [6, 17, 132, 136])
    def test_how_much_must_be_quoted(self, proto: int) -> None:
        """The IP header and four bytes of ports; three are not enough."""
        if proto == 6:
            first = b.tcp(1, 2, 3, 4, 2, 5)
        elif proto == 132:
            first = b.sctp(1, 2, 0, [b.chunk(1, 0, bytes(16))])
        else:
            first = struct.pack("!HHHH", 1, 2, 8, 1)
        packet = b.ipv4(A, B, proto, first)
        machine = Machine(sctp_timeout_closed=1000, udp_timeout=1000, tcp_timeout_syn_sent=1000)
        assert machine.send(packet).ctstate == "NEW"
        for cut in range(30):
            verdict = self.quote(machine, packet[:cut])
            assert verdict.short == (("RELATED", "") if cut >= 24 else ("INVALID", "icmp_error_quote"))

    def test_how_much_of_an_ipv6_packet(self) -> None:
        packet = b.ipv6(A6, B6, 17, b.udp(1, 2))
        machine = Machine(udp_timeout=1000)
        machine.send(packet)
        for cut in range(49):
            assert (self.quote(machine, packet[:cut], B6, A6, 1, True).ctstate == "RELATED") == (cut >= 44)

    @pytest.mark.parametrize(
        ("word", "ok"), [(0, True), (0x2000, True), (0x4000, True), (1, False), (0x2001, False), (0x1FFF, False)]
    )
    def test_a_quoted_fragment(self, word: int, ok: bool) -> None:
        machine = Machine()
        machine.udp(0)
        quoted = b.ipv4(A, B, 17, b.udp(40000, 53), 1, word)
        assert (self.quote(machine, quoted).ctstate == "RELATED") == ok

    @pytest.mark.parametrize(("head", "ok"), [(0x45, True), (0x46, False), (0x4F, False), (0x40, False), (0x65, True)])
    def test_quoted_header_length(self, head: int, ok: bool) -> None:
        machine = Machine()
        machine.udp(0)
        quoted = bytearray(b.ipv4(A, B, 17, b.udp(40000, 53)))
        quoted[0] = head
        assert (self.quote(machine, bytes(quoted)).ctstate == "RELATED") == ok

    def test_quoted_echo(self) -> None:
        machine = Machine()
        icmp(machine, 8)
        ask = b.ipv4(A, B, 1, b.icmp(8, 0, struct.pack("!HH", 7, 1)))
        assert self.quote(machine, ask, B).short == ("RELATED", "")
        assert self.quote(machine, ask[:27], B).reason == "icmp_error_quote", "eight bytes of ICMP are needed"
        reply = b.ipv4(B, A, 1, b.icmp(0, 0, struct.pack("!HH", 7, 1)))
        assert self.quote(machine, reply, A, B).direction == 0

    def test_an_error_about_an_error(self) -> None:
        machine = Machine()
        machine.udp(0)
        inner = b.ipv4(B, A, 1, b.icmp(3, 3, data=b.ipv4(A, B, 17, b.udp(40000, 53))))
        assert self.quote(machine, inner, A, B).short == ("INVALID", "icmp_error_quote")


class TestRedirect:
    """Spec 2.6, ICMPv6 type 137."""

    @staticmethod
    def frame(
        code: int = 0, hop: int = 255, src: bytes = LINK_LOCAL, option: bytes = b"\4\1" + bytes(6), cut: int = 1000,
        quoted: bytes | None = None,
    ) -> bytes:  # fmt: skip
        inner = b.ipv6(A6, B6, 17, b.udp(1, 2)) if quoted is None else quoted
        segment = b.icmp(137, code, data=bytes(32) + option + inner)[:cut]
        packet = bytearray(b.ipv6(src, A6, 58, b.with_checksum(src, A6, 58, segment)))
        packet[7] = hop
        return bytes(packet)

    @pytest.mark.parametrize(
        ("fields", "wanted"),
        [
            ({}, ("RELATED", "")),
            ({"code": 1}, ("INVALID", "tuple_not_invertible")),
            ({"hop": 254}, ("INVALID", "icmp_redirect")),
            ({"src": A6}, ("INVALID", "icmp_redirect")),
            ({"src": bytes.fromhex("febf") + bytes(14)}, ("RELATED", "")),
            ({"src": bytes.fromhex("fec0") + bytes(14)}, ("INVALID", "icmp_redirect")),
            ({"option": b"\4\0" + bytes(6)}, ("INVALID", "icmp_redirect")),
            ({"option": b"\2\1" + bytes(6)}, ("INVALID", "tuple_not_invertible")),
            ({"cut": 47}, ("INVALID", "icmp_redirect")),
            ({"cut": 48}, ("INVALID", "icmp_error_quote")),
            ({"quoted": b.ipv6(A6, B6, 17, b.udp(9, 9))}, ("INVALID", "icmp_error_no_entry")),
        ],
        ids=str,
    )
    def test_redirect(self, fields: dict[str, int], wanted: tuple[str, str]) -> None:
        machine = Machine()
        machine.send(b.ipv6(A6, B6, 17, b.udp(1, 2)))
        assert machine.send(self.frame(**fields)).short == wanted  # type: ignore[arg-type]


def test_first_answer_is_established_whatever_comes() -> None:
    machine = Machine()
    assert machine.udp(0).ctstate == "NEW"
    assert machine.udp(0).ctstate == "NEW"
    assert machine.udp(1).ctstate == "ESTABLISHED"
    assert machine.udp(0).ctstate == "ESTABLISHED"


def test_status_of_a_first_packet() -> None:
    entry = Machine().udp(0).entry
    assert entry is not None and entry.status == UNREPLIED
