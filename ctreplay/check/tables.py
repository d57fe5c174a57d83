"""Expected tables: cells as text, comparison that does not care for formatting, CSV out and in."""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import math
import re
from collections.abc import Iterable, Sequence

NULL = "NULL"
# what is longer is no number of DuckDB, and Python refuses to read thousands of digits
_NUMBER = re.compile(r"[-+]?[0-9]{1,100}(\.[0-9]{1,100})?([eE][-+]?[0-9]{1,2})?\Z")


def parse_csv(text: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Columns and rows. Raises ValueError with the line within the text."""
    rows: list[tuple[str, ...]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    columns: tuple[str, ...] = ()
    try:
        for number, row in enumerate(reader):
            if not row:
                continue
            if not columns:
                columns = tuple(one.strip() for one in row)
                continue
            if len(row) != len(columns):
                raise ValueError(f"row {number} has {len(row)} values, the header has {len(columns)} columns")
            rows.append(tuple(row))
    except csv.Error as exc:
        raise ValueError(f"line {reader.line_num} is not valid CSV: {exc}") from None
    return columns, tuple(rows)


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The table as CSV with a header; lines end with a newline."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def normal(text: str) -> str:
    """`1.0`, `01` and `1` are the same number; blanks around a cell do not count. Of fractions 15 digits count, as
    many as a DOUBLE is sure of."""
    text = text.strip()
    if not _NUMBER.match(text):
        return text
    if text.lstrip("+-").isdigit():
        return str(int(text))
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.15g}"


def natural(kind: str, text: str | None) -> object:
    """A cell of a DuckDB type as JSON has it: numbers and booleans as such, NULL as null, the rest as text."""
    if text is None or text == NULL:
        return None
    if kind == "BOOLEAN":
        return text == "true"
    if kind.endswith(("INTEGER", "INT")):
        return int(text)
    if kind.startswith(("DOUBLE", "FLOAT", "DECIMAL")) and math.isfinite(float(text)):
        return float(text)
    return text


def canonical(rows: Iterable[Sequence[str]], ordered: bool) -> list[tuple[str, ...]]:
    """Rows to compare: normalised cells, sorted unless the order counts."""
    found = [tuple(normal(one) for one in row) for row in rows]
    return found if ordered else sorted(found)


def compare(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    expected_columns: Sequence[str],
    expected_rows: Sequence[Sequence[str]],
    ordered: bool,
) -> list[str]:
    """Nothing when equal, else lines of a difference: `-` expected, `+` found."""
    if tuple(columns) != tuple(expected_columns):
        if sorted(columns) != sorted(expected_columns):
            return [f"-{','.join(expected_columns)}", f"+{','.join(columns)}"]
        order = [list(columns).index(name) for name in expected_columns]
        rows = [tuple(row[at] for at in order) for row in rows]
        columns = expected_columns
    want, have = canonical(expected_rows, ordered), canonical(rows, ordered)
    if want == have:
        return []
    lines = difflib.unified_diff(
        to_csv(expected_columns, want).splitlines(), to_csv(columns, have).splitlines(), n=0, lineterm=""
    )
    # without the names of the two sides
    body = [line for line in itertools.islice(lines, 2, None) if not line.startswith("@@")]
    return [f" {','.join(expected_columns)}", *body]
