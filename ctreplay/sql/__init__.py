"""DuckDB over datasets: the tables, documented views and macros, the query library."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctreplay.dataset.schema import TABLES

if TYPE_CHECKING:
    import duckdb

__all__ = ["DatasetError", "is_dataset", "open_dataset", "read_run", "readable"]


# entries of run.json that are relied on, and of its helpers, inputs and damaged places
_NONE = type(None)
_RUN: dict[str, Any] = {
    "packets": int, "packets_level": str, "sysctls": dict, "helpers": list, "inputs": list, "damage": list,
    "first_ts_ns": (int, _NONE), "last_ts_ns": (int, _NONE),
}  # fmt: skip
_INPUT: dict[str, Any] = {"path": str, "absolute_path": str, "size": int, "sha256": (str, _NONE)}
_HELPER: dict[str, Any] = {"helper": str, "protocol": str, "port": int}
_DAMAGE: dict[str, Any] = {"path": str, "frame": int, "offset": int, "what": str}


class DatasetError(Exception):
    """A folder that is no whole dataset; the message says what is missing."""


def is_dataset(path: str | os.PathLike[str]) -> bool:
    """Whether the path is a folder with a run.json."""
    return (Path(path) / "run.json").is_file()


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """run.json of a dataset. Raises DatasetError."""
    folder = Path(path)
    if folder.is_file():
        raise DatasetError(f"{folder}: a file, not a dataset; `ctreplay {folder}` replays a capture into one")
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such dataset; `ctreplay CAPTURE` writes one")
    try:
        text = (folder / "run.json").read_text(encoding="utf-8")
        run: dict[str, Any] = json.loads(text)
        if "\\u" in text:
            # half of a surrogate pair, which no library takes for text
            json.dumps(run, ensure_ascii=False).encode()
    except FileNotFoundError:
        raise DatasetError(f"{folder}: no dataset, run.json is missing") from None
    except (OSError, ValueError, RecursionError) as exc:
        raise DatasetError(f"{folder}: run.json cannot be read: {exc}") from None
    if wrong := _misshapen(run):
        raise DatasetError(f"{folder}: run.json is not as a replay writes it: {wrong}; replay its capture again")
    for table in TABLES:
        if not (folder / f"{table}.parquet").is_file():
            raise DatasetError(f"{folder}: incomplete dataset, {table}.parquet is missing; replay its capture again")
    return run


def _misshapen(run: Any) -> str:
    """Which entry of run.json that others rely on is missing or of another type; empty for none."""
    if not isinstance(run, dict):
        return "no object"
    for name, kinds in _RUN.items():
        if not isinstance(run.get(name), kinds):
            return name
    if not all(type(value) is int for value in run["sysctls"].values()):
        return "sysctls"
    for name, shape in (("helpers", _HELPER), ("inputs", _INPUT), ("damage", _DAMAGE)):
        for one in run[name]:
            if not isinstance(one, dict) or not all(isinstance(one.get(key), kinds) for key, kinds in shape.items()):
                return name
    return ""


def in_text(path: str | os.PathLike[str]) -> str:
    """A path for DuckDB and Arrow, which take UTF-8 only. Raises DatasetError."""
    name = os.fspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DatasetError(f"{name}: tables are read only where the path is UTF-8 text; rename the folder") from None
    return name


def pattern_of(path: str | os.PathLike[str]) -> str:
    """What makes DuckDB read this one file, also where its path looks like a pattern of many. Raises DatasetError."""
    name = in_text(path)
    # where a backslash is, which it takes for a separator, no file fits the pattern and the name itself is tried
    return name if "\\" in name else re.sub(r"[*?\[]", r"[\g<0>]", name)


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """For who reads tables with Arrow: turns what it says of a missing or damaged file into a DatasetError."""
    import pyarrow as pa

    in_text(folder)
    try:
        yield
    except (pa.ArrowException, OSError) as exc:
        raise DatasetError(f"{folder}: a table cannot be read: {str(exc).splitlines()[0]}") from None


def open_dataset(path: str | os.PathLike[str], *, comments: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection with the tables, views and macros of `ctreplay schema`; `comments` adds COMMENT ON to them all.

    Raises DatasetError.
    """
    from ctreplay.sql.connection import connect

    return connect([path], comments=comments, locked=False)
