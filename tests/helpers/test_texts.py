"""Numbers and addresses in the payloads of helpers; the kernel's answers to them are in golden/edges_*."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctreplay.helpers import siptext
from ctreplay.helpers.addresses import MAPPED, ipv4, ipv6


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"60", 60), (b"060;", 60), (b"0x3c", 0), (b"60 ", 60), (b"", None), (b" 60", None), (b"-1", None),
        (b"00000005070", 5070), (b"000000005070", None), (b"4294967295", 4294967295), (b"4294967296", None),
        (b"04294967295", 4294967295), (b"9" * 5000, None), (b"\xb960", None),
    ],
)  # fmt: skip
def test_number(text: bytes, value: int | None) -> None:
    assert siptext.number(b"x" + text, 1) == value


@pytest.mark.parametrize(
    ("text", "port", "length"),
    [
        (b"10.0.0.1>", 5060, 8), (b"10.0.0.1", None, 0), (b"10.0.0.1:5070>", 5070, 13), (b"10.0.0.1:5070", None, 0),
        (b"10.0.0.1:05070 ", 5070, 14), (b"10.0.0.1:005070 ", None, 0), (b"10.0.0.1:1023>", None, 0),
        (b"10.0.0.1:65536>", None, 0), (b"10.0.0.1a>", None, 0), (b"10.0.0.1:>", None, 0),
    ],
)  # fmt: skip
def test_endpoint(text: bytes, port: int | None, length: int) -> None:
    expected = None if port is None else (MAPPED | 0x0A000001, port, length)
    assert siptext.endpoint(text, 0, 4) == expected


def test_letters_of_latin_1() -> None:
    assert siptext.media(b"\r\nm=aud\xefo 5000", 0) == (4, 10)
    assert siptext.media(b"\r\nm=aud\xf7o 5000", 0) is None
    # a compact name followed by a letter is another header
    assert siptext.header(b"\r\nm\xe9: <sip:x>\r\nContact: <sip:1.2.3.4>", 0, "contact", 4) == (29, 7)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (b"1.2.3.4", 7), (b"001.2.3.0004 ", 12), (b"1.2.3.4g", 7), (b"1.2.3.4a", None), (b"1.2.3.4.", None),
        (b"1.2.3.256", None), (b"1.2.3", None), (b"1.2..4", None), (b"", None),
    ],
)  # fmt: skip
def test_ipv4(text: bytes, end: int | None) -> None:
    got = ipv4(text, 0, len(text))
    assert got is None if end is None else got == (MAPPED | 0x01020304, end)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"000002001:db8::0001", "2001:db8::1"), (b"::", "::"), (b"1::", "1::"), (b"::0.0.0.007", "::7"),
        (b"1:2:3:4:5:6:007.0.0.8", "1:2:3:4:5:6:700:8"), (b"1:2:3:4:5:6:7::8", None), (b"1:2:3:4:5:6:7", None),
        (b"12345::", None), (b":1::", None), (b"1:::2", None), (b"1::2::3", None), (b"1:2:3:4:5:6:7:8:", None),
        (b"1:2:3:4:5:6:7:1.2.3.4", None), (b"1.2.3.4", None), (b"::1.2.3", None), (b"", None),
    ],
)  # fmt: skip
def test_ipv6(text: bytes, address: str | None) -> None:
    expected = None if address is None else (int(ipaddress.IPv6Address(address)), len(text))
    assert ipv6(text, 0, len(text)) == expected
    assert ipv6(b"[" + text + b"]", 1, len(text) + 2) == (None if expected is None else (expected[0], len(text) + 1))


@given(st.ip_addresses(v=6), st.sampled_from(["compressed", "exploded"]), st.booleans())
def test_every_ipv6_address(address: ipaddress.IPv6Address, way: str, upper: bool) -> None:
    text = getattr(address, way)
    data = (text.upper() if upper else text).encode()
    assert ipv6(data, 0, len(data)) == (int(address), len(data))
    dotted = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    head = ":".join(address.exploded.split(":")[:6])
    data = f"{head}:{dotted}|".encode()
    assert ipv6(data, 0, len(data)) == (int(address), len(data) - 1)
