"""What a helper sees of one packet of its entry, and what it may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ctreplay.helpers.expectations import ADDED, ALL, Expectation
from ctreplay.packet import Packet
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.extension import Extension

if TYPE_CHECKING:
    from ctreplay.helpers.runner import Helpers

_TCP = 6
_UDP_HEADER = 8
_ESTABLISHED = 2
_TEXT = 160
_ESCAPES = {c: f"\\x{c:02x}" for c in range(256) if not 32 <= c < 127 or c == 92}


class Helper(NamedTuple):
    """A kind of helper. `name` is the kernel's; `classes` gives (max_expected, timeout in seconds) per class;
    `packet` parses one packet and answers False to drop it; `families` are those it is registered for."""

    name: str
    packet: Callable[[Control], bool]
    classes: tuple[tuple[int, int], ...]
    families: tuple[int, ...] = (4, 6)
    gone: Callable[[Helpers, Entry, int, int], None] | None = None


def address(hi: int, lo: int) -> int:
    """The 16-byte key of two halves."""
    return hi << 64 | lo


class Control:
    """One packet on its way through a helper; reused. `data` is the payload, zero-filled where the capture cut it."""

    __slots__ = ("data", "entry", "ext", "helpers", "now", "packet", "reply")

    def __init__(self, helpers: Helpers) -> None:
        self.helpers = helpers
        self.entry: Entry = Entry()
        self.ext: Extension = Extension()
        self.packet: Packet = Packet()
        self.now = 0
        self.reply = False
        self.data = b""

    def load(self, e: Entry, p: Packet, now: int) -> None:
        """Take up a packet."""
        self.entry = e
        self.ext = e.ext  # type: ignore[assignment]
        self.packet = p
        self.now = now
        self.reply = bool(p.direction)
        header = p.doff if p.proto == _TCP else _UDP_HEADER
        begin = p.l4 + header
        here = bytes(p.buf[begin : p.l4 + p.l4_cap]) if header < p.l4_cap else b""
        self.data = here + bytes(max(0, p.l4_len - header - len(here)))

    @property
    def established(self) -> bool:
        """ctinfo ESTABLISHED in either direction."""
        return self.packet.ctstate == _ESTABLISHED

    @property
    def sender(self) -> int:
        """Address of the packet's sender (tuple[dir].src)."""
        return self.server if self.reply else self.client

    @property
    def peer(self) -> int:
        """Address of the other side (tuple[!dir].src)."""
        return self.client if self.reply else self.server

    @property
    def client(self) -> int:
        """Address of the original source."""
        return address(self.entry.src_hi, self.entry.src_lo)

    @property
    def server(self) -> int:
        """Address of the original destination."""
        return address(self.entry.dst_hi, self.entry.dst_lo)

    def expect(
        self,
        *,
        proto: int,
        src: int,
        dst: int,
        dport: int,
        src_mask: int = ALL,
        sport: int = 0,
        sport_mask: int = 0,
        kind: int = 0,
        flags: int = 0,
        child: Helper | None = None,
        text: str = "",
        any_master: bool = False,
    ) -> tuple[str, Expectation]:
        """Add an expectation; the answer is one of `expectations.ADDED` and so on."""
        helper = self.ext.kind
        assert helper is not None
        exp = Expectation(
            self.entry, helper.name, proto=proto, src=src, dst=dst, dport=dport, src_mask=src_mask, sport=sport,
            sport_mask=sport_mask, kind=kind, flags=flags, child=child, text=text or printable(self.data),
        )  # fmt: skip
        most, timeout = helper.classes[kind]
        answer = self.helpers.table.add(exp, self.now, self.packet.number, most, timeout, any_master=any_master)
        return answer, exp

    def expected(self, **fields: Any) -> bool:
        """Add an expectation; False (drop the packet) unless that worked."""
        return self.expect(**fields)[0] == ADDED

    def refresh(self, seconds: int) -> None:
        """Set the timeout of the entry."""
        self.helpers.refresh(self.entry, self.packet, seconds, self.now)


def printable(data: bytes) -> str:
    """The first line of a payload, with everything that is not printable ASCII as an escape."""
    line = data[:_TEXT].lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")
    return line.decode("latin-1").translate(_ESCAPES)
