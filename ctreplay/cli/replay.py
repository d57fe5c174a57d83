"""`ctreplay CAPTURE...`: replay, write the dataset, show the triage."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from ctreplay.cli.common import EXIT_DAMAGED, EXIT_INTERRUPTED, Exit, complain, fail, note, printable, read_sysctls


class Level(StrEnum):
    """Which packets get a row in packets.parquet."""

    all = "all"
    notable = "notable"
    none = "none"


def replay(
    captures: list[str] = typer.Argument(..., help="Capture files, folders or globs; - reads a pipe."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Dataset folder (default: NAME.ctreplay here)."),
    force: bool = typer.Option(False, "--force", help="Replace an existing dataset."),
    packets: Level = typer.Option(
        Level.notable, "--packets", help="Packets to keep: notable are INVALID, RELATED, UNTRACKED, ignored, dropped."
    ),
    sysctl: list[str] | None = typer.Option(
        None, "--sysctl", metavar="NAME=VALUE", help="Set a conntrack sysctl, with or without net.netfilter."
    ),
    sysctl_file: Path | None = typer.Option(None, "--sysctl-file", help="sysctl.d file or `sysctl -a` output."),
    helper: list[str] | None = typer.Option(
        None,
        "--helper",
        metavar="NAME[=PORT,...]",
        help="Assign a conntrack helper, as a `ct helper set` rule would: ftp, sip=5060/udp, all.",
    ),
    jobs: int | None = typer.Option(None, "-j", "--jobs", min=1, help="Cores to use (default: all)."),
    strict: bool = typer.Option(False, "--strict", help="Exit with 3 when an input is damaged."),
    as_json: bool = typer.Option(False, "--json", help="The triage as one JSON object on stdout."),
    quiet: bool = typer.Option(False, "-q", "--quiet", help="No triage, no progress."),
) -> None:
    """Replay captures through connection tracking and write a dataset."""
    from ctreplay.capture import CaptureError
    from ctreplay.cli.progress import Progress
    from ctreplay.dataset.writer import DatasetExists
    from ctreplay.helpers.registry import HelperError
    from ctreplay.replaying import default_target, replay_to

    values = read_sysctls(sysctl, sysctl_file)
    target = output or default_target(captures)
    progress = Progress(enabled=not quiet and sys.stderr.isatty())
    try:
        run = replay_to(
            captures,
            target,
            sysctls=values,
            packets=packets.value,
            helpers=helper or (),
            force=force,
            jobs=jobs,
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
    show(target, run, as_json=as_json, quiet=quiet)
    for damage in run["damage"]:
        after = (
            f"reading went on after {damage['skipped_bytes']} bytes" if damage["recovered"] else "the rest was not read"
        )
        note(
            f"damaged: {damage['path']}: frame {damage['frame']}, offset {damage['offset']}: {damage['what']}; {after}"
        )
    if strict and run["damage"]:
        raise Exit(EXIT_DAMAGED)


def show(target: Path, run: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Print the triage of the dataset just written."""
    if quiet and not as_json:
        return
    from ctreplay.report.triage import triage

    found = triage(target, run)
    if as_json:
        json.dump(found, sys.stdout, ensure_ascii=False, default=str)
        sys.stdout.write("\n")
    else:
        from ctreplay.report.screen import render

        render(found)
