"""Texts for the helpers, each with every byte in one place, with odd numbers in one place, or cut everywhere; and H.323
messages with one damage.

`generate(kind)` and `damaged(kind)` give (time in ns, IP packet) pairs: a connection for every form of every text.
"""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ctreplay.helpers import h225_types, h245_types
from tests.helpers import dialogues
from tests.helpers.dialogues import MS, START, Step
from tests.helpers.per_encode import encode, random_value
from tests.traffic import build as b

# in a text: {x} every byte, {d} every one of NUMBERS, {v} every one of SPELLINGS, {k} every one of CODES; {a} {A} {n}
# the client's address (as it is, by commas, as a number) and {c} {C} the server's; a text without {x}, {d}, {v} and {k}
# is cut everywhere
NUMBERS = (
    b"", b"0", b"00", b"1", b"08", b"010", b"80", b"1023", b"1024", b"5070", b"05070", b"005070", b"0005070",
    b"00000005070", b"000000005070", b"65535", b"065535", b"65536", b"70000", b"131132", b"99999", b"999999",
    b"2147483648", b"4294967295", b"4294967296", b"4294967356", b"04294967295", b"99999999999", b"100000000000",
    b"18446744073709551615", b"18446744073709551616", b"18446744073709556686", b"-1", b"+5070", b" 5070", b"5070 ",
    b"0x13ce", b"0X13CE", b"5070a", b"50 70", b"5070.5", b"5070\x00", b"\xb95070", b"5070\xb9", b"256", b"255", b"0255",
    b"1e3",
)  # fmt: skip


# of 2001:db8:0:1::{i}, with {i} in hexadecimal
SPELLINGS = (
    "2001:db8:0:1::{i}", "2001:db8:0:1:0:0:0:{i}", "2001:0db8:0000:0001:0000:0000:0000:00{i}", "2001:DB8:0:1::{i}",
    "2001:db8::1:0:0:0:{i}", "2001:db8::1:0:0:0.0.0.{n}", "2001:db8:0:1::0.0.0.{n}", "2001:db8:0:1::0.0.{n}",
    "2001:db8:0:1::00{i}", "2001:db8:0:1::000{i}", "2001:db8:00000:1::{i}", "2001:db8:0:1:::{i}", "2001:db8::1::{i}",
    "2001:db8:0:1:0:0:0:0:{i}", "2001:db8:0:1:0:0:{i}", "2001:db8:0:1::{i}:", "2001:db8:0:1::{i}%eth0",
    "2001:db8:0:1::{i}g", "2001:db8:0:1::{i}/64", ":2001:db8:0:1::{i}", "2001:db8:0:1::{i}.", "2001:db8:0:1::1{i}",
    "2001:db8:0:1::0:{i}", "2001:db8:0:1:0::{i}", "2001:db8:0:1:0:0::{i}", "2001:db8:0:1:0:0:0::{i}", "::{i}", "::", "",
    "[2001:db8:0:1::{i}]", "2001:db8:0:1::0.0.0.0{n}", "2001:db8:0:1::0.0.0.00{n}", "2001:db8:0:1:0:0:0:0.0.0.{n}",
)  # fmt: skip


# of SIP's answers
CODES = (
    b"100", b"101", b"180", b"199", b"200", b"202", b"299", b"300", b"401", b"486", b"600", b"99", b"099", b"1000",
    b"1",
)  # fmt: skip


class Text(NamedTuple):
    """A payload of the client (`way` 0) or of the server; `before` are payloads that go before it."""

    way: int
    text: bytes
    before: tuple[tuple[int, bytes], ...] = ()


