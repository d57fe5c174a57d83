"""Parquet files written a row group at a time, from columns that are encoded already.

The format is that of https://parquet.apache.org/docs/file-format/: version 2.6, data pages version 1, one data page for
each column chunk, zstd.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from ctreplay import __version__
from ctreplay.parquet import arrow
from ctreplay.parquet.thrift import BINARY, BOOL, BYTE, I32, I64, LIST, STRUCT, Field, struct
from ctreplay.zstd import zstd

PLAIN, RLE, DELTAS, PLACES = 0, 3, 5, 8
_MAGIC = b"PAR1"
_ZSTD = 6
_LEVEL = 1
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_OPTIONAL, _REPEATED = 1, 2
_BOOLEAN, _INT32, _INT64, _BYTE_ARRAY, _FIXED = 0, 1, 2, 6, 7
_NOTHING = struct()

# kind of a column → physical type, length of it, converted type, logical type
_TEXT = (_BYTE_ARRAY, None, 0, struct((1, STRUCT, _NOTHING)))
_NANOS = struct((8, STRUCT, struct((1, BOOL, False), (2, STRUCT, struct((3, STRUCT, _NOTHING))))))


def _unsigned(bits: int, converted: int) -> tuple[int, int | None, int | None, bytes | None]:
    return _INT32, None, converted, struct((10, STRUCT, struct((1, BYTE, bits), (2, BOOL, False))))


_TYPES: dict[str, tuple[int, int | None, int | None, bytes | None]] = {
    "int64": (_INT64, None, None, None),
    "uint8": _unsigned(8, 11),
    "uint16": _unsigned(16, 12),
    "uint32": _unsigned(32, 13),
    "bool": (_BOOLEAN, None, None, None),
    "ts": (_INT64, None, None, _NANOS),
    "text": _TEXT,
    "dict": _TEXT,
    "key": (_FIXED, 16, None, None),
    "list": _TEXT,
}


# name, kind (one of `_TYPES`) and what the file says of it
Column = tuple[str, str, Mapping[str, str]]


class Packed(NamedTuple):
    """A page of `size` bytes, compressed."""

    size: int
    data: Any


class Chunk(NamedTuple):
    """A column of a row group: `size` values, `nulls` of them absent, as a data page of levels and values.

    `dictionary` is the page that the values are places in, with `words` entries; `low` and `high` the smallest and
    largest value. Chunks that share a page share the work of compressing it.
    """

    size: int
    nulls: int
    encoding: int
    page: bytes | Packed
    dictionary: bytes | Packed | None = None
    words: int = 0
    low: bytes | None = None
    high: bytes | None = None


class Packer:
    """Compresses pages."""

    def __init__(self) -> None:
        self.zstd = zstd.ZstdCompressor(level=_LEVEL)

    def pack(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks with all their pages compressed. Raises MemoryError."""
        # id of a page → compressed; the chunks keep the pages alive
        known: dict[int, Packed] = {}

        def packed(page: bytes | Packed | None) -> Any:
            if page is None or isinstance(page, Packed):
                return page
            if id(page) not in known:
                try:
                    data = self.zstd.compress(page, zstd.ZstdCompressor.FLUSH_FRAME)
                except zstd.ZstdError as error:
                    # nothing else can go wrong
                    raise MemoryError(str(error)) from None
                known[id(page)] = Packed(len(page), data)
            return known[id(page)]

        return [one._replace(dictionary=packed(one.dictionary), page=packed(one.page)) for one in chunks]


