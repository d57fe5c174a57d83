"""Results on the screen or in files: tables, CSV, JSON, Parquet, Markdown. Text from captures is escaped."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ctreplay.cli.common import fail, note, printable
from ctreplay.cli.saving import replacing

if TYPE_CHECKING:
    import pyarrow as pa

    from ctreplay.sql.execute import Result

_NARROWEST = 10
_NS = 1_000_000_000


class Format(StrEnum):
    """Forms of a result."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"
    markdown = "markdown"


def time_text(ns: int, digits: int = 9, sep: str = " ") -> str:
    """UTC time with `digits` decimals; any int64."""
    from datetime import UTC, datetime, timedelta

    seconds, rest = divmod(ns, _NS)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = moment.strftime(f"%Y-%m-%d{sep}%H:%M:%S")
    return f"{text}.{rest:09d}"[: len(text) + 1 + digits] if digits else text


def _values(column: pa.Array) -> list[Any]:
    """Python values; timestamps as int nanoseconds, keys as hex."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind):
        return list(column.cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist())
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_large_binary(kind):
        return [None if value is None else value.hex() for value in column.to_pylist()]
    if pa.types.is_struct(kind):
        parts = [_values(column.field(i)) for i in range(kind.num_fields)]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        times = [pa.types.is_timestamp(kind.field(i).type) for i in range(kind.num_fields)]
        valid = column.is_valid().to_pylist()
        rows = []
        for i in range(len(column)):
            row = {
                name: _iso(part[i]) if is_time and part[i] is not None else part[i]
                for name, part, is_time in zip(names, parts, times, strict=True)
            }
            rows.append(row if valid[i] else None)
        return rows
    if pa.types.is_list(kind) and pa.types.is_timestamp(kind.value_type):
        column = column.cast(pa.list_(pa.string()))
    elif pa.types.is_list(kind) and (pa.types.is_nested(kind.value_type) or pa.types.is_binary(kind.value_type)):
        inside = iter(_values(column.flatten()))
        lengths = column.value_lengths().to_pylist()
        return [None if length is None else list(islice(inside, length)) for length in lengths]
    return list(column.to_pylist())


def _iso(ns: int) -> str:
    return time_text(ns, 9, "T") + "Z"


def rows_of(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Rows of a batch as Python values."""
    yield from zip(*(_values(column) for column in batch.columns), strict=True)


def write(result: Result, form: Format, output: Path | None, limit: int) -> None:
    """Write a result; `limit` rows of a table, 0 for all."""
    if form is Format.parquet:
        if output is None:
            fail("--format parquet needs a file: -o FILE.parquet")
        _parquet(result, output)
        return
    if output is None:
        _text(result, form, sys.stdout, limit)
        sys.stdout.flush()
        return
    with replacing(output) as binary, io.TextIOWrapper(binary, "utf-8", newline="") as file:
        _text(result, form, file, limit)


def _text(result: Result, form: Format, file: TextIO, limit: int) -> None:
    if form is Format.csv:
        _csv(result, file)
    elif form is Format.json:
        _json(result, file)
    elif form is Format.markdown:
        _markdown(result, file)
    else:
        _table(result, file, limit)


def _parquet(result: Result, output: Path) -> None:
    import pyarrow.parquet as pq

    # closed early, a table of Parquet looks whole
    with (
        replacing(output) as file,
        pq.ParquetWriter(file, result.schema, compression="zstd", version="2.6") as writer,
    ):
        for batch in result.batches:
            writer.write_batch(batch)


def _is_time(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_timestamp(kind))