_REGISTER = b"REGISTER sip:v SIP/2.0\r\nCSeq: 1 REGISTER\r\n"
_REGISTERED = ((0, _REGISTER + b"Contact: <sip:u@{a}>;expires=60\r\n\r\n"),)
_INVITE = b"INVITE sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nc=IN IP4 {a}\r\n"
_INVITED = ((0, _INVITE + b"m=audio 5000\r\n"),)
_OK = b"SIP/2.0 200 OK\r\nCSeq: 1 REGISTER\r\n"
_SIP = [
    # letters, blanks, ends
    Text(0, b"INVITE {x}ip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nc=IN IP4 {a}\r\nm=video 80\r\n"),
    Text(0, b"INVITE{x}sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nc=IN IP4 {a}\r\nm=video 80\r\n"),
    Text(0, _REGISTER + b"Expires: 60\r\nm{x}: <sip:u@10.9.9.9>\r\nContact: <sip:u@{a}>\r\n"),
    Text(0, b"REGISTER sip:v SIP/2.0\r\nCSeq{x}: 1 REGISTER\r\nExpires: 60\r\nContact: <sip:u@{a}>\r\n"),
    Text(0, b"REGISTER sip:v SIP/2.0\r\nCSeq:{x}1 REGISTER\r\nExpires: 60\r\nContact: <sip:u@{a}>\r\n"),
    Text(0, b"REGISTER sip:v SIP/2.0{x}CSeq: 1 REGISTER\r\nExpires: 60\r\nContact: <sip:u@{a}>\r\n"),
    Text(0, _REGISTER + b"Expires: 6{x}0\r\nContact: <sip:u@{a}>\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u{x}@{a}:5{x}70>;expires=0{x}10\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@{a}{x}5070>;expires=1{x}\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@{a}>;transport=udp{x};expires=9\r\n{x}\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@10.9.9.9>{x}<sip:u@{a}>;expires=9\r\n"),
    Text(0, _INVITE + b"m=aud{x}io 5000\r\nm=audio 6000\r\n"),
    Text(0, _INVITE[:-2] + b"{x}\r\nm=audio 50{x}00\r\nm=video 6000\r\n"),
    Text(0, _INVITE + b"m=audio{x}5000\r\nm=video 6000\r\n"),
    Text(0, b"INVITE sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv={x}\r\nc=IN IP4 {a}\r\nm=audio 5000\r\n"),
    Text(0, b"INVITE sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0{x}c=IN IP4 {a}{x}m=audio 5000\r\n"),
    Text(1, b"SIP/2.0{x}486 no\r\nCSeq: 1 INVITE\r\n\r\n", _INVITED),
    Text(1, b"SIP/2.0 486 no\r\nCSeq: 1{x}INVITE\r\n\r\n", _INVITED),
    # numbers
    Text(0, _REGISTER + b"Contact: <sip:u@{a}:{d}>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@{a}>;expires={d}\r\n"),
    Text(0, _REGISTER + b"Expires: {d}\r\nContact: <sip:u@{a}>\r\n"),
    Text(0, _INVITE + b"m=audio {d} RTP/AVP 0\r\nm=video 6000\r\n"),
    Text(0, _INVITE + b"m=image {d} RTP/AVP 0\r\nc=IN IP4 10.9.9.9\r\nm=video 6000\r\n"),
    Text(0, b"INVITE sip:v SIP/2.0\r\nCSeq: {d} INVITE\r\n\r\nv=0\r\nc=IN IP4 {a}\r\nm=audio 5000\r\n"),
    Text(0, b"INVITE sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nc=IN IP4 10.{d}.0.1\r\nm=audio 5000\r\n"),
    Text(1, b"SIP/2.0 {d} no\r\nCSeq: 1 INVITE\r\n\r\n", _INVITED),
    Text(1, b"SIP/2.0 486 no\r\nCSeq: {d} INVITE\r\n\r\n", _INVITED),
    Text(1, b"SIP/2.0 {d} x\r\nCSeq: 1 REGISTER\r\nContact: <sip:u@{a}>;expires=77\r\n\r\n", _REGISTERED),
    # cut everywhere
    Text(0, _REGISTER + b"Expires: 60\r\nContact: <sip:u@{a}:5070;transport=udp>;expires=60\r\n"),
    Text(0, _REGISTER + b"Expires: 60\r\nm: sip:{a}"),
    Text(0, _INVITE + b"m=audio 5000 RTP/AVP 0\r\nc=IN IP4 {a}\r\nm=video 6000"),
    Text(0, b"INVITE sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nm=audio 5000 RTP/AVP 0\r\nc=IN IP4 {a}"),
    Text(1, _OK + b"Contact: <sip:u@{a}:5060;transport=udp>;expires=77\r\n", _REGISTERED),
    Text(1, b"SIP/2.0 486 no\r\nCSeq: 1 INVITE\r\n\r\n", _INVITED),
    # several contacts, some of them unreadable; lines that go on
    Text(1, _OK + b"Contact: <sip:u@10.9.9.9>, <sip:bad>\r\nContact: <sip:u@{a}>;expires=77\r\n", _REGISTERED),
    Text(1, _OK + b"Contact: <sip:u@10.9.9.9>, <sip:bad>, <sip:u@{a}>;expires=77\r\n", _REGISTERED),
    Text(1, _OK + b"Contact: <sip:bad>\r\nContact: <sip:bad>\r\nContact: <sip:u@{a}>;expires=77\r\n", _REGISTERED),
    Text(1, _OK + b"Contact:\r{x} <sip:u@{a}>;expires=77\r\n", _REGISTERED),
    Text(1, _OK + b"Contact{x}<sip:u@{a}>;expires=77\r\n", _REGISTERED),
]  # fmt: skip
_MEDIA = b"\r\n\r\nv=0\r\nc=IN IP4 {c}\r\nm=audio 6000\r\n"
_OWN_MEDIA = _MEDIA.replace(b"{c}", b"{a}")
_SIP_CODES = [
    # answers, to what was asked and to something else
    Text(1, b"SIP/2.0 {k} x\r\nCSeq: 1 REGISTER\r\nContact: <sip:u@{a}>;expires=77\r\n\r\n", _REGISTERED),
    Text(1, b"SIP/2.0 {k} x\r\nCSeq: 1 REGISTER\r\nContact: <sip:u@{a}>;expires=0\r\n\r\n", _REGISTERED),
    Text(1, b"SIP/2.0 {k} x\r\nCSeq: 2 REGISTER\r\nContact: <sip:u@{a}>;expires=77\r\n\r\n", _REGISTERED),
    *(
        Text(1, b"SIP/2.0 {k} x\r\nCSeq: %d %s" % (cseq, method) + _MEDIA, _INVITED)
        for method in (b"INVITE", b"UPDATE", b"PRACK", b"ACK", b"BYE")
        for cseq in (1, 2)
    ),
    # further requests
    *(
        Text(way, b"%s sip:v SIP/2.0\r\nCSeq: {k} %s" % (method, method) + _OWN_MEDIA, _INVITED)
        for method in (b"INVITE", b"UPDATE", b"PRACK", b"ACK", b"BYE", b"CANCEL")
        for way in (0, 1)
    ),
    Text(0, b"REGISTER sip:v SIP/2.0\r\nCSeq: {k} REGISTER\r\nContact: <sip:u@{a}>;expires=0\r\n\r\n", _REGISTERED),
]
# only a line that follows another is read
_GREETED = ((1, b"220 x\r\n"), (0, b"USER x\r\n"))
_FTP = [
    Text(0, b"PORT {A},19,206\r\n", _GREETED),
    Text(0, b"EPRT |1|{a}|5070|\r\n", _GREETED),
    Text(1, b"227 Entering Passive Mode ({C},19,206).\r\n", _GREETED),
    Text(1, b"229 Entering Extended Passive Mode (|||5070|)\r\n", _GREETED),
    Text(0, b"PORT{x}{A},19,206{x}\r\n", _GREETED),
    Text(0, b"PORT {A}{x}19,206\r\n", _GREETED),
    Text(0, b"EPRT {x}1{x}{a}{x}5070{x}\r\n", _GREETED),
    Text(0, b"EPRT |{x}|{a}|5070|\r\n", _GREETED),
    Text(1, b"227{x}Entering Passive Mode ({C},19,206)\r\n", _GREETED),
    Text(1, b"227 x{x}{C},19,206{x}\r\n", _GREETED),
    Text(1, b"229 x ({x}{x}{x}5070{x})\r\n", _GREETED),
    Text(0, b"PORT {A},{d},206\r\n", _GREETED),
    Text(0, b"PORT {A},19,{d}\r\n", _GREETED),
    Text(0, b"PORT {d},{A},19,206\r\n", _GREETED),
    Text(0, b"EPRT |1|{a}|{d}|\r\n", _GREETED),
    Text(0, b"EPRT |1|10.5.{d}.1|5070|\r\n", _GREETED),
    Text(1, b"227 ({C},{d},206)\r\n", _GREETED),
    Text(1, b"227 ({C},19,{d})\r\n", _GREETED),
    Text(1, b"229 (|||{d}|)\r\n", _GREETED),
]
_OFFER = b"PRIVMSG you :\x01DCC SEND file.txt {n} 5070 12345\x01\r\n"
_IRC = [
    Text(0, _OFFER),
    Text(0, b"PRIVMSG you :\x01DCC CHAT chat {n} 5070\x01\n"),
    Text(0, b"PRIVMSG{x}you{x}:\x01DCC SEND file.txt {n} 5070 12345\x01\r\n"),
    Text(0, b"{x}PRIVMSG you :{x}DCC SEND file.txt {n} 5070 12345\x01\r\n"),
    Text(0, b"PRIVMSG you :\x01DCC SEND{x}file.txt {n} 5070 12345\x01\r\n"),
    Text(0, b"PRIVMSG you :\x01DCC SEND file.txt{x}{n} 5070 12345\x01\r\n"),
    Text(0, b"PRIVMSG you :\x01DCC SEND file.txt {n}{x}5070 12345\x01\r\n"),
    Text(0, b"PRIVMSG you :\x01DCC SEND file.txt {n} 50{x}70 12345\x01\r\n"),
    Text(0, b"PRIVMSG you :\x01DCC SEND file.txt {n} 5070 12345\x01{x}"),
    Text(0, b"PRIVMSG you :\x01DCC SEND file.txt {n} {d} 12345\x01\r\n"),
    Text(0, b"PRIVMSG you :\x01DCC SEND file.txt {d} 5070 12345\x01\r\n"),
    Text(0, b"PRIVMSG you :\x01DCC SEND file.txt 0{n}{d} 5070 12345\x01\r\n"),
    # the first of two offers counts, good or not
    Text(0, b"PRIVMSG you :\x01DCC SEND f {n} {d} 1\x01\r\n" + _OFFER),
    Text(0, b"PRIVMSG you :\x01DCC SEND f {d} 80 1\x01\r\n" + _OFFER),
    Text(0, b"PRIVMSG you :\x01DCC SEN{x} f 1 80 1\x01\r\n" + _OFFER),
    Text(0, b"PRIVMSG you :\x01DCC SEND {x}fffffffffffffffffffffffffffffff\x01\r\n" + _OFFER),
]
_ASKED = ((0, b"Amanda 2.4 REQ HANDLE 000-00 SEQ 1\n"),)
_AMANDA = [
    Text(1, b"REP\nCONNECT DATA 5070 MESG 5071 INDEX 5072 STATE 5073\nOPTIONS ;\n", _ASKED),
    Text(1, b"REP\nCONNECT{x}DATA{x}5070 MESG 50{x}71 INDEX 5072{x}\n", _ASKED),
    Text(1, b"REP\nCONNECT DATA {d} MESG 5071\n", _ASKED),
    Text(1, b"REP\nCONNECT DATA 5070 MESG {d}", _ASKED),
    Text(1, b"REP\nCONNECT DATA 5070 MESG {d}\n", _ASKED),
]
_TFTP = [Text(0, b"\0\1file\0octet\0"), Text(0, b"\0{x}file\0octet\0"), Text(0, b"{x}\1file\0octet\0")]
_START = ((0, b"\0\0\0\7\0\0\0\1"),)
_SANE = [
    Text(1, b"\0\0\0\0\0\0\x13\xce\0\0\0\0", _START),
    Text(1, b"\0\0\0{x}\0\0\x13\xce\0\0\0\0", _START),
    Text(1, b"\0\0\0\0\0{x}\x13\xce\0\0\0\0", _START),
    Text(1, b"\0\0\0\0\0\0\0{x}\0\0\0\0", _START),
    Text(1, b"\0\0\0\0\0\0\x13\xce\0\0\0\0", ((0, b"\0\0\0\7\0\0\0"),)),
    Text(1, b"\0\0\0\0\0\0\x13\xce\0\0\0\0", ((0, b"\0\0\0\7\0\0\0\1\1"),)),
]
# as above, with lengths; the second text follows in the same packet or never comes
_MESSAGE = b"INVITE sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Length: {d}\r\n\r\n"
_BODY = b"v=0\r\nc=IN IP4 {a}\r\nm=audio 5000\r\n"
_SIP_BY_TCP = [
    Text(0, _MESSAGE.replace(b"{d}", b"40") + _BODY + b"  " + _MESSAGE.replace(b"{d}", b"40") + _BODY),
    Text(0, _MESSAGE + _BODY),
    Text(0, _MESSAGE + _REGISTER + b"Contact: <sip:u@{a}>;expires=60\r\nContent-Length: 0\r\n\r\n"),
    Text(0, _MESSAGE.replace(b": {d}", b":{x}40") + _BODY),
    Text(0, _MESSAGE.replace(b": {d}", b": 4{x}0") + _BODY),
    Text(0, _MESSAGE.replace(b"Content-Length: {d}", b"l{x}: 40") + _BODY),
    Text(0, _MESSAGE.replace(b"{d}\r\n\r\n", b"40\r\n{x}\r\n") + _BODY),
    Text(0, _REGISTER + b"Contact: <sip:u@{a};transport={x}>;expires=60\r\nContent-Length: 0\r\n\r\n"),
]
_INVITE6 = b"INVITE sip:v SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nc=IN IP6 {v}\r\nm=audio 5000\r\n"
_SIP_BY_IPV6 = [
    Text(0, _INVITE6),
    Text(0, _INVITE6.replace(b"{v}", b"{a}{x}")),
    Text(0, _INVITE6.replace(b"{v}", b"{a}").replace(b"IN IP6", b"IN{x}IP6")),
    Text(0, _INVITE6.replace(b"{v}", b"{a}")),
    Text(0, _REGISTER + b"Contact: <sip:u@[{v}]:5070>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@[{v}]>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@{v}>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@{x}{a}{x}:5070>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@[{a}{x}]:5070>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:u@[{a}]{x}5070>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: <sip:[{a}]:5070>;expires=60\r\n"),
    Text(0, _REGISTER + b"Contact: sip:[{a}]"),
]
_FTP_BY_IPV6 = [
    Text(0, b"EPRT |2|{v}|5070|\r\n", _GREETED),
    Text(0, b"EPRT |2|{a}|5070|\r\n", _GREETED),
    Text(0, b"EPRT |2|{a}|{d}|\r\n", _GREETED),
    Text(0, b"EPRT |{x}|{a}|5070|\r\n", _GREETED),
    Text(0, b"EPRT |2|{a}{x}|5070|\r\n", _GREETED),
    Text(1, b"229 (|||{d}|)\r\n", _GREETED),
    Text(0, b"PORT 32,1,13,184,19,{d}\r\n", _GREETED),
    Text(1, b"227 x (32,1,13,184,19,{d})\r\n", _GREETED),
]
TEXTS = {"amanda": _AMANDA, "ftp": _FTP, "irc": _IRC, "sane": _SANE, "sip": _SIP, "tftp": _TFTP}
TEXTS |= {"sip_codes": _SIP_CODES, "sip_tcp": _SIP_BY_TCP, "sip_ipv6": _SIP_BY_IPV6, "ftp_ipv6": _FTP_BY_IPV6}
_PORTS = {"amanda": 10080, "ftp": 21, "irc": 6667, "sane": 6566, "sip": 5060, "tftp": 69}
_PORTS |= {"q931": 1720, "ras": 1719}
_BY_UDP = ("amanda", "ras", "sip", "tftp")
DAMAGED = ("q931", "ras")
_MESSAGES = 800