class ParquetFile:
    """Writes a table with these columns to `file`, which the caller closes; raises OSError when it cannot be written.

    `sorted_by` names the columns whose values ascend.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[Column], sorted_by: Sequence[str] = ()) -> None:
        self.columns = columns
        self.file = file
        self.file.write(_MAGIC)
        self.at = len(_MAGIC)
        self.rows = 0
        self.groups: list[bytes] = []
        self.packer = Packer()
        names = [name for name, _, _ in columns]
        self.sorting = [struct((1, I32, names.index(name)), (2, BOOL, False), (3, BOOL, False)) for name in sorted_by]

    def write(self, chunks: Sequence[Chunk], rows: int) -> None:
        """A row group: a chunk for each column."""
        begin = self.at
        plain = 0
        described = []
        for column, chunk in zip(self.columns, self.packer.pack(chunks), strict=True):
            size, about = self._chunk(column, chunk)
            plain += size
            described.append(struct((2, I64, 0), (3, STRUCT, about)))
        self.groups.append(
            struct(
                (1, LIST, (STRUCT, described)),
                (2, I64, plain),
                (3, I64, rows),
                (4, LIST, (STRUCT, self.sorting) if self.sorting else None),
                (5, I64, begin),
                (6, I64, self.at - begin),
            )
        )
        self.rows += rows

    def _chunk(self, column: Column, chunk: Chunk) -> tuple[int, bytes]:
        """Write a chunk; returns its size before compression, and its metadata."""
        begin = self.at
        plain = 0
        encodings = [RLE, chunk.encoding]
        at = None
        if chunk.dictionary is not None:
            encodings.append(PLAIN)
            at = self.at
            header = struct((1, I32, chunk.words), (2, I32, PLAIN))
            plain += self._page(_DICTIONARY_PAGE, (7, STRUCT, header), chunk.dictionary)
        data_at = self.at
        header = struct((1, I32, chunk.size), (2, I32, chunk.encoding), (3, I32, RLE), (4, I32, RLE))
        plain += self._page(_DATA_PAGE, (5, STRUCT, header), chunk.page)
        name, kind, _ = column
        path = [name, "list", "element"] if kind == "list" else [name]
        about = struct(
            (1, I32, _TYPES[kind][0]),
            (2, LIST, (I32, encodings)),
            (3, LIST, (BINARY, path)),
            (4, I32, _ZSTD),
            (5, I64, chunk.size),
            (6, I64, plain),
            (7, I64, self.at - begin),
            (9, I64, data_at),
            (11, I64, at),
            (12, STRUCT, struct((3, I64, chunk.nulls), (5, BINARY, chunk.high), (6, BINARY, chunk.low))),
        )
        return plain, about

    def _page(self, kind: int, about: Field, page: bytes | Packed) -> int:
        """Write a compressed page; returns its size before compression, with the header."""
        assert isinstance(page, Packed)
        size, data = page
        header = struct((1, I32, kind), (2, I32, size), (3, I32, len(data)), about)
        self.file.write(header)
        self.file.write(data)
        self.at += len(header) + len(data)
        return len(header) + size

    def end(self, metadata: dict[str, str]) -> None:
        """Write the footer."""
        pairs = [*metadata.items(), ("ARROW:schema", base64.b64encode(arrow.schema(self.columns, metadata)))]
        # every column is in the order of its type
        order = struct((1, STRUCT, _NOTHING))
        footer = struct(
            (1, I32, 2),
            (2, LIST, (STRUCT, list(_schema(self.columns)))),
            (3, I64, self.rows),
            (4, LIST, (STRUCT, self.groups)),
            (5, LIST, (STRUCT, [struct((1, BINARY, name), (2, BINARY, value)) for name, value in pairs])),
            (6, BINARY, f"ctreplay version {__version__}"),
            (7, LIST, (STRUCT, [order] * len(self.columns))),
        )
        self.file.write(footer + len(footer).to_bytes(4, "little") + _MAGIC)


def _schema(columns: Sequence[Column]) -> Any:
    """The elements of the schema, depth first."""
    yield struct((4, BINARY, "schema"), (5, I32, len(columns)))
    for name, kind, _ in columns:
        physical, length, converted, logical = _TYPES[kind]
        if kind == "list":
            is_list = struct((3, STRUCT, _NOTHING))
            yield struct((3, I32, _OPTIONAL), (4, BINARY, name), (5, I32, 1), (6, I32, 3), (10, STRUCT, is_list))
            yield struct((3, I32, _REPEATED), (4, BINARY, "list"), (5, I32, 1))
            name = "element"
        yield struct(
            (1, I32, physical), (2, I32, length), (3, I32, _OPTIONAL), (4, BINARY, name), (6, I32, converted),
            (10, STRUCT, logical),
        )  # fmt: skip
