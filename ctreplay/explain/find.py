"""Which connection somebody means: a conn_id, or ends in any of the usual spellings."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from ctreplay.dataset.rows import RowSink
from ctreplay.explain.observe import Tuple
from ctreplay.packet import Packet
from ctreplay.text.flow import ICMP, WITH_PORTS
from ctreplay.tracker import codes
from ctreplay.tracker.entry import Entry

_V4 = 0xFFFF << 32
_U64 = 0xFFFFFFFFFFFFFFFF
_PROTOCOLS = {name: number for number, name in codes.PROTOCOLS.items()} | {"dccp": 33}
_MOST = 1000
FORMS = "a conn_id, or ends such as `tcp 10.0.0.1:1234 10.0.0.2:80` or `10.0.0.1:1234->10.0.0.2:80`"


class ConnError(ValueError):
    """Text that names no connection; the message says what to write."""


@dataclass(frozen=True)
class Wanted:
    """One or two ends; None matches anything. Ends are (high, low, port); `ident` is ICMP's identifier."""

    proto: int | None
    ends: tuple[tuple[int, int, int | None], ...]
    ident: int | None = None

    def matches(self, p: Packet) -> bool:
        """Whether a packet runs between these ends, either way."""
        if self.proto is not None and p.proto != self.proto:
            return False
        if self.ident is not None and (p.proto not in ICMP or p.sport != self.ident):
            return False
        src, dst = (p.src_hi, p.src_lo, p.sport), (p.dst_hi, p.dst_lo, p.dport)
        if len(self.ends) == 1:
            return _fits(self.ends[0], src) or _fits(self.ends[0], dst)
        one, two = self.ends
        return (_fits(one, src) and _fits(two, dst)) or (_fits(one, dst) and _fits(two, src))


def _fits(end: tuple[int, int, int | None], have: tuple[int, int, int]) -> bool:
    return end[:2] == have[:2] and end[2] in (None, have[2])


def parse(words: list[str]) -> int | Wanted:
    """A conn_id or what to look for. Raises ConnError."""
    text = " ".join(words).strip()
    if re.fullmatch(r"\d{1,18}", text):
        return int(text)
    # a line of conntrack does as well
    pairs = dict(reversed(re.findall(r"\b(src|dst|sport|dport|id)=(\S+)", text)))
    if "src" in pairs and "dst" in pairs:
        protocols = [word for word in text.split() if word in _PROTOCOLS]
        # of other protocols it is the entry's own number
        icmp = "id" in pairs and any(_PROTOCOLS[word] in ICMP for word in protocols)
        text = " ".join(
            [
                *protocols,
                *([f"id={pairs['id']}"] if icmp else []),
                _joined(pairs["src"], pairs.get("sport")),
                _joined(pairs["dst"], pairs.get("dport")),
            ]
        )
    text = re.sub(r"<?-+>|<-+|[<>→↔]", " ", text)
    proto = ident = None
    ends = []
    for word in text.replace(",", " ").split():
        if word.lower() in _PROTOCOLS:
            proto = _PROTOCOLS[word.lower()]
        elif match := re.fullmatch(r"id=(\d{1,5})", word):
            ident = int(match[1])
        else:
            ends.append(_end(word))
    if not 1 <= len(ends) <= 2:
        raise ConnError(f"{text!r} names no connection; write {FORMS}")
    return Wanted(proto, tuple(ends), ident)


def is_part(word: str) -> bool:
    """Whether a word is a conn_id or a protocol by itself, whatever files there may be of that name."""
    return word.isdigit() or word.lower() in _PROTOCOLS


def _joined(host: str, port: str | None) -> str:
    return f"[{host}]:{port}" if port else host


def _end(word: str) -> tuple[int, int, int | None]:
    host, port = word, None
    for form in (r"\[(.+)\](?:[:.](\d{1,5}))?", r"(\d+\.\d+\.\d+\.\d+)(?:[:.](\d{1,5}))?"):
        if match := re.fullmatch(form, word):
            host, port = match[1], match[2]
            break
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        raise ConnError(
            f"{word!r} is no end of a connection; write {FORMS}; IPv6 with a port as [2001:db8::1]:80"
        ) from None
    if port is not None and int(port) > 65535:
        raise ConnError(f"{word!r}: ports run from 0 to 65535")
    value = int(number) | _V4 if number.version == 4 else int(number)
    return value >> 64, value & _U64, None if port is None else int(port)


def spelled(one: Tuple) -> list[str]:
    """Words that `parse` understands and that name this tuple."""
    proto = codes.PROTOCOLS.get(one.proto)
    ports = (one.sport, one.dport) if one.proto in WITH_PORTS else (None, None)
    words = [proto] if proto else []
    words += [endpoint(one.source(), ports[0]), endpoint(one.destination(), ports[1])]
    return words + ([f"id={one.sport}"] if one.proto in ICMP else [])


def endpoint(host: str, port: int | None) -> str:
    """`10.0.0.1:80`, `[2001:db8::1]:80`."""
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass
class Candidate:
    """A tuple with packets; `first` is the first packet's number."""

    one: Tuple
    first: int
    conn_id: int | None = None
    packets: int = 0
    invalid: int = 0


class Candidates(RowSink):
    """Collects the tuples of packets that match."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(lambda _table, _columns, _rows: None)
        self.wanted = wanted
        self.found: dict[Any, Candidate] = {}
        self.more = False

    def packet(self, p: Packet, w: Packet | None, reason: int, tuple_entry: Entry | None, now: int) -> int:
        """A frame."""
        if w is None or w.l4_fault or w.tuple_fault or not self.wanted.matches(w):
            return 0
        held = w.entry if w.entry is not None and w.entry.proto == w.proto else tuple_entry
        one = Tuple.of_entry(held) if held is not None and held.proto == w.proto else Tuple.of_packet(w)
        parts = (one.sport, one.sport) if one.proto in (1, 58) else (one.sport, one.dport)
        key = frozenset(((one.src, parts[0]), (one.dst, parts[1]))), one.proto, one.family
        known = self.found.get(key)
        if known is None:
            if len(self.found) >= _MOST:
                self.more = True
                return 0
            known = self.found[key] = Candidate(one, p.number)
        known.packets += 1
        known.conn_id = known.conn_id or (held.conn_id if held is not None else None)
        known.invalid += w.entry is None
        return 0
