"""The engine of a replay with all that belongs to it, put together.

Apart from `replaying`, because its imports take as long as a small replay: the processes that hash and write go first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ctreplay.dataset.expectation_rows import ExpectationRows
from ctreplay.dataset.rows import RowSink
from ctreplay.dataset.writer import DatasetWriter
from ctreplay.engine import PACKETS_ALL, PACKETS_NONE, PACKETS_NOTABLE, Engine
from ctreplay.helpers import registry
from ctreplay.helpers.runner import Helpers
from ctreplay.tracker.settings import Settings

LEVELS = {"none": PACKETS_NONE, "notable": PACKETS_NOTABLE, "all": PACKETS_ALL}


class Wired(NamedTuple):
    """What a replay runs: `engine` with its `sink`, and the helpers, assigned or only watching."""

    engine: Engine
    sink: RowSink
    journal: ExpectationRows
    helpers: Helpers
    assigned: registry.Assignments

    def described(self) -> list[dict[str, object]]:
        """The assigned helpers for run.json."""
        return registry.describe(self.assigned)


def wire(writer: DatasetWriter, sysctls: dict[str, int], packets: str, helpers: Sequence[str]) -> Wired:
    """An engine that writes to `writer`; `packets` is a level, `helpers` options as of `--helper`."""
    sink = RowSink(writer.flush, writer.fresh)
    engine = Engine(Settings(sysctls), sink, LEVELS[packets])
    assigned = registry.parse(helpers)
    journal = ExpectationRows(sink, not assigned)
    watching = Helpers(
        engine.tracker,
        assigned or registry.observed(),
        journal,
        sysctls["nf_conntrack_expect_max"],
        observe=not assigned,
    )
    return Wired(engine, sink, journal, watching, assigned)
