"""`ctreplay verify CAPTURE...`: the same capture through this machine's own kernel, packet by packet."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ctreplay.cli.common import EXIT_FAILED, Exit, counted, fail, json_text, note, note_run, printable, read_sysctls
from ctreplay.cli.pipes import kept

if TYPE_CHECKING:
    from ctreplay.verify.compare import Difference
    from ctreplay.verify.run import Verification


def verify(
    captures: list[str] = typer.Argument(..., help="Capture files, folders or globs; - reads a pipe."),
    sysctl: list[str] | None = typer.Option(
        None, "--sysctl", metavar="NAME=VALUE", help="Set a conntrack sysctl on both sides."
    ),
    sysctl_file: Path | None = typer.Option(None, "--sysctl-file", help="sysctl.d file or `sysctl -a` output."),
    helper: list[str] | None = typer.Option(
        None,
        "--helper",
        metavar="NAME[=PORT,...]",
        help="Assign a conntrack helper on both sides: ftp, sip=5060/udp, all.",
    ),
    limit: int = typer.Option(20, "--limit", "-n", min=0, help="Differing packets to show, 0 for all."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Compare ctreplay with this machine's kernel, in a private network namespace.

    Needs Linux with nf_conntrack, root or a user namespace, and ctreplay[verify]. Exit 0: no difference, 1: different,
    2: cannot run here.
    """
    from ctreplay.capture import CaptureError
    from ctreplay.helpers.registry import HelperError
    from ctreplay.verify.errors import CannotVerify
    from ctreplay.verify.run import verify_captures

    values = read_sysctls(sysctl, sysctl_file)
    with kept(captures) as paths:
        try:
            found = verify_captures(paths, values, helper or ())
        except CannotVerify as exc:
            fail(f"cannot verify on this machine: {exc}")
        except (CaptureError, HelperError) as exc:
            fail(printable(exc))
    note_run(found.run)
    if as_json:
        print(json_text(_as_json(found), default=list))
    else:
        _show(found, limit)
    if found.report.differences:
        raise Exit(EXIT_FAILED)


def _as_json(found: Verification) -> dict[str, Any]:
    report = found.report
    return {
        "kernel": found.release,
        "packets": report.packets,
        "connections": report.connections,
        "expectations": report.expectations,
        "not_judged": dict(report.not_judged),
        "differing_packets": report.differing_packets,
        "differences": [asdict(difference) for difference in report.differences],
    }


def _show(found: Verification, limit: int) -> None:
    report = found.report
    groups: dict[tuple[int | None, str], list[Difference]] = {}
    for difference in report.differences:
        groups.setdefault((difference.packet, difference.flow), []).append(difference)
    shown = list(groups.items())[: limit or None]
    for (packet, flow), differences in shown:
        _difference(packet, flow, differences)
    if len(shown) < len(groups):
        print(f"… and {len(groups) - len(shown):,} more (--limit 0 shows all)\n")
    if report.differences:
        fields = Counter(difference.field for difference in report.differences)
        print("by field: " + ", ".join(f"{name} {count:,}" for name, count in fields.most_common()))
    for reason, count in report.not_judged.items():
        note(f"{counted(count, 'packet')} not judged: {reason}")
    expected = f"{counted(report.expectations, 'expectation')}, " if report.expectations else ""
    print(
        f"{counted(report.packets, 'packet')}, {counted(report.connections, 'connection')}, {expected}"
        f"{counted(len(report.differences), 'difference')} from Linux {found.release}"
    )


def _difference(packet: int | None, flow: str, differences: list[Difference]) -> None:
    first = differences[0]
    print(printable(f"packet {packet}  {flow}" if packet is not None else flow))
    for difference in differences:
        print(f"  {difference.field:<12} kernel    {_value(difference.kernel)}")
        print(f"  {'':<12} ctreplay  {_value(difference.ctreplay)}")
    if first.reason:
        print(f"  ctreplay's reason: {first.reason}")
    for why in first.why:
        print(printable(f"  the kernel's log: {why}"))
    if first.bounds:
        print("  window: " + "  ".join(f"{name} {number}" for name, number in first.bounds.items()))
    print()


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        return printable(", ".join(_value(item) for item in value)) or "none"
    return printable(value)
