"""PPTP control connection (RFC 2637): the call IDs of a call are the keys of its GRE tunnel.

The original side is taken for the client (PNS). Later GRE packets carry only the receiver's call ID; the key map gives
them the sender's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctreplay.helpers.control import Control, address
from ctreplay.helpers.expectations import ADDED, Expectation
from ctreplay.packet import Packet
from ctreplay.tracker.codes import WHY
from ctreplay.tracker.entry import Entry
from ctreplay.tracker.extension import Extension

if TYPE_CHECKING:
    from ctreplay.helpers.runner import Helpers

_GRE = 47
_U64 = 0xFFFFFFFFFFFFFFFF
_HEADER = b"\x00\x01\x1a\x2b\x3c\x4d"
_EXACT = 0xFFFF
_SUCCESS = 1
_W_DELETED = WHY.index("deleted")
_W_MASTER_GONE = WHY.index("master_gone")

# bytes of each message behind its 12-byte header (RFC 2637 section 2); a shorter one is ignored
_SIZES = {1: 144, 2: 144, 3: 4, 4: 4, 5: 4, 6: 8, 7: 156, 8: 20, 9: 208, 10: 12, 11: 16, 12: 4, 13: 136, 14: 28, 15: 12}

(_START_REQUEST, _START_REPLY, _STOP_REQUEST, _STOP_REPLY) = (1, 2, 3, 4)
(_OUT_REQUEST, _OUT_REPLY, _IN_REQUEST, _IN_REPLY, _IN_CONNECTED, _CLEAR, _DISCONNECT) = (7, 8, 9, 10, 11, 12, 13)


@dataclass
class Session:
    """State of the control session (none, error, stopping, requested, confirmed) and of its one call."""

    control: str = "none"
    call: str = "none"
    pns: int = 0
    pac: int = 0
    # key map entries of each direction: (source, destination, destination key), source key
    keys: list[tuple[tuple[int, int, int], int]] = field(default_factory=list)


def packet(c: Control) -> bool:
    """One control message at the start of a packet."""
    data = c.data
    if not c.established or len(data) < 12 or data[2:8] != _HEADER:
        return True
    message = data[8] << 8 | data[9]
    body = data[12:]
    if len(body) < _SIZES.get(message, 0):
        return True
    session = c.ext.info
    if session is None:
        session = c.ext.info = Session()
    if c.reply:
        from_server(c, session, message, body)
    else:
        from_client(session, message, body)
    return True


def word(body: bytes, at: int) -> int:
    """16 bits."""
    return body[at] << 8 | body[at + 1]


def from_client(s: Session, message: int, body: bytes) -> None:
    """A message of the PNS."""
    if message == _START_REQUEST:
        if s.control == "none":
            s.control = "requested"
    elif message == _STOP_REQUEST:
        s.control = "stopping"
    elif message == _OUT_REQUEST:
        if s.control == "confirmed":
            s.call = "out_requested"
            s.pns = word(body, 0)
    elif message == _IN_REPLY:
        if s.call in ("in_requested", "in_replied") and s.pac == word(body, 2):
            if body[4] == _SUCCESS:
                s.call = "in_replied"
                s.pns = word(body, 0)
            else:
                s.call = "none"
    elif message == _CLEAR and s.control == "confirmed":
        s.call = "clearing"


def from_server(c: Control, s: Session, message: int, body: bytes) -> None:
    """A message of the PAC."""
    if message == _START_REPLY:
        if s.control in ("requested", "confirmed"):
            s.control = "confirmed" if body[2] == _SUCCESS else "error"
    elif message == _STOP_REPLY:
        if s.control in ("none", "error", "stopping"):
            s.control = "none" if body[0] == _SUCCESS else "error"
    elif message == _OUT_REPLY:
        wanted = s.control == "confirmed" and s.call in ("out_requested", "out_confirmed")
        if wanted and s.pns == word(body, 2):
            if body[4] == _SUCCESS:
                s.call = "out_confirmed"
                s.pac = word(body, 0)
                expect_tunnel(c, s, "Outgoing-Call-Reply")
            else:
                s.call = "none"
    elif message == _IN_REQUEST:
        if s.control == "confirmed":
            s.call = "in_requested"
            s.pac = word(body, 0)
    elif message == _IN_CONNECTED:
        wanted = s.control == "confirmed" and s.call in ("in_replied", "in_confirmed")
        if wanted and s.pns == word(body, 0):
            s.call = "in_confirmed"
            expect_tunnel(c, s, "Incoming-Call-Connected")
    elif message == _DISCONNECT:
        s.call = "none"
        end_call(c.helpers, c.entry, s, c.now, c.packet.number, _W_DELETED)


def expect_tunnel(c: Control, s: Session, text: str) -> None:
    """Both directions of the GRE tunnel, and their keys."""
    table = c.helpers.table
    text = f"{text} call {s.pac} peer {s.pns}"
    made: list[Expectation] = []
    for src, dst, src_key, dst_key in ((c.client, c.server, s.pns, s.pac), (c.server, c.client, s.pac, s.pns)):
        answer, exp = c.expect(proto=_GRE, src=src, dst=dst, sport=src_key, sport_mask=_EXACT, dport=dst_key, text=text)
        if answer != ADDED:
            break
        exp.on_match = matched
        made.append(exp)
    keys = [((e.src, e.dst, e.dport), e.sport) for e in made]
    if len(made) < 2 or (s.keys and s.keys != keys):
        for exp in reversed(made):
            table.remove(exp, c.now, c.packet.number, "removed")
        return
    if not s.keys:
        s.keys = keys
        c.helpers.add_gre_keys(keys)


def matched(helpers: Helpers, exp: Expectation, child: Extension, p: Packet, now: int) -> None:
    """One direction opened the tunnel: the other need not be expected any more."""
    child.info = exp.master.ext.info  # type: ignore[union-attr]
    child.gone = child_gone
    other = helpers.table.match(exp.family, _GRE, exp.zone, exp.dst, exp.dport, exp.src, exp.sport, any_state=True)
    if other is not None:
        helpers.table.remove(other, now, p.number, "removed")


def child_gone(helpers: Helpers, child: Extension) -> None:
    """The tunnel's entry was destroyed: the key map goes with it, though the control connection lives on."""
    helpers.remove_gre_keys(child.info.keys)
    child.info.keys = []