def _plain(value: Any) -> str:
    """A value as text for CSV and Markdown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return json.dumps(_json_value(value), default=str)
    return printable(value)


def _csv_cells(column: pa.Array) -> list[Any]:
    """A column for the CSV writer, which writes numbers itself and nothing for None."""
    values = _values(column)
    if _is_time(column.type):
        return [None if value is None else time_text(value, 9, "T") for value in values]
    if _is_number(column.type):
        return values
    # the same few texts come again and again
    known: dict[Any, str] = {}
    cells: list[Any] = []
    for value in values:
        if isinstance(value, str):
            text = known.get(value)
            if text is None:
                text = known[value] = printable(value)
            cells.append(text)
        else:
            cells.append(_plain(value))
    return cells


def _csv(result: Result, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([printable(name) for name in result.schema.names])
    for batch in result.batches:
        writer.writerows(zip(*map(_csv_cells, batch.columns), strict=True))


def _json_value(value: Any, is_time: bool = False) -> Any:
    if is_time and value is not None:
        return _iso(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        return [_json_value(one) for one in value]
    if isinstance(value, dict):
        return {name: _json_value(one) for name, one in value.items()}
    return value


def _keys(names: list[str]) -> list[str]:
    """The names of columns, with a number behind those that come again (as DuckDB has it): a key has one value."""
    found: dict[str, None] = {}
    for name in names:
        key, number = name, 0
        while key in found:
            number += 1
            key = f"{name}_{number}"
        found[key] = None
    return list(found)


def _json_default(value: Any) -> Any:
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _json(result: Result, file: TextIO) -> None:
    names = _keys(result.schema.names)
    times = [_is_time(kind) for kind in result.schema.types]
    sep = "["
    for batch in result.batches:
        for row in rows_of(batch):
            item = {name: _json_value(v, t) for name, v, t in zip(names, row, times, strict=True)}
            file.write(f"{sep}\n{json.dumps(item, default=_json_default)}")
            sep = ","
    file.write("[]\n" if sep == "[" else "\n]\n")


def _markdown(result: Result, file: TextIO) -> None:
    def cell(text: str) -> str:
        for char in "\\|`*_":
            text = text.replace(char, "\\" + char)
        return text.replace("<", "&lt;")

    right = [_is_number(kind) for kind in result.schema.types]
    file.write("| " + " | ".join(cell(printable(name)) for name in result.schema.names) + " |\n")
    file.write("|" + "|".join("---:" if one else "---" for one in right) + "|\n")
    times = [_is_time(kind) for kind in result.schema.types]
    for batch in result.batches:
        for row in rows_of(batch):
            cells = [
                time_text(v) if t and v is not None else cell(_cell(v, "") if isinstance(v, float) else _plain(v))
                for v, t in zip(row, times, strict=True)
            ]
            file.write("| " + " | ".join(cells) + " |\n")


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return not (_is_number(kind) or _is_time(kind) or pa.types.is_boolean(kind))


def _cell(value: Any, absent: str = "-") -> str:
    """A value as people read it."""
    if value is None:
        return absent
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value == 0 or 1e-4 <= abs(value) < 1e9:
            return f"{value:.6f}".rstrip("0").rstrip(".")
        return f"{value:.4g}"
    if isinstance(value, list):
        return ",".join(_cell(one) for one in value)
    if isinstance(value, dict):
        return printable(json.dumps(value, default=str, ensure_ascii=False))
    return printable(value)


def _digits(values: list[int]) -> int:
    """Decimals that lose nothing: 0, 3, 6 or 9."""
    for digits in (0, 3, 6):
        if all(value % 10 ** (9 - digits) == 0 for value in values):
            return digits
    return 9


def _columns(rows: list[tuple[Any, ...]], kinds: list[pa.DataType]) -> list[list[str]]:
    """Cells by column, as text."""
    found: list[list[str]] = []
    for i, kind in enumerate(kinds):
        values = [row[i] for row in rows]
        text: Callable[[Any], str] = _cell
        if _is_time(kind):
            digits = _digits([value for value in values if value is not None])
            found.append(["-" if value is None else time_text(value, digits) for value in values])
            continue
        found.append([text(value) for value in values])
    return found


def width_of(file: TextIO) -> int | None:
    """Columns of the terminal behind `file`; None (no limit) for files and pipes, unless COLUMNS is set."""
    import os

    if file.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size((80, 24)).columns
    return None


def _table(result: Result, file: TextIO, limit: int) -> None:
    rows: list[tuple[Any, ...]] = []
    more = 0
    for batch in result.batches:
        room = limit - len(rows) if limit else batch.num_rows
        rows.extend(islice(rows_of(batch.slice(0, room)), room) if room > 0 else ())
        more += batch.num_rows - min(max(room, 0), batch.num_rows)
    names = [printable(name) for name in result.schema.names]
    right = [_is_number(kind) for kind in result.schema.types]
    columns = _columns(rows, list(result.schema.types))
    if not names:
        return
    fixed = [not _is_text(kind) for kind in result.schema.types]
    file.write(layout(names, columns, right, fixed, width_of(file)))
    if not rows:
        note("no rows")
    elif more:
        note(f"{len(rows)} of {len(rows) + more} rows; --limit 0 shows all, --format csv|json|parquet writes all")


def layout(names: list[str], columns: list[list[str]], right: list[bool], fixed: list[bool], width: int | None) -> str:
    """A table that fits into `width`: wide text is cut with …, and what still does not fit becomes records."""
    widths = [max(len(name), *(len(cell) for cell in column)) if column else len(name)
              for name, column in zip(names, columns, strict=True)]  # fmt: skip
    excess = sum(widths) + 2 * (len(widths) - 1) - width if width else 0
    while excess > 0:
        # only text may be cut; the widest first
        able = [
            (widths[i], i) for i in range(len(widths)) if not fixed[i] and widths[i] > max(_NARROWEST, len(names[i]))
        ]
        if not able:
            return _records(names, columns)
        widest, i = max(able)
        others = [w for w, j in able if j != i]
        cut = min(excess, max(1, widest - max(others, default=_NARROWEST)), widest - max(_NARROWEST, len(names[i])))
        widths[i] -= cut
        excess -= cut

    def line(cells: list[str]) -> str:
        parts = []
        for cell, size, at_right in zip(cells, widths, right, strict=True):
            if len(cell) > size:
                cell = cell[: size - 1] + "…"
            parts.append(cell.rjust(size) if at_right else cell.ljust(size))
        return "  ".join(parts).rstrip() + "\n"

    text = line(names) + line(["─" * size for size in widths])
    return text + "".join(line([column[i] for column in columns]) for i in range(len(columns[0]) if columns else 0))


def _records(names: list[str], columns: list[list[str]]) -> str:
    """One column below the other, a block per row."""
    size = max(map(len, names))
    blocks = []
    if not columns[0]:
        return "".join(f"{name.rjust(size)}\n" for name in names)
    for i in range(len(columns[0])):
        lines = [f"{name.rjust(size)}  {column[i]}" for name, column in zip(names, columns, strict=True)]
        blocks.append(f"── row {i + 1} ──\n" + "\n".join(lines) + "\n")
    return "".join(blocks)
