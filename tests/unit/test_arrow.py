"""The schema message that we write against the one that pyarrow makes of the same."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctreplay.dataset.schema import TABLES
from ctreplay.parquet import arrow
from ctreplay.parquet.file import _TYPES
from tests.arrow_types import TYPES, arrow_schema

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
notes = st.dictionaries(words, words, max_size=3)


def read(message: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(message))


@pytest.mark.parametrize("table", TABLES)
def test_tables(table: str) -> None:
    metadata = {"ctreplay.schema_version": "1", "ctreplay.inputs": '[{"path": "é"}]'}
    message = arrow.schema([(column.name, column.type, column.notes) for column in TABLES[table]], metadata)
    assert read(message).equals(arrow_schema(table, metadata), check_metadata=True)


def test_every_kind_has_a_type() -> None:
    assert arrow._TYPES.keys() == _TYPES.keys()


@given(st.lists(st.tuples(words, st.sampled_from(sorted(_TYPES)), notes), max_size=9), notes)
def test_any_schema(columns: list[tuple[str, str, dict[str, str]]], metadata: dict[str, str]) -> None:
    found = read(arrow.schema(columns, metadata))
    fields = [pa.field(name, TYPES[kind], metadata=about) for name, kind, about in columns]
    assert found.equals(pa.schema(fields, metadata=metadata), check_metadata=True)
    # the message stands at a multiple of eight bytes and is one
    assert len(arrow.schema(columns, metadata)) % 8 == 0
