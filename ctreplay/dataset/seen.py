"""What was seen of the tables while they were written, so that the triage need not read them again.

Connections are kept as long as they are few: a library that reads Parquet takes as long to load as a small replay.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

from ctreplay.dataset.columns import KEPT, Columns
from ctreplay.dataset.ranking import Ranking, rankings
from ctreplay.dataset.schema import TABLES
from ctreplay.parquet.encoding import Encoder
from ctreplay.tracker import codes

_KEY = 16
_SEEN_REPLY = codes.STATUS_BITS["SEEN_REPLY"].bit_length() - 1
_CELLS = [column.name for column in TABLES["occupancy"]]


class Ends(NamedTuple):
    """`n` connections as `Ranking.count` wants them: 16-byte keys, numbers, and a bit for each from bit `first` on."""

    src: Any
    dst: Any
    proto: Any
    dport: Any
    sent: Any
    answered: Any
    seen_reply: Any
    first: int
    n: int

    def keys(self, ranking: Ranking) -> tuple[Any, Any, Any]:
        """What is ranked."""
        return self.dst if ranking.services else self.src, self.proto, self.dport


class Pressure:
    """Sums over occupancy.parquet."""

    def __init__(self) -> None:
        self.early_drops = 0
        self.full_drops = 0
        self.most_inserts = 0

    def add(self, early_drops: Any, full_drops: Any, inserts: Any) -> None:
        """Some seconds."""
        self.early_drops += sum(early_drops)
        self.full_drops += sum(full_drops)
        self.most_inserts = max(self.most_inserts, max(inserts, default=0))


class Seen:
    """`rows` of the small tables, `pressure`, rankings whose first pass is done, and the connections for their second
    one: `kept` is None when they were too many.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.pressure = Pressure()
        self.ranked = rankings()
        self.kept: list[Ends] | None = []

    def batch(self, table: str, columns: Columns, n: int, encoder: Encoder) -> None:
        """A batch of a table of column buffers."""
        if table == "connections":
            for ranking in self.ranked:
                ranking.estimate(columns["dst" if ranking.services else "src"], columns["proto"], columns["dport"], n)
            if self.kept is not None:
                self._keep(self.kept, columns, n, encoder)
        elif table == "occupancy":
            cells = columns["cells"]
            room = len(cells) // len(_CELLS)
            places = (room * _CELLS.index(name) for name in ("early_drops", "full_drops", "inserts"))
            self.pressure.add(*(cells[at : at + n] for at in places))

    def _keep(self, kept: list[Ends], columns: Columns, n: int, encoder: Encoder) -> None:
        if sum(ends.n for ends in kept) + n > KEPT:
            self.kept = None
            # they will be read again: while there is time
            importlib.import_module("pyarrow.parquet")
            return
        encoder.begin(n)
        encoder.take(columns["status"], n, b"", _SEEN_REPLY, 1)
        encoder.pack(1)

        def copy(name: str, code: str, size: int = 1) -> memoryview:
            return memoryview(columns[name][: size * n].tobytes()).cast(code)  # type: ignore[call-overload,no-any-return]

        kept.append(
            Ends(
                copy("src", "B", _KEY),
                copy("dst", "B", _KEY),
                copy("proto", "B"),
                copy("dport", "H"),
                # numbers of bytes are not negative
                copy("orig_bytes", "Q"),
                copy("reply_bytes", "Q"),
                encoder.page(),
                0,
                n,
            )
        )
