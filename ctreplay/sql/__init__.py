"""DuckDB over datasets: tables as views."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctreplay.dataset.schema import TABLES

if TYPE_CHECKING:
    import duckdb


class DatasetError(Exception):
    """A folder that is no whole dataset; the message says what is missing."""


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """run.json of a dataset. Raises DatasetError."""
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such dataset; `ctreplay CAPTURE` writes one")
    try:
        run: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{folder}: no dataset, run.json is missing") from None
    except (OSError, ValueError) as exc:
        raise DatasetError(f"{folder}: run.json cannot be read: {exc}") from None
    for table in TABLES:
        if not (folder / f"{table}.parquet").is_file():
            raise DatasetError(f"{folder}: incomplete dataset, {table}.parquet is missing")
    return run


def open_dataset(path: str | os.PathLike[str]) -> duckdb.DuckDBPyConnection:
    """A connection with one view per table."""
    import duckdb

    read_run(path)
    db = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    )
    for table in TABLES:
        file = str(Path(path) / f"{table}.parquet").replace("'", "''")
        db.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{file}')")
    return db
