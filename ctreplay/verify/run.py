"""A whole verification: replay, ask the kernel, compare."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .compare import Report, compare
from .errors import CannotVerify
from .inputs import ip_packets
from .recorder import record_packets

_NOT_IN_A_NAMESPACE = ("nf_conntrack_max", "nf_conntrack_buckets", "nf_conntrack_expect_max")
_OURS = ("acct", "timestamp", "events", "log_invalid")  # set by the referee for itself
_LEFT_ALONE = ("nf_conntrack_frag6_high_thresh", "nf_conntrack_frag6_low_thresh")


@dataclass(slots=True)
class Verification:
    """`release` is the kernel's; `run` what the replay's run.json holds."""

    release: str
    report: Report
    run: dict[str, Any] = field(default_factory=dict)


def kernel_sysctls(given: Mapping[str, int]) -> dict[str, int | str]:
    """Every sysctl of the model as the namespace needs it, so that both sides run with the same values. Raises
    CannotVerify for one that exists only for the whole machine."""
    from ctreplay.tracker import sysctl

    for name in _NOT_IN_A_NAMESPACE:
        if given.get(name):
            raise CannotVerify(f"{name} belongs to the whole machine and cannot be set for a private namespace")
    found: dict[str, int | str] = {}
    for name, value in {**sysctl.defaults(), **given}.items():
        if name in _NOT_IN_A_NAMESPACE or name.removeprefix("nf_conntrack_") in _OURS:
            continue
        if name in _LEFT_ALONE and name not in given:
            continue
        found[f"net.ipv4.{name}" if name.startswith("ipfrag_") else f"net.netfilter.{name}"] = value
    return found


def verify_captures(
    paths: Sequence[str | os.PathLike[str]], sysctls: Mapping[str, int] | None = None, helpers: Sequence[str] = ()
) -> Verification:
    """Replay `paths` through ctreplay and through this machine's kernel and compare every packet.

    `helpers` are options as of `--helper`. Raises CannotVerify when this machine cannot, HelperError, CaptureError for
    inputs that are no captures.
    """
    from ctreplay.helpers import registry
    from ctreplay.replaying import replay_to

    given = dict(sysctls or {})
    assigned = [(helper.name, proto, port) for (proto, port), helper in registry.parse(helpers).items()]
    recording = record_packets(ip_packets(paths), kernel_sysctls(given), assigned)
    try:
        with tempfile.TemporaryDirectory(prefix="ctreplay-verify-") as folder:
            target = Path(folder) / "verify.ctreplay"
            run = replay_to(paths, target, sysctls=given, packets="all", helpers=helpers)
            report = compare(target, recording, recording.entries, recording.ended)
    finally:
        recording.close()
    return Verification(recording.release, report, run)
