"""The query library: one .sql file a question, with a header in a fixed form.

-- question: one sentence, as somebody in an incident would ask it
-- incident: numbers of the incidents it serves (optional)
-- needs: packets all          (optional: every packet must be in the dataset)
-- across: runs                (optional: sees all datasets at once, with their `run` column)
-- param: name TYPE = default | meaning     (INTEGER, DOUBLE, TEXT, or TIME: ISO 8601 or epoch, given to SQL in UTC;
                                             behind INTEGER and DOUBLE what is allowed may stand: 1.. or 0..65535)
-- column: name | meaning
-- read: how to read the result; lines that begin with `--   ` continue
-- next: what to do then
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

_HEAD = re.compile(r"--\s(question|incident|needs|across|param|column|read|next):\s*(.*)")
_PARAM = re.compile(r"(\w+)\s+(?:(INTEGER|DOUBLE)(?:\s+(\d+)\.\.(\d*))?|(TEXT|TIME))\s*=\s*(.*)")
TYPES = {"INTEGER": int, "DOUBLE": float, "TEXT": str, "TIME": str}
_INTEGERS = range(-(1 << 63), 1 << 63)


class QueryError(Exception):
    """An unknown query, a bad header or a bad parameter; the message says which and what to do."""


@dataclass(frozen=True)
class Parameter:
    """`type` is INTEGER, DOUBLE, TEXT or TIME; the default is a value of it, or None, as bounds that there are not."""

    name: str
    type: str
    default: int | float | str | None
    meaning: str
    least: int | None = None
    most: int | None = None

    @property
    def allowed(self) -> str:
        """Type and bounds, as in the header."""
        most = "" if self.most is None else self.most
        return self.type if self.least is None else f"{self.type} {self.least}..{most}"

    def value(self, text: str) -> int | float | str:
        """The value that the user wrote. Raises QueryError."""
        if self.type == "TIME":
            return self._time(text)
        try:
            found: int | float | str = TYPES[self.type](text)
        except ValueError:
            raise QueryError(f"parameter {self.name}: {text!r} is not of type {self.type}") from None
        if isinstance(found, float) and not math.isfinite(found):
            raise QueryError(f"parameter {self.name}: {text} is no number to reckon with")
        if isinstance(found, int) and found not in _INTEGERS:
            raise QueryError(f"parameter {self.name}: {text} is beyond 64 bits")
        if not isinstance(found, str):
            if self.least is not None and found < self.least:
                raise QueryError(f"parameter {self.name}: {text} is below {self.least}, the least it may be")
            if self.most is not None and found > self.most:
                raise QueryError(f"parameter {self.name}: {text} is above {self.most}, the most it may be")
        return found

    def _time(self, text: str) -> str:
        """UTC without a zone, to the nanosecond: what DuckDB makes a TIMESTAMP_NS of; it would ignore an offset."""
        from ctreplay.timetravel.instant import InstantError, parse, show

        try:
            instant = parse(text)
        except InstantError:
            instant = None
        # the last nanosecond is DuckDB's infinity
        if instant is None or instant.kind != "ts" or instant.value >= _INTEGERS[-1]:
            how = "write ISO 8601 (UTC unless it has an offset) or epoch seconds"
            raise QueryError(f"parameter {self.name}: {text!r} is no time of its own; {how}")
        return show(instant.value).removesuffix("Z")


@dataclass
class Query:
    """A named query with its documentation."""

    name: str
    sql: str
    question: str = ""
    incident: str = ""
    needs: str = ""
    across: str = ""
    read: str = ""
    next: str = ""
    parameters: list[Parameter] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)

    def values(self, given: dict[str, str]) -> dict[str, Any]:
        """Value of every parameter. Raises QueryError for unknown names and values of a wrong type."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                which = f"it has {', '.join(known)}" if known else "it has none"
                raise QueryError(f"query {self.name} has no parameter {name}; {which}")
        return {
            name: parameter.value(given[name]) if name in given else parameter.default
            for name, parameter in known.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "name": self.name,
            "question": self.question,
            "columns": list(self.columns),
            "parameters": [vars(parameter) for parameter in self.parameters],
            "column_meanings": self.columns,
            "incident": self.incident,
            "needs": self.needs,
            "read": self.read,
            "next": self.next,
        }


def folder() -> Path:
    """Where the library is: in the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "queries"
    return installed if installed.is_dir() else package.parent / "queries"


@cache
def names() -> tuple[str, ...]:
    """Names of all queries, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.sql")))


@cache
def load(name: str) -> Query:
    """A query of the library. Raises QueryError."""
    import difflib

    if name not in names():
        close = difflib.get_close_matches(name, names(), 3, 0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "see them"
        raise QueryError(f"no query named {name!r}; {hint} (`ctreplay queries` lists all)")
    return parse(name, (folder() / f"{name}.sql").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Query:
    """A query from the text of its file; a file without a header is plain SQL. Raises QueryError."""
    query = Query(name, text)
    current = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        head = _HEAD.match(line)
        if head is None:
            if line.startswith("--   ") and current in ("read", "next", "question"):
                setattr(query, current, f"{getattr(query, current)} {line[5:].strip()}")
            continue
        current, rest = head.groups()
        if current == "param":
            left, _, meaning = rest.partition("|")
            parts = _PARAM.fullmatch(left.strip())
            if parts is None:
                raise QueryError(f"query {name}: header line {line!r} is not `-- param: name TYPE = default | meaning`")
            word, number, least, most, other, default = parts.groups()
            bounds = (int(bound) if bound else None for bound in (least, most))
            parameter = Parameter(word, number or other, None, meaning.strip(), *bounds)
            if default != "NULL":
                try:
                    parameter = replace(parameter, default=parameter.value(default.strip("'")))
                except QueryError as exc:
                    raise QueryError(f"query {name}: in the header, {exc}") from None
            query.parameters.append(parameter)
        elif current == "column":
            column, _, meaning = rest.partition("|")
            query.columns[column.strip()] = meaning.strip()
        else:
            setattr(query, current, rest.strip())
    return query
