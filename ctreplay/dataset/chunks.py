"""Batches of column buffers to column chunks of Parquet files."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ctreplay import reasons
from ctreplay.dataset.addresstext import LONGEST, AddressText
from ctreplay.dataset.columns import Columns
from ctreplay.dataset.community_id import ICMP_PAIRS, ICMPV6_PAIRS
from ctreplay.dataset.distinct import Distinct
from ctreplay.dataset.flowhash import FlowHash
from ctreplay.dataset.schema import TABLES
from ctreplay.parquet import encoding
from ctreplay.parquet.file import DELTAS, PLACES, PLAIN, Chunk
from ctreplay.tracker import codes

WITH_PORTS = (6, 17, 132, 136)
_ICMP = (1, 58)
_KEY = 16
_ALL_BITS = -1
# bytes of a Community ID, with its length before it
_ID_ROOM = 34
# definition levels of a list of texts: it is empty, a text is there
_EMPTY, _FULL = 1, 3


class Valid(NamedTuple):
    """The rows of a batch that have a value: a mark for each row (no marks: all of them), how many, and the definition
    levels that say so.
    """

    marks: Any
    found: int
    levels: bytes


class Batch:
    """A batch of `n` rows, and its columns in the encodings of Parquet. What it returns lies in memory of its own."""

    def __init__(self, encoder: encoding.Encoder, columns: Columns, n: int) -> None:
        self.encoder = encoder
        self.columns = columns
        self.n = n
        self.every = self._valid(b"", n)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    # --- which rows have a value ---

    def _valid(self, marks: Any, count: int) -> Valid:
        e = self.encoder
        e.begin(self.n)
        if count in (0, self.n):
            e.run(int(count > 0), self.n)
        else:
            e.marked_run(marks, self.n)
        return Valid(b"" if count == self.n else marks, count, _sized(e.page()))

    def present(self, data: Any, absent: int) -> Valid:
        """The rows of 64-bit numbers that differ from `absent`."""
        marks = bytearray(self.n)
        return self._valid(marks, encoding.present(data, self.n, absent, marks))

    def where(self, data: Any, table: bytes) -> Valid:
        """The rows whose code `table` marks with 1."""
        marks = bytearray(self.n)
        return self._valid(marks, encoding.chosen(_codes(data), self.n, table, marks))

    def given(self, values: Sequence[Any]) -> Valid:
        """Those that are not None."""
        marks = bytearray(value is not None for value in values)
        return self._valid(marks, sum(marks))

    # --- numbers ---

    def _begin(self, valid: Valid) -> encoding.Encoder:
        """The encoder, with the levels of a page."""
        e = self.encoder
        e.begin(self.n)
        e.append(valid.levels)
        return e

    def _chunk(self, valid: Valid, kind: int, **more: Any) -> Chunk:
        return Chunk(self.n, self.n - valid.found, kind, self.encoder.page(), **more)

    def numbers(self, data: Any, valid: Valid | None = None, shift: int = 0, mask: int = _ALL_BITS) -> Chunk:
        """Numbers that grow or repeat, by their differences; `shift` and `mask` choose bits of them."""
        valid = valid or self.every
        e = self._begin(valid)
        e.take(data, self.n, valid.marks, shift, mask)
        e.deltas(data.format == "q")
        return self._chunk(valid, DELTAS)

    def selecting(self, data: Any, valid: Valid | None = None) -> Chunk:
        """64-bit numbers by which readers choose row groups: with their extent."""
        valid = valid or self.every
        e = self._begin(valid)
        e.take(data, self.n, valid.marks, 0, _ALL_BITS)
        return self._selecting(valid)

    def numbered(self, first: int) -> Chunk:
        """Numbers from `first` on."""
        self._begin(self.every).number(first, self.n)
        return self._selecting(self.every)

    def _selecting(self, valid: Valid) -> Chunk:
        e = self.encoder
        e.extent()
        # of no values there is none that is the smallest
        low, high = (value.to_bytes(8, "little", signed=True) if e.count else None for value in (e.low, e.high))
        e.deltas(True)
        return self._chunk(valid, DELTAS, low=low, high=high)

    def nullable(self, data: Any, absent: int) -> Chunk:
        """64-bit numbers; `absent` becomes null."""
        return self.numbers(data, self.present(data, absent))

    def random(self, data: Any, valid: Valid) -> Chunk:
        """32-bit numbers of many connections in turn: differences save nothing."""
        e = self._begin(valid)
        e.take(data, self.n, valid.marks, 0, _ALL_BITS)
        e.plain32()
        return self._chunk(valid, PLAIN)

    def booleans(self, data: Any, bit: int = 0, valid: Valid | None = None) -> Chunk:
        """A bit of numbers."""
        valid = valid or self.every
        e = self._begin(valid)
        e.take(data, self.n, valid.marks, bit, 1)
        e.pack(1)
        return self._chunk(valid, PLAIN)

    # --- texts ---

    def _places(self, words: int) -> None:
        """Append the collected values as places in a dictionary of `words`."""
        width = max(1, (words - 1).bit_length())
        self.encoder.put(width)
        self.encoder.packed_run(width)

    def _words(self, valid: Valid, places: dict[str, int]) -> Chunk:
        """The collected values, which are the places of texts."""
        self._begin(valid)
        self._places(len(places))
        return self._chunk(valid, PLACES, dictionary=_plain(places), words=len(places))

    def named(self, data: Any, names: Sequence[str]) -> Chunk:
        """Names of codes; those beyond `names` and those with an empty name are null."""
        data = _codes(data)
        n = self.n
        seen = bytearray(1 << 8 * data.itemsize)
        encoding.occurring(data, n, seen)
        places: dict[str, int] = {}
        table = array("i", [-1]) * len(names)
        for code, name in enumerate(names):
            if name and seen[code]:
                table[code] = places.setdefault(name, len(places))
        marks = bytearray(n)
        e = self.encoder
        e.look_up(data, n, table, marks)
        return self._words(self._valid(marks, e.count), places)

    def texts(self, values: Sequence[str | None]) -> Chunk:
        """Texts, of which many are the same."""
        places: dict[str, int] = {}
        found = array("I", (places.setdefault(value, len(places)) for value in values if value is not None))
        self.encoder.take(memoryview(found), len(found), b"", 0, _ALL_BITS)
        return self._words(self.given(values), places)

    def addresses(self, data: Any, valid: Valid | None = None) -> tuple[Chunk, Chunk]:
        """16-byte keys as text, and as they are."""
        valid = valid or self.every
        e = self._begin(valid)
        distinct = Distinct()
        e.count = distinct.numbers(data, self.n, valid.marks, self["family"], e.values)
        self._places(distinct.found)
        text = bytearray(LONGEST * distinct.found)
        size = AddressText(text).fill(distinct.high, distinct.low, distinct.tail, distinct.found)
        chunk = self._chunk(valid, PLACES, dictionary=bytes(text[:size]), words=distinct.found)
        keys = distinct.keys()
        # of no addresses there is none that is the smallest
        low, high = (keys[_KEY * at : _KEY * (at + 1)] or None for at in map(distinct.extreme, (False, True)))
        return chunk, chunk._replace(dictionary=keys, low=low, high=high)

    def community_ids(self) -> Chunk:
        """Community ID of each row."""
        n = self.n
        text = bytearray(_ID_ROOM * n)
        FlowHash({1: ICMP_PAIRS, 58: ICMPV6_PAIRS}, text).fill(
            self["src"], self["dst"], self["proto"], self["family"], self["sport"], self["dport"], n
        )
        return Chunk(n, 0, PLAIN, self.every.levels + text)

    def changes(self, data: Any) -> Chunk:
        """Lists of the names of the bits set."""
        data = _codes(data)
        e = self.encoder
        size = encoding.total(data, self.n, _CHANGES.levels)
        e.begin(size)
        e.expand(data, self.n, _CHANGES.repetitions, _CHANGES.levels)
        e.packed_run(1)
        repetitions = _sized(e.page())
        e.begin(size)
        e.expand(data, self.n, _CHANGES.definitions, _CHANGES.levels)
        e.packed_run(_FULL.bit_length())
        definitions = _sized(e.page())
        e.begin(size)
        e.append(repetitions + definitions)
        e.expand(data, self.n, _CHANGES.members, _CHANGES.counts)
        nulls = size - e.count
        self._places(len(codes.MARKS))
        return Chunk(size, nulls, PLACES, e.page(), dictionary=_plain(codes.MARKS), words=len(codes.MARKS))


class Lists:
    """What `Encoder.expand` needs for lists of the bits set in a code: places of the bits, and levels."""

    def __init__(self) -> None:
        sets = [[bit for bit in range(8) if code >> bit & 1] for code in range(256)]
        self.members = _rows(sets)
        self.counts = bytes(map(len, sets))
        # an empty list has levels too
        self.levels = bytes(max(1, len(one)) for one in sets)
        self.repetitions = _rows([[0] + [1] * 7] * 256)
        self.definitions = _rows([[_FULL if one else _EMPTY] * 8 for one in sets])


def _rows(rows: Sequence[Sequence[int]]) -> memoryview:
    return memoryview(array("q", (row[i] if i < len(row) else 0 for row in rows for i in range(8))))


def _codes(data: Any) -> Any:
    """A column of codes as unsigned numbers: those below 0 are beyond every table."""
    return data if data.format in "BH" else data.cast("B").cast(data.format.upper())


def _sized(levels: bytes) -> bytes:
    return len(levels).to_bytes(4, "little") + levels


def _plain(words: Iterable[str]) -> bytes:
    """Texts as a dictionary page has them."""
    return b"".join(len(word).to_bytes(4, "little") + word for word in map(str.encode, words))


def marking(numbers: Iterable[int]) -> bytes:
    """A table that marks these codes."""
    marks = bytearray(256)
    for number in numbers:
        marks[number] = 1
    return bytes(marks)


_NOT_NEGATIVE = marking(range(256))
_NOT_ZERO = marking(range(1, 256))
_TRUE = marking([1])
_KNOWN = marking([0, 1])
_PORTS = marking(WITH_PORTS)
_ICMPS = marking(_ICMP)
_PROTO_NAMES = tuple(codes.PROTOCOLS.get(number, str(number)) for number in range(256))
_FLAGS = [codes.STATUS_BITS[name].bit_length() - 1 for name in ("SEEN_REPLY", "ASSURED", "EXPECTED")]
_CHANGES = Lists()
_FAMILIES = ("", "", "", "", "ipv4", "", "ipv6")


def transitions(b: Batch, first_id: int) -> list[Chunk]:
    """Columns of transitions.parquet."""
    return [
        b.numbered(first_id),
        b.selecting(b["ts"]),
        b.selecting(b["packet"], b.present(b["packet"], 0)),
        b.selecting(b["conn_id"]),
        b.named(b["event"], codes.EVENTS),
        b.named(b["direction"], codes.DIRECTIONS),
        b.named(b["old_state"], codes.STATES),
        b.named(b["new_state"], codes.STATES),
        b.numbers(b["old_status"]),
        b.numbers(b["new_status"]),
        b.changes(b["marks"]),
        b.nullable(b["timeout"], -1),
        b.named(b["why"], codes.WHY),
    ]


def connections(b: Batch, _first_id: int) -> list[Chunk]:
    """Columns of connections.parquet."""
    with_ports, is_icmp = b.where(b["proto"], _PORTS), b.where(b["proto"], _ICMPS)
    src, src_key = b.addresses(b["src"])
    dst, dst_key = b.addresses(b["dst"])
    conn_id, status = b.selecting(b["conn_id"]), b["status"]
    helper, master = _extras(b)
    return [
        conn_id,
        b.community_ids(),
        b.named(b["family"], _FAMILIES),
        b.named(b["proto"], _PROTO_NAMES),
        b.numbers(b["proto"]),
        b.numbers(b["zone"]),
        src,
        dst,
        b.numbers(b["sport"], with_ports),
        b.numbers(b["dport"], with_ports),
        dst,
        src,
        b.numbers(b["rsport"], with_ports),
        b.numbers(b["rdport"], with_ports),
        src_key,
        dst_key,
        b.numbers(b["dport"], is_icmp, 8, 255),
        b.numbers(b["dport"], is_icmp, 0, 255),
        b.numbers(b["sport"], is_icmp),
        b.numbers(b["orig_packets"]),
        b.numbers(b["orig_bytes"]),
        b.numbers(b["reply_packets"]),
        b.numbers(b["reply_bytes"]),
        b.selecting(b["first_ts"]),
        b.selecting(b["last_ts"]),
        b.selecting(b["end_ts"]),
        conn_id,
        b.selecting(b["last_packet"]),
        b.named(b["state"], codes.STATES),
        b.numbers(status),
        *(b.booleans(status, bit) for bit in _FLAGS),
        b.named(b["why"], codes.WHY),
        b.nullable(b["left"], -1),
        b.numbers(b["mark"]),
        helper,
        master,
        b.booleans(b["midstream"]),
    ]


def _extras(b: Batch) -> tuple[Chunk, Chunk]:
    """Helper and master of the few rows that have them."""
    names = [""]
    helper, master = bytearray(b.n), array("q", [0]) * b.n
    for row, (name, number) in b["extra"].items():
        if name is not None:
            if name not in names:
                names.append(name)
            helper[row] = names.index(name)
        master[row] = number or 0
    return b.named(memoryview(helper), names), b.nullable(memoryview(master), 0)


def packets(b: Batch, _first_id: int) -> list[Chunk]:
    """Columns of packets.parquet."""
    proto, refreshed, flags = b["proto"], b["refreshed"], _codes(b["flags"])
    is_tcp, is_ip = b.where(flags, _NOT_NEGATIVE), b.where(proto, _NOT_NEGATIVE)
    low, bounds = b.where(b["bounds"], _NOT_ZERO), b.where(b["bounds"], _TRUE)
    with_ports = b.where(b["ported"], _NOT_ZERO)
    # the same with one capture, and where no snap length cuts
    packet, caplen = b.selecting(b["packet"]), b.numbers(b["caplen"])
    frame = packet if encoding.same(b["packet"], b["frame"], b.n) else b.selecting(b["frame"])
    wirelen = caplen if encoding.same(b["caplen"], b["wirelen"], b.n) else b.numbers(b["wirelen"])
    return [
        packet,
        b.selecting(b["ts"]),
        b.numbers(b["capture"]),
        frame,
        b.numbers(b["offset"]),
        caplen,
        wirelen,
        b.selecting(b["conn_id"], b.present(b["conn_id"], 0)),
        b.nullable(b["tuple_conn_id"], 0),
        b.named(b["direction"], codes.DIRECTIONS),
        b.named(b["ctstate"], codes.CTSTATES),
        b.named(b["reason"], reasons.NAMES),
        b.named(b["state"], codes.STATES),
        b.nullable(b["timeout"], -1),
        b.booleans(refreshed, 0, b.where(refreshed, _KNOWN)),
        b.numbers(flags, is_tcp),
        b.random(b["seq"], is_tcp),
        b.random(b["ack"], is_tcp),
        b.random(b["seq_end"], low),
        b.random(b["seq_low"], low),
        b.random(b["seq_high"], bounds),
        b.random(b["ack_low"], bounds),
        b.random(b["ack_high"], bounds),
        b.numbers(b["margin"], low),
        b.named(proto, _PROTO_NAMES),
        b.addresses(b["src"], is_ip)[0],
        b.addresses(b["dst"], is_ip)[0],
        b.numbers(b["sport"], with_ports),
        b.numbers(b["dport"], with_ports),
        b.nullable(b["length"], -1),
        b.numbers(b["payload"], is_tcp),
        b.numbers(b["window"], is_tcp),
    ]


def occupancy(b: Batch, _first_id: int) -> list[Chunk]:
    """Columns of occupancy.parquet."""
    cells = b["cells"]
    room = len(cells) // len(TABLES["occupancy"])
    ts, *counts = (cells[at : at + b.n] for at in range(0, len(cells), room))
    return [b.selecting(ts), *map(b.numbers, counts)]


ENCODERS = {
    "transitions": transitions,
    "connections": connections,
    "packets": packets,
    "occupancy": occupancy,
}
