"""Columns in Parquet's encodings, read back by two readers that are not ours; the file format around them."""

from __future__ import annotations

import io
import ipaddress
import socket
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctreplay.dataset import chunks, schema
from ctreplay.dataset.chunks import Batch, marking
from ctreplay.parquet import encoding, thrift
from ctreplay.parquet import file as parquet
from ctreplay.parquet.encoding import Encoder
from ctreplay.parquet.file import Chunk, ParquetFile
from ctreplay.tracker import codes
from tests.arrow_types import TYPES

# around the sizes of a byte of bits, of a part of a block of differences, and of a block
SIZES = [1, 2, 7, 8, 9, 31, 32, 33, 34, 64, 65, 127, 128, 129, 130, 161, 257, 300]
RANGES = {"q": (-(1 << 63), (1 << 63) - 1), "I": (0, (1 << 32) - 1), "H": (0, 65535), "B": (0, 255), "b": (-128, 127)}
KINDS = {"q": "int64", "I": "uint32", "H": "uint16", "B": "uint8"}


def column(code: str, values: list[int]) -> memoryview:
    return memoryview(array(code, values))


def read(folder: Path, kind: str, made: list[tuple[Chunk, int]], sorted_by: str = "") -> list[Any]:
    """The values of a column `value`, after pyarrow and DuckDB agreed on them."""
    memory = io.BytesIO()
    file = ParquetFile(memory, [("value", kind, {})], [sorted_by] if sorted_by else [])
    for chunk, rows in made:
        file.write([chunk], rows)
    file.end({"key": "text"})
    table = pq.read_table(io.BytesIO(memory.getvalue()))
    table.validate(full=True)
    assert table.schema.field("value").type == TYPES[kind]
    assert table.schema.metadata == {b"key": b"text"}
    found: list[Any] = table["value"].cast("int64").to_pylist() if kind == "ts" else table["value"].to_pylist()
    path = folder / "one.parquet"
    path.write_bytes(memory.getvalue())
    select = "epoch_ns(value)" if kind == "ts" else "value"
    assert [row[0] for row in duckdb.sql(f"SELECT {select} FROM read_parquet('{path}')").fetchall()] == found
    return found


@pytest.fixture
def back(tmp_path: Path) -> Callable[..., list[Any]]:
    """Encodes one batch with `make` and reads it back."""

    def one(kind: str, n: int, make: Callable[[Batch], Chunk], columns: dict[str, Any] | None = None) -> list[Any]:
        return read(tmp_path, kind, [(make(Batch(Encoder(), columns or {}, n)), n)])

    return one