def end_call(helpers: Helpers, master: Entry, s: Session, ts: int, packet: int, why: int) -> None:
    """Destroy the GRE entry, or what is still expected, of each direction, and the keys."""
    helpers.remove_gre_keys(s.keys)
    s.keys = []
    client = address(master.src_hi, master.src_lo)
    server = address(master.dst_hi, master.dst_lo)
    for src, dst, src_key, dst_key in ((client, server, s.pns, s.pac), (server, client, s.pac, s.pns)):
        probe = Packet()
        probe.family = master.family
        probe.proto = _GRE
        probe.zone = master.zone
        probe.src_hi, probe.src_lo = src >> 64, src & _U64
        probe.dst_hi, probe.dst_lo = dst >> 64, dst & _U64
        probe.sport, probe.dport = src_key, dst_key
        entry = helpers.tracker.table.find(probe)
        if entry is not None:
            if not helpers.observe:
                helpers.tracker.destroy(entry, ts, why, packet, -1)
            continue
        exp = helpers.table.match(master.family, _GRE, master.zone, src, src_key, dst, dst_key, any_state=True)
        if exp is not None:
            helpers.table.remove(exp, ts, packet, "removed")


def gone(helpers: Helpers, master: Entry, ts: int, packet: int) -> None:
    """The control connection was destroyed."""
    ext: Extension = master.ext  # type: ignore[assignment]
    if ext.info is not None:
        end_call(helpers, master, ext.info, ts, packet, _W_MASTER_GONE)
