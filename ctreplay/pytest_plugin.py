"""pytest plug-in: the fixture `replay`, and check files as tests where `--ctreplay` or `ctreplay_checks` asks for them.

Nothing is imported and nothing collected unless it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ctreplay.check.run import Job
    from ctreplay.check.testing import Replay
    from ctreplay.check.work import Outcome, Report


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--ctreplay` and the ini setting `ctreplay_checks`."""
    group = parser.getgroup("ctreplay")
    group.addoption(
        "--ctreplay",
        action="store_true",
        default=False,
        help="Collect ctreplay check files (ctreplay.yaml, *.ctreplay.yaml) as tests.",
    )
    parser.addini("ctreplay_checks", "Collect ctreplay check files as tests.", type="bool", default=False)


@pytest.fixture
def replay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Replay]]:
    """Replay a capture beside the test: `run = replay("web.pcap", sysctls={…})`; see ctreplay.check.testing."""
    from ctreplay.check.replays import Cache, default_cache, unusable
    from ctreplay.check.testing import replay as make

    keep = not unusable(default_cache())
    cache = Cache(default_cache() if keep else tmp_path_factory.mktemp("ctreplay-cache"))
    opened = []

    def call(captures: Any, **options: Any) -> Replay:
        found = make(captures, folder=request.path.parent, cache=cache, keep=keep, **options)
        opened.append(found)
        return found

    yield call
    for one in opened:
        one.close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CheckFile | None:
    """A collector for a check file, when asked for."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    if not (parent.config.getoption("--ctreplay") or parent.config.getini("ctreplay_checks")):
        return None
    from ctreplay.check.load import is_check_file

    return CheckFile.from_parent(parent, path=file_path) if is_check_file(file_path) else None


class CheckFile(pytest.File):
    """A check file; its items are assertions over captures."""

    def collect(self) -> Iterator[CheckItem]:
        """One item an assertion and capture."""
        from ctreplay.check.load import load
        from ctreplay.check.nodes import CheckFileError
        from ctreplay.check.replays import default_cache, temporary_cache, unusable
        from ctreplay.check.run import plan

        stack = ExitStack()
        self.config.add_cleanup(stack.close)
        keep = not unusable(default_cache())
        folder = default_cache() if keep else stack.enter_context(temporary_cache()).folder
        try:
            jobs = plan([load(self.path)], [], folder, keep)
        except CheckFileError as exc:
            raise self.CollectError(str(exc)) from None
        for job in jobs:
            shared = Shared(job)
            for number, assertion in enumerate(job.task.assertions):
                name = f"{job.label}: {assertion.name}"
                yield CheckItem.from_parent(self, name=name, shared=shared, number=number)


class Shared:
    """One replay for all assertions over it, made when the first of them runs."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._report: Report | None = None

    def report(self) -> Report:
        """The outcomes."""
        from ctreplay.check.work import work

        if self._report is None:
            self._report = work(self.job.task)
        return self._report


class CheckFailure(Exception):
    """What a failed assertion shows."""


class CheckItem(pytest.Item):
    """An assertion over one capture."""

    def __init__(self, *, shared: Shared, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shared = shared
        self.number = number

    def runtest(self) -> None:
        """Replay, unless a neighbour did, and judge."""
        from ctreplay.check.machine import text_of
        from ctreplay.check.work import PASSED

        report = self.shared.report()
        if report.error:
            raise CheckFailure(report.error)
        outcome: Outcome = report.outcomes[self.number]
        if outcome.status != PASSED:
            raise CheckFailure(text_of(outcome))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Only the message: our own frames tell the reader nothing."""
        if isinstance(excinfo.value, CheckFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File and line (from 0) of the assertion."""
        return self.path, self.shared.job.task.assertions[self.number].line - 1, self.name