fast = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.mark.parametrize("code", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_numbers_of_every_size(back: Callable[..., list[Any]], code: str, n: int) -> None:
    low, high = RANGES[code]
    for values in (
        [i % 100 for i in range(n)],
        [high - i % 100 for i in range(n)],
        [low if i % 3 else high for i in range(n)],
        [high] * n,
        [(i * i * 7919) % (high - low) + low for i in range(n)],
    ):
        assert back(KINDS[code], n, lambda b, v=values: b.numbers(column(code, v))) == values


@pytest.mark.parametrize("width", range(65))
def test_differences_of_every_width(back: Callable[..., list[Any]], width: int) -> None:
    values, at = [], 0
    for i in range(200):
        at += (1 << width) - 1 if i % 5 == 4 else i % (1 << min(width, 6))
        values.append((at + (1 << 63)) % (1 << 64) - (1 << 63))
    assert back("int64", 200, lambda b: b.numbers(column("q", values))) == values


@fast
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_any_numbers_with_any_nulls(back: Callable[..., list[Any]], code: str, data: Any) -> None:
    values = data.draw(st.lists(st.integers(*RANGES[code]), min_size=1, max_size=300))
    n = len(values)
    marks = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    wanted = [v if m else None for v, m in zip(values, marks, strict=True)]

    def where(b: Batch) -> chunks.Valid:
        return b.where(column("B", marks), marking([1]))

    assert back(KINDS[code], n, lambda b: b.numbers(column(code, values), where(b))) == wanted
    if code == "I":
        assert back("uint32", n, lambda b: b.random(column("I", values), where(b))) == wanted
    if code == "q":
        assert back("int64", n, lambda b: b.selecting(column("q", values), where(b))) == wanted
        # DuckDB's timestamps end a little earlier, and are infinite there
        times = [v // 2 for v in values]
        assert back("ts", n, lambda b: b.selecting(column("q", times))) == times


@fast
@given(st.lists(st.sampled_from([-1, 0, 1, 1 << 62]), min_size=1, max_size=70), st.sampled_from([0, -1]))
def test_one_value_is_null(back: Callable[..., list[Any]], values: list[int], absent: int) -> None:
    found = back("int64", len(values), lambda b: b.nullable(column("q", values), absent))
    assert found == [None if v == absent else v for v in values]


@pytest.mark.parametrize("n", SIZES)
def test_bits_of_numbers(back: Callable[..., list[Any]], n: int) -> None:
    status = [i * 0x10001 for i in range(n)]
    assert back("bool", n, lambda b: b.booleans(column("I", status), 18)) == [bool(v >> 18 & 1) for v in status]
    ports = [(i * 37 & 0xFF) << 8 | 3 for i in range(n)]
    assert back("uint8", n, lambda b: b.numbers(column("H", ports), None, 8, 255)) == [v >> 8 for v in ports]
    known = [i % 3 - 1 for i in range(n)]
    found = back("bool", n, lambda b: b.booleans(column("b", known), 0, b.where(column("b", known), marking([0, 1]))))
    assert found == [None if v < 0 else bool(v) for v in known]


@pytest.mark.parametrize("n", SIZES)
def test_numbers_in_order(back: Callable[..., list[Any]], n: int) -> None:
    assert back("int64", n, lambda b: b.numbered(5)) == list(range(5, 5 + n))


@pytest.mark.parametrize("code", ["b", "h", "B", "H"])
@fast
@given(data=st.data())
def test_names(back: Callable[..., list[Any]], code: str, data: Any) -> None:
    names = ["", "a", "b", "a", "c", *map(str, range(100))]
    numbers = st.integers(-1 if code in "bh" else 0, 110) | st.integers(0, 3)
    values = data.draw(st.lists(numbers, min_size=1, max_size=70))
    found = back("dict", len(values), lambda b: b.named(column(code, values), names))
    assert found == [names[v] or None if 0 <= v < len(names) else None for v in values]


@fast
@given(st.lists(st.integers(0, 127), min_size=1, max_size=70))
def test_lists_of_names(back: Callable[..., list[Any]], values: list[int]) -> None:
    found = back("list", len(values), lambda b: b.changes(column("b", values)))
    assert found == [[name for bit, name in enumerate(codes.MARKS) if v >> bit & 1] for v in values]


def test_lists_that_are_never_empty(back: Callable[..., list[Any]]) -> None:
    values = [i % 127 + 1 for i in range(300)]
    found = back("list", 300, lambda b: b.changes(column("b", values)))
    assert found == [[name for bit, name in enumerate(codes.MARKS) if v >> bit & 1] for v in values]


ADDRESSES = st.one_of(
    st.integers(0xFFFF << 32, (0xFFFF << 32) + 9),
    st.integers(0xFFFF << 32, (1 << 48) - 1),
    st.integers(0, 5),
    st.integers(0, (1 << 128) - 1),
)


@fast
@given(st.lists(st.tuples(ADDRESSES, st.booleans(), st.sampled_from([4, 6])), min_size=1, max_size=70))
def test_addresses(back: Callable[..., list[Any]], rows: list[tuple[int, bool, int]]) -> None:
    """IPv4 addresses lie in ::ffff:0:0/96, and IPv6 has such addresses too."""
    n = len(rows)
    keys = b"".join(address.to_bytes(16, "big") for address, _, _ in rows)
    marks = column("B", [marked for _, marked, _ in rows])
    families = {"family": column("b", [family if address >> 32 == 0xFFFF else 6 for address, _, family in rows])}

    def both(b: Batch) -> tuple[Chunk, Chunk]:
        return b.addresses(keys, b.where(marks, marking([1])))

    def text(key: int, family: int) -> str:
        mapped = ipaddress.IPv6Address(key).ipv4_mapped
        return str(mapped) if mapped and family == 4 else socket.inet_ntop(socket.AF_INET6, key.to_bytes(16, "big"))

    assert back("dict", n, lambda b: both(b)[0], families) == [text(a, f) if marked else None for a, marked, f in rows]
    found = back("key", n, lambda b: both(b)[1], families)
    assert found == [a.to_bytes(16, "big") if marked else None for a, marked, _ in rows]
    chunk = both(Batch(Encoder(), families, n))[1]
    there = sorted(a.to_bytes(16, "big") for a, marked, _ in rows if marked)
    assert chunk.words == len({text(a, f) for a, marked, f in rows if marked})
    assert [chunk.low, chunk.high] == ([there[0], there[-1]] if there else [None, None])


def test_every_octet(back: Callable[..., list[Any]]) -> None:
    """Of IPv4 addresses, in each place."""
    addresses = [0xFFFF << 32 | octet << shift for octet in range(256) for shift in (0, 8, 16, 24)]
    keys = b"".join(address.to_bytes(16, "big") for address in addresses)
    text = [str(ipaddress.IPv4Address(address & 0xFFFFFFFF)) for address in addresses]
    families = {"family": column("b", [4] * len(addresses))}
    assert back("dict", len(addresses), lambda b: b.addresses(keys)[0], families) == text


def test_columns_that_differ_in_one_row() -> None:
    values = [0, -1, 1 << 62, -(1 << 63)]
    one = column("q", values)
    for n in range(len(values) + 1):
        for place, value in enumerate(values):
            other = column("q", [*values[:place], value ^ 1 << 40, *values[place + 1 :]])
            assert encoding.same(one, other, n) == (place >= n)


def test_many_row_groups(tmp_path: Path) -> None:
    """Each says what lies in it; readers skip by that."""
    encoder = Encoder()
    made, wanted = [], []
    for group in range(40):
        values = [1000 * group + (i * 7) % 50 - 20_000 for i in range(50)]
        marks = [int(group != 3 and i != 5) for i in range(50)]
        b = Batch(encoder, {}, 50)
        made.append((b.selecting(column("q", values), b.where(column("B", marks), marking([1]))), 50))
        wanted += [v if m else None for v, m in zip(values, marks, strict=True)]
    assert read(tmp_path, "int64", made, "value") == wanted
    with pq.ParquetFile(tmp_path / "one.parquet") as file:
        about = file.metadata
        assert about.num_row_groups == 40
        assert about.created_by.startswith("ctreplay ")
        for group in range(40):
            part = [v for v in wanted[50 * group : 50 * group + 50] if v is not None]
            place = about.row_group(group).column(0)
            statistics = place.statistics
            assert statistics.null_count == 50 - len(part)
            assert statistics.has_min_max == bool(part)
            if part:
                assert (statistics.min, statistics.max) == (min(part), max(part))
            assert place.compression == "ZSTD"
            assert about.row_group(group).sorting_columns[0].column_index == 0
        end = place.data_page_offset + place.total_compressed_size
        assert end < (tmp_path / "one.parquet").stat().st_size


def test_a_page_that_two_columns_share_is_compressed_once() -> None:
    chunk = Batch(Encoder(), {}, 3).named(column("B", [1, 2, 1]), ["", "a", "b"])
    memory = io.BytesIO()
    file = ParquetFile(memory, [("one", "dict", {}), ("other", "dict", {})])
    calls = []

    class Counting:
        def compress(self, page: bytes, mode: Any) -> bytes:
            calls.append(page)
            return compress(page, mode)

    compress = file.packer.zstd.compress
    file.packer.zstd = Counting()
    file.write([chunk, chunk], 3)
    file.end({})
    assert calls == [chunk.dictionary, chunk.page]
    found = pq.read_table(io.BytesIO(memory.getvalue())).to_pydict()
    assert found == {"one": ["a", "b", "a"], "other": ["a", "b", "a"]}


def test_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "int64", []) == []


@pytest.mark.parametrize("value", [0, 1, -1, 63, -64, 64, 127, 128, 300, -300, (1 << 63) - 1, -(1 << 63)])
def test_signed_numbers_of_the_metadata(value: int) -> None:
    sent, at = 0, 0
    for byte in thrift.zigzag(value):
        sent |= (byte & 127) << at
        at += 7
    assert (sent >> 1) ^ -(sent & 1) == value


def test_every_kind_of_column_has_a_type() -> None:
    kinds = {one.type for columns in schema.TABLES.values() for one in columns}
    assert kinds == set(parquet._TYPES)


FEW, MARKS = column("B", [1] * 7), bytearray(7)
BEYOND: dict[str, Callable[[Encoder], Any]] = {
    "rows of a column": lambda e: e.take(FEW, 8, b"", 0, -1),
    "marks of a column": lambda e: e.take(column("B", [1] * 8), 8, MARKS, 0, -1),
    "room for a column": lambda e: e.take(column("B", [1] * 500), 500, b"", 0, -1),
    "room for numbers": lambda e: e.number(0, 500),
    "rows of codes": lambda e: e.look_up(FEW, 8, array("i", [0, 0]), bytearray(8)),
    "marks of codes": lambda e: e.look_up(column("B", [1] * 8), 8, array("i", [0, 0]), MARKS),
    "rows of lists": lambda e: e.expand(FEW, 8, array("q", [0] * 2048), bytes(256)),
    "values of lists": lambda e: e.expand(FEW, 7, array("q", [0] * 2047), bytes(256)),
    "counts of lists": lambda e: e.expand(FEW, 7, array("q", [0] * 2048), bytes(255)),
    "room for lists": lambda e: e.expand(column("B", [1] * 500), 500, array("q", [0] * 2048), b"\1" * 256),
    "room for bytes": lambda e: e.append(bytes(5000)),
    "room for a byte": lambda e: [e.put(0) for _ in range(5000)],
    "room for marks": lambda e: [e.marked_run(bytes(8), 8) for _ in range(5000)],
    "marks of a run": lambda e: e.marked_run(MARKS, 8),
    "room for bits": lambda e: [e.number(0, 8) or e.pack(8) for _ in range(5000)],
    "room for numbers of four bytes": lambda e: [e.number(0, 8) or e.plain32() for _ in range(5000)],
    "room for differences": lambda e: [e.number(0, 8) or e.deltas(True) for _ in range(5000)],
    "rows looked for": lambda e: encoding.present(column("q", [1]), 2, 0, bytearray(2)),
    "marks of rows": lambda e: encoding.chosen(column("B", [1, 1]), 2, bytes(2), bytearray(1)),
    "rows compared": lambda e: encoding.same(column("q", [1, 1]), column("q", [1]), 2),
    "rows added up": lambda e: encoding.total(FEW, 8, bytes(256)),
    "numbers added up": lambda e: encoding.total(FEW, 7, bytes(255)),
    "rows that occur": lambda e: encoding.occurring(FEW, 8, bytearray(256)),
    "codes that occur": lambda e: encoding.occurring(FEW, 7, bytearray(1)),
}


@pytest.mark.parametrize("what", BEYOND)
def test_nothing_is_read_or_written_beyond(what: str) -> None:
    """Compiled without a look at every index, each of these would go through memory of others."""
    e = Encoder()
    e.begin(64)
    with pytest.raises(IndexError):
        BEYOND[what](e)
