"""`ctreplay replay`: its options; what it does is in `replaying`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer


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
        Level.notable,
        "--packets",
        help="Packets to keep: notable are INVALID, RELATED, UNTRACKED, ignored, dropped, undecodable.",
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
    from ctreplay.cli.replaying import replay as run

    run(
        captures, output, force, packets.value, sysctl or (), sysctl_file, helper or (), jobs, strict=strict,
        as_json=as_json, quiet=quiet,
    )  # fmt: skip
