"""What a check file says, as plain data that travels to the worker processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """How a capture is replayed; the fields are those of `ctreplay replay`."""

    sysctls: tuple[tuple[str, int], ...] = ()
    packets: str = "notable"
    helpers: tuple[str, ...] = ()

    def command_line(self) -> list[str]:
        """Those that change the rows of connections, as arguments of `ctreplay replay`."""
        found: list[str] = []
        for name, value in self.sysctls:
            found += ["--sysctl", f"{name}={value}"]
        for helper in self.helpers:
            found += ["--helper", helper]
        return found


@dataclass(frozen=True, slots=True)
class Count:
    """A condition on a number: `low <= n <= high` (None: open), or `n != unequal`."""

    text: str
    low: int | None = None
    high: int | None = None
    unequal: int | None = None

    def holds(self, number: int) -> bool:
        """Whether the number satisfies the condition."""
        if self.unequal is not None:
            return number != self.unequal
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


@dataclass(frozen=True, slots=True)
class Expected:
    """The table a query has to give: cells as text, NULL as `NULL`.

    `file` is the CSV it stands in; an inline table has the position of its text in the check file instead.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ordered: bool = False
    file: Path | None = None
    start: int = 0
    end: int = 0
    indent: int = 0
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Expect:
    """A short form: `form` is its key; see expect.FORMS."""

    form: str
    count: Count | None = None
    values: tuple[str, ...] = ()
    condition: str = ""
    where: str = ""
    empty_ok: bool = False


@dataclass(frozen=True, slots=True)
class Assertion:
    """One line of the result: exactly one of `expect`, `sql` and `query` is set."""

    name: str
    line: int
    expect: Expect | None = None
    sql: str | None = None
    query: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """An item of `checks:`: captures, how to replay them, what must hold for each of them."""

    line: int
    patterns: tuple[tuple[str, int], ...]
    options: Options
    assertions: tuple[Assertion, ...]
    name: str = ""
    merge: bool = False


@dataclass(frozen=True, slots=True)
class CheckFile:
    """A check file; patterns and CSV files are relative to its folder."""

    path: Path
    shown: str
    text: str
    groups: tuple[Group, ...] = field(default_factory=tuple)