def form(text: bytes, number: int) -> bytes | None:
    """One of the forms that a text stands for; None when there is no such."""
    if b"{x}" in text:
        return text.replace(b"{x}", bytes([number]))
    if b"{d}" in text:
        return text.replace(b"{d}", NUMBERS[number]) if number < len(NUMBERS) else None
    if b"{k}" in text:
        return text.replace(b"{k}", CODES[number]) if number < len(CODES) else None
    if b"{v}" in text:
        if number >= len(SPELLINGS):
            return None
        spelling = SPELLINGS[number].replace("{i}", f"{number:x}").replace("{n}", str(number))
        return text.replace(b"{v}", spelling.encode())
    return text[: number + 1] if number < len(text) else None


def addressed(text: bytes, client: str, server: str) -> bytes:
    """A text with its addresses."""
    values = {"{a}": client, "{A}": client.replace(".", ","), "{c}": server, "{C}": server.replace(".", ",")}
    if ":" not in client:
        values["{n}"] = str(int.from_bytes(socket.inet_aton(client), "big"))
    for mark, value in values.items():
        text = text.replace(mark.encode(), value.encode())
    return text


def talk(client: str, server: str, port: int, by_udp: bool, payloads: list[tuple[int, bytes]]) -> Iterator[bytes]:
    """The packets of one connection."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    hosts = (socket.inet_pton(family, client), socket.inet_pton(family, server))
    ports = (port if by_udp else 40000, port)
    seqs = [1000, 5000]

    def packet(way: int, flags: int, data: bytes = b"") -> bytes:
        src, dst = hosts[way], hosts[1 - way]
        if by_udp:
            proto, segment = b.UDP, b.udp(ports[way], ports[1 - way], data)
        else:
            proto = b.TCP
            segment = b.tcp(ports[way], ports[1 - way], seqs[way], seqs[1 - way], flags, 64240, data=data)
            seqs[way] += len(data) + bool(flags & b.SYN)
        return b.ip(src, dst, proto, b.with_checksum(src, dst, proto, segment))

    if not by_udp:
        yield packet(0, b.SYN)
        yield packet(1, b.SYN | b.ACK)
        yield packet(0, b.ACK)
    for way, data in payloads:
        yield packet(way, b.ACK | b.PSH, data)


def generate(kind: str) -> list[Step]:
    """A connection for every form of every text; `kind` is a helper, with _tcp, _ipv6 or _codes behind it."""
    helper, _, how = kind.partition("_")
    packets: list[bytes] = []
    for number, (way, text, before) in enumerate(TEXTS[kind]):
        for i in range(256):
            client, server = f"10.1.{number}.{i}", "192.0.2.1"
            if how == "ipv6":
                # the spellings differ from text to text by the server only
                client, server = f"2001:db8:0:1::{i:x}", f"2001:db8:ffff::{number:x}"
            data = form(addressed(text, client, server), i)
            if data is None:
                break
            payloads = [(its_way, addressed(one, client, server)) for its_way, one in before]
            by_udp = helper in _BY_UDP and how != "tcp"
            packets += talk(client, server, _PORTS[helper], by_udp, [*payloads, (way, data)])
    return [(START + at * MS, packet) for at, packet in enumerate(packets)]


def _signalling(t: dialogues.Talk) -> bytes:
    """A call signalling message whose addresses are the client's."""
    ports = [t.rng.randrange(2, 65530) for _ in range(3)]
    value = random_value(t.rng, h225_types.USER_INFORMATION, 0.4)
    name, body = value["pdu"]["body"]
    if "h245" in body:
        body["h245"] = dialogues._address(t, 0, ports[0], False)
    if "fast_start" in body:
        body["fast_start"] = [dialogues._channel(t, 0, ports, h245_types.OPEN_CHANNEL) for _ in body["fast_start"]]
    if "control" in value["pdu"]:
        value["pdu"]["control"] = [dialogues._control(t, 0, ports) for _ in value["pdu"]["control"]]
    if name == "facility":
        body["reason"] = ("undefined", None)
    return encode(h225_types.USER_INFORMATION, value)


