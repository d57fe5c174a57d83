"""What `ctreplay CAPTURE...` does: replay, write the dataset, show the triage."""

from __future__ import annotations

import json
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
    note_damage,
    printable,
    read_sysctls,
)


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
    from ctreplay.capture import CaptureError, Damage
    from ctreplay.cli.progress import Progress
    from ctreplay.dataset.writer import DatasetExists
    from ctreplay.helpers.registry import HelperError
    from ctreplay.replaying import default_target, replay_to

    values = read_sysctls(list(sysctl), sysctl_file)
    target = output or default_target(captures)
    progress = Progress(enabled=not quiet and sys.stderr.isatty())
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
            stdin=sys.stdin.buffer if "-" in captures else None,
            progress=progress.update,
        )
    except (CaptureError, HelperError) as exc:
        fail(printable(exc))
    except DatasetExists:
        fail(f"{printable(target)} exists already; --force replaces it, -o names another folder")
    except KeyboardInterrupt:
        progress.close()
        complain(f"interrupted: {progress.packets:,} packets replayed so far were discarded, no dataset was written")
        raise Exit(EXIT_INTERRUPTED) from None
    except OSError as exc:
        progress.close()
        fail(printable(f"{exc.filename or target}: {exc.strerror or exc}; no dataset was written"))
    finally:
        progress.close()
    if "triage" in run:
        show(run["triage"], as_json=as_json)
    note_damage([str(Damage(**one)) for one in run["damage"]])
    if strict and run["damage"]:
        raise Exit(EXIT_DAMAGED)


def _screen() -> Any:
    from ctreplay.report import screen

    return screen


def show(found: dict[str, Any], *, as_json: bool) -> None:
    """Print the triage of the dataset just written."""
    if as_json:
        json.dump(found, sys.stdout, ensure_ascii=False, default=str)
        sys.stdout.write("\n")
    else:
        _screen().render(found, sys.stdout)
