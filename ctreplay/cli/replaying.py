"""What `ctreplay CAPTURE...` does: replay, write the dataset, show the triage."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctreplay.cli.common import (
    EXIT_DAMAGED,
    EXIT_INTERRUPTED,
    Exit,
    complain,
    fail,
    json_text,
    meant,
    note_run,
    printable,
    read_sysctls,
)
from ctreplay.digests import identify


def replay(
    captures: list[str],
    output: Path | None = None,
    force: bool = False,
    packets: str = "notable",
    sysctl: Sequence[str] = (),
    sysctl_file: Path | None = None,
    helper: Sequence[str] = (),
    jobs: int | None = None,
    *,
    strict: bool = False,
    as_json: bool = False,
    quiet: bool = False,
) -> None:
    """Replay, write the dataset, show the triage. Raises Exit."""
    from ctreplay.capture import CaptureError
    from ctreplay.cli.live import standard_input
    from ctreplay.cli.progress import Progress
    from ctreplay.dataset.writer import DatasetExists, NotReplaceable
    from ctreplay.helpers.registry import HelperError
    from ctreplay.replaying import default_target, replay_to

    values = read_sysctls(list(sysctl), sysctl_file)
    target = output or default_target(captures)
    progress = Progress(enabled=not quiet and sys.stderr.isatty())
    before = _identity(target)

    def committed() -> bool:
        return _identity(target) not in (None, before)

    try:
        run = replay_to(
            captures,
            target,
            sysctls=values,
            packets=packets,
            helpers=helper,
            force=force,
            jobs=jobs,
            triaged=as_json or not quiet,
            meanwhile=None if as_json or quiet else _screen,
            stdin=standard_input() if "-" in captures else None,
            progress=progress.update,
        )
    except (CaptureError, HelperError) as exc:
        missing = isinstance(exc, CaptureError) and exc.path == captures[0]
        fail((missing and meant(captures[0])) or printable(exc))
    except NotReplaceable as exc:
        fail(f"{printable(target)} is {exc.what}")
    except DatasetExists:
        fail(f"{printable(target)} exists already; --force replaces it, -o names another folder")
    except KeyboardInterrupt:
        progress.close()
        if committed():
            complain(f"interrupted: the dataset {printable(target)} is complete, its triage is not shown")
        else:
            complain(
                f"interrupted: {progress.packets:,} packets replayed so far were discarded, no dataset was written"
            )
        raise Exit(EXIT_INTERRUPTED) from None
    except OSError as exc:
        progress.close()
        end = "the dataset is complete, its triage is not shown" if committed() else "no dataset was written"
        fail(printable(f"{exc.filename or target}: {exc.strerror or exc}; {end}"))
    finally:
        progress.close()
    if "triage" in run:
        show(run["triage"], as_json=as_json)
    note_run(run)
    if strict and run["damage"]:
        raise Exit(EXIT_DAMAGED)


def _identity(target: Path) -> str | None:
    """What tells one folder of this name from another; None where there is none."""
    try:
        return identify(os.lstat(target))
    except OSError:
        return None


def _screen() -> Any:
    from ctreplay.report import screen

    return screen


def show(found: dict[str, Any], *, as_json: bool) -> None:
    """Print the triage of the dataset just written."""
    if as_json:
        print(json_text(found, default=str))
    else:
        _screen().render(found, sys.stdout)