def _registration(t: dialogues.Talk) -> bytes:
    """A RAS message whose addresses are those of the client or the server."""
    name, value = random_value(t.rng, h225_types.RAS_MESSAGE, 0.4)
    port = t.rng.randrange(2, 65530)

    def address(way: int) -> Any:
        return dialogues._address(t, way, port, False)

    for field in ("ras", "destination", "signal"):
        if field in value and name != "unregistration_request":
            several = isinstance(value[field], list)
            value[field] = [address(0) for _ in range(t.rng.randrange(3))] if several else address(t.rng.randrange(2))
    return encode(h225_types.RAS_MESSAGE, (name, value))


def _damage(rng: random.Random, data: bytes) -> bytes:
    """One bit or octet changed, one octet more or less, cut, or as it was."""
    at = rng.randrange(len(data))
    octet = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xBF, 0xFF, rng.randrange(256)))])
    flipped = bytes([data[at] ^ 1 << rng.randrange(8)])
    begin, end = data[:at], data[at + 1 :]
    forms = (begin + flipped + end, begin + octet + end, begin + end, begin + octet + data[at:], begin, data)
    return rng.choice(forms)


def damaged(kind: str) -> list[Step]:
    """A connection for every one of many seeded messages of H.323 (`DAMAGED`)."""
    rng = random.Random(kind)
    packets: list[bytes] = []
    for number in range(_MESSAGES):
        t = dialogues.Talk(rng, number, False, 1)
        data = b""
        while not 0 < len(data) < 1100:
            data = _damage(rng, _signalling(t) if kind == "q931" else _registration(t))
        if kind == "q931":
            data = b"\x08\x02\x12\x34\x05" + struct.pack("!BHB", 0x7E, 1 + len(data), 5) + data
            data = struct.pack("!BBH", 3, 0, 4 + len(data)) + data
        packets += talk(t.text(0), t.text(1), _PORTS[kind], kind in _BY_UDP, [(0, data)])
    return [(START + at * MS, packet) for at, packet in enumerate(packets)]
