"""Hostile payloads: no exception out of a helper, no time that grows faster than the payload."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from ctreplay.capture import open_captures
from ctreplay.dataset.expectation_rows import ExpectationRows
from ctreplay.dataset.rows import RowSink
from ctreplay.engine import Engine
from ctreplay.helpers import addresses, amanda, ftp, h323, irc, per, registry, siptext
from ctreplay.helpers.control import Helper
from ctreplay.helpers.h225_types import RAS_MESSAGE, USER_INFORMATION
from ctreplay.helpers.runner import Helpers
from ctreplay.tracker import sysctl
from ctreplay.tracker.settings import Settings
from tests.helpers import dialogues
from tests.traffic import pcap


def replayed(path: object, observe: bool) -> Helpers:
    """A replay without a dataset, with every helper or only watching."""
    sink = RowSink(lambda *_: None)
    engine = Engine(Settings(sysctl.defaults()), sink, 0)
    assigned = registry.observed() if observe else registry.parse(["all"])
    helpers = Helpers(engine.tracker, assigned, ExpectationRows(sink, observe), 4096, observe=observe)
    captures = open_captures([str(path)])
    try:
        while engine.run(captures, 10_000) == 10_000:
            pass
    finally:
        captures.close()
    return helpers


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("observe", [False, True])
def test_no_exception_out_of_a_helper(seed: int, observe: bool, tmp_path: object) -> None:
    steps = dialogues.generate(9000 + seed, sorted(dialogues.SCRIPTS), 60)
    helpers = replayed(pcap.write(tmp_path / "in.pcap", steps), observe)  # type: ignore[operator]
    assert helpers.failures == 0
    assert helpers.table.created > 20
    assert helpers.examined > 100 if observe else helpers.examined == 0


def test_a_parser_that_fails_is_counted(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> bool:
        raise AttributeError("of nothing")

    monkeypatch.setitem(registry.HELPERS, "ftp", ((Helper("ftp", fail, ((1, 300),)), 6, 21),))
    steps = dialogues.generate(1, ["ftp"], 3)
    helpers = replayed(pcap.write(tmp_path / "in.pcap", steps), False)  # type: ignore[operator]
    assert helpers.failures > 5
    assert helpers.table.created == 0


def per_of(kind: object) -> Callable[[bytes], object]:
    def work(data: bytes) -> object:
        try:
            return per.read(kind, data)
        except per.PerError:
            return None

    return work


def sip(data: bytes) -> object:
    walk = siptext.Contacts()
    while siptext.contact(data, walk, 4) is not None:
        pass
    described = siptext.version(data), siptext.media(data, 0), siptext.connection(data, 0, 4)
    return described, siptext.parameter(data, 0, b"expires=")


PARSERS: dict[str, Callable[[bytes], object]] = {
    "ftp": lambda data: (ftp.command(data, False, 4), ftp.command(data, True, 4), ftp.command(data, False, 6)),
    "eprt": lambda data: ftp.command(b"EPRT |2|" + data, False, 6),
    "addresses": lambda data: (addresses.ipv4(data, 0, len(data)), addresses.ipv6(data, 0, len(data))),
    "irc": irc.offer,
    "amanda": amanda.ports,
    "sip": sip,
    "ras": per_of(RAS_MESSAGE),
    "q931": per_of(USER_INFORMATION),
    "h323": lambda data: h323.user_information(b"\x08\x01\x01\x05" + data),
}
PATTERNS = (
    b"PORT 1,", b"EPRT |2|::", b"227 1,", b"229 (", b"PRIVMSG x :\x01DCC SEND ", b" :\x01DCC CHAT ", b"CONNECT DATA ",
    b"\r\nContact: <sip:a@1.2.3.4>,", b"\r\nm: sip:1.2.3.4:80\r\n ", b"\r\nm=audio 0\r\nc=IN IP4 ", b"\r\n \r\n ",
    b"<sip:@1.1.1.1>;expires=1,\r\n ", b"\n", b"\r", b" ", b"\x00", b"\xff", b"\x04\x00", b"\xa1",
    b"\xbf\xff", b",", b"@", b"0", b":", b"0:", b"0.",
)  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_time_grows_with_the_payload(name: str, pattern: bytes) -> None:
    work = PARSERS[name]

    def seconds(size: int) -> float:
        data = (pattern * (size // len(pattern) + 1))[:size]
        if name == "sip":
            data = b"SIP/2.0 200 OK\r\nContact: " + data
        best = 9.0
        for _ in range(3):
            began = time.process_time()
            with contextlib.suppress(per.PerError):
                work(data)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(64_000) < 0.05 + 24 * seconds(8_000)
    assert seconds(64_000) < 2
