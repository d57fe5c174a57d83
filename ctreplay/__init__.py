"""ctreplay: replay captures through a model of Linux connection tracking, into Parquet that DuckDB explores.

From Python:

    run = ctreplay.replay("capture.pcap", "capture.ctreplay")
    db = ctreplay.open_dataset("capture.ctreplay")
    db.sql("SELECT state, count(*) FROM connections GROUP BY ALL")
"""

from __future__ import annotations

import os

# as in `typing`, whose import takes as long as that of this package
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    import duckdb

__version__ = "0.1.0"
__all__ = ["__version__", "open_dataset", "replay"]


def replay(
    captures: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    sysctls: Mapping[str, int] | None = None,
    packets: Literal["all", "notable", "none"] = "notable",
    helpers: str | Sequence[str] = (),
    force: bool = False,
) -> dict[str, Any]:
    """Replay captures into the dataset folder `output` and return what its run.json holds, plus `path`.

    `captures`: one or many files, folders or globs, `-` for the standard input. `sysctls`: values by name, with or
    without `net.netfilter.`.
    `helpers`: conntrack helpers to assign, as of `--helper`: `["ftp", "sip=5060/udp"]` or `"all"`; default none.
    Raises `ctreplay.capture.CaptureError` (no capture), `FileExistsError` (without `force`, or what is there is no
    dataset), `ctreplay.tracker.sysctl.SysctlError` (unknown name or impossible value),
    `ctreplay.helpers.registry.HelperError`, `ValueError` (another `packets`; the two before are of this kind),
    `OSError`.
    """
    from pathlib import Path

    from ctreplay.capture import CaptureError
    from ctreplay.dataset import LEVELS
    from ctreplay.replaying import default_target, replay_to
    from ctreplay.tracker import sysctl

    if packets not in LEVELS:
        raise ValueError(f"packets has to be one of {', '.join(LEVELS)}, not {packets!r}")
    paths = [captures] if isinstance(captures, (str, os.PathLike)) else list(captures)
    if not paths:
        raise CaptureError("no captures given", "")
    target = Path(output) if output is not None else default_target(paths)
    values = sysctl.parse(f"{name}={value}" for name, value in (sysctls or {}).items())
    named = [helpers] if isinstance(helpers, str) else helpers
    run = replay_to(paths, target, sysctls=values, packets=packets, helpers=named, force=force)
    return run | {"path": str(target)}


def open_dataset(path: str | os.PathLike[str]) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the dataset's tables, views and macros. Raises `ctreplay.sql.DatasetError`."""
    from ctreplay.sql import open_dataset as connect

    return connect(path)
