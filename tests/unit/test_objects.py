"""Tables of objects as Parquet, read back by two readers that are not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctreplay.dataset import objects
from ctreplay.dataset.columns import LAYOUTS
from ctreplay.dataset.schema import TABLES
from ctreplay.dataset.tables import ParquetTables
from tests.arrow_types import arrow_schema

OF_OBJECTS = [table for table in TABLES if table not in LAYOUTS]
I64 = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": I64,
    # DuckDB's infinities
    "ts": st.integers(-(1 << 62), 1 << 62),
    "uint8": st.integers(0, 255),
    "uint16": st.integers(0, 65535),
    "bool": st.booleans(),
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    "dict": st.sampled_from(["", "NEW", "DESTROY", "ä"]),
}


def rows_of(table: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows in which values are missing, and some are None."""
    row = st.fixed_dictionaries({}, optional={column.name: st.none() | VALUES[column.type] for column in TABLES[table]})
    return st.lists(row, max_size=40)


def test_every_kind_is_known() -> None:
    assert {column.type for table in OF_OBJECTS for column in TABLES[table]} == {*objects._NUMBERS, *objects._TEXTS}


@pytest.mark.parametrize("table", OF_OBJECTS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_read_back(tmp_path: Path, table: str, data: st.DataObject) -> None:
    batches = data.draw(st.lists(rows_of(table), max_size=3))
    tables = ParquetTables(tmp_path, {"key": "text"})
    streamed = table in tables.files
    for rows in batches:
        if streamed and rows:
            tables.write(table, {"rows": rows}, len(rows))
    if not streamed:
        batches = batches[:1]
        tables.small(table, batches[0] if batches else [])
    tables.close({"more": "words"})
    expected = [{column.name: row.get(column.name) for column in TABLES[table]} for rows in batches for row in rows]
    path = tmp_path / f"{table}.parquet"
    found = pq.read_table(path)
    found.validate(full=True)
    assert found.schema.equals(arrow_schema(table, {"key": "text", "more": "words"}), check_metadata=True)
    times = [column.name for column in TABLES[table] if column.type == "ts"]
    for name in times:
        found = found.set_column(found.schema.get_field_index(name), name, found[name].cast("int64"))
    assert found.to_pylist() == expected
    names = ", ".join(f"epoch_ns({name}) AS {name}" if name in times else f'"{name}"' for name in found.column_names)
    again = duckdb.connect().execute(f"SELECT {names} FROM read_parquet('{path}')").fetchall()
    assert [dict(zip(found.column_names, row, strict=True)) for row in again] == expected
