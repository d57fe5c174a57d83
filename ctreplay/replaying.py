"""A replay from captures to a dataset: what `ctreplay CAPTURE...` and `ctreplay.replay` do."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ctreplay import __version__, reasons
from ctreplay.build import compiled
from ctreplay.capture import OutOfOrder, Skipped, open_captures
from ctreplay.dataset import schema
from ctreplay.dataset.columns import KEPT
from ctreplay.dataset.writer import DatasetWriter, NotReplaceable, Way
from ctreplay.report.pace import pace
from ctreplay.tracker import sysctl

if TYPE_CHECKING:
    from ctreplay.engine import Engine

_SLICE = 50_000
_TRIAGE = "ctreplay.report.triage"
# bytes, given back when memory ends: to say so and to clean up takes some
_RESERVE = 1 << 23
# bytes of captures from which on a process writes: it starts while the first packets are tracked
LARGE = 1 << 23

Progress = Callable[[int, int | None, int], None]


def text(path: str) -> str:
    """A file name as text: bytes that are no UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def default_target(paths: Sequence[str | os.PathLike[str]]) -> Path:
    """`capture.ctreplay` beside the current folder's name of the first capture."""
    first = os.fspath(paths[0])
    if first == "-":
        return Path("stdin.ctreplay")
    name = Path(first).name
    if name in ("", ".."):
        name = Path(first).resolve().name
    if not os.path.lexists(first):
        # a pattern: no folder is to look like one
        name = re.sub(r"\[[^]]*\]|[*?]+", "", name)
    for suffix in (".gz", ".zst", ".xz", ".bz2"):
        name = name.removesuffix(suffix)
    for suffix in (".pcapng", ".pcap", ".cap", ".dmp"):
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    return Path(text(f"{name or 'captures'}.ctreplay"))


def replay_to(
    paths: Sequence[str | os.PathLike[str]],
    target: Path,
    *,
    sysctls: dict[str, int],
    packets: str = "notable",
    helpers: Sequence[str] = (),
    force: bool = False,
    jobs: int | None = None,
    triaged: bool = False,
    meanwhile: Callable[[], object] | None = None,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Replay into the folder `target` and return what run.json holds.

    `jobs` cores at the most (None: all there are): with one, tracking, writing and hashing take turns; with more they
    run beside each other. The rows do not depend on it. With `triaged` the triage is in the answer, under that name;
    `meanwhile` is called while nothing but the end of the writing is waited for.

    `helpers` are options as of `--helper`. Raises CaptureError for inputs that are no captures, HelperError,
    DatasetExists, SysctlError, OSError when the disk is full or memory ends.
    """
    values = sysctl.defaults() | sysctls
    began = time.time()
    wall = time.perf_counter()
    if helpers:
        from ctreplay.helpers import registry

        # a wrong one is found before anything begins
        registry.parse(helpers)
    threaded = (jobs or len(os.sched_getaffinity(0))) > 1
    captures = open_captures(paths, stdin=stdin, hashing="beside" if threaded else "turns")
    try:
        given = [one.absolute_path for one in captures.inputs if not one.is_pipe]
        spare(target, given + [one.path for one in captures.repeated])
    except BaseException:
        captures.close()
        raise
    # how much comes through a pipe nobody knows
    large = any(one.is_pipe for one in captures.inputs) or sum(one.size for one in captures.inputs) >= LARGE
    way: Way = ("process" if large else "thread") if threaded else "turns"
    writer: DatasetWriter | None = None
    engine: Engine | None = None
    total = 0
    # not touched: that would be a quarter of the page faults of a small replay
    reserve = bytes(_RESERVE)
    collecting = gc.isenabled()
    # entries refer to each other but never in cycles that outlive them: the collector would only walk them in vain
    gc.disable()
    try:
        while True:
            metadata = {
                "ctreplay.schema_version": str(schema.VERSION),
                "ctreplay.engine_version": __version__,
                "ctreplay.kernel_model": schema.KERNEL_MODEL,
                "ctreplay.sysctls": json.dumps(values),
            }
            writer = DatasetWriter(target, metadata, force, way)
            # once the processes are on their way
            from ctreplay.wiring import wire

            wired = wire(writer, values, packets, helpers)
            engine = wired.engine
            try:
                total = 0
                while True:
                    done = engine.run(captures, _SLICE)
                    total += done
                    if progress is not None:
                        at, size = captures.progress()
                        progress(at, size, total)
                    if done < _SLICE:
                        break
                break
            except OutOfOrder:
                writer.abort()
                captures.restart()
        engine.tracker.finish()
        wired.journal.finish()
        wired.sink.finish()
        writer.small("stats", stats_rows(engine, total))
        writer.small("captures", capture_rows(captures, engine))
        inputs: list[dict[str, Any]] = [
            {
                "path": text(one.path),
                "absolute_path": text(one.absolute_path),
                "size": one.size,
                "compression": one.compression,
                "sha256": None,
            }
            for one in captures.inputs
        ]
        changed = [Skipped(one.path, why) for one in captures.inputs if not one.is_pipe and (why := one.changed())]
        run = {
            "complete": not captures.damage,
            "schema_version": schema.VERSION,
            "engine_version": __version__,
            "compiled": compiled(),
            "kernel_model": schema.KERNEL_MODEL,
            "started": began,
            "wall_s": None,
            "packets": total,
            "packets_level": packets,
            "sysctls": values,
            "sysctls_set": sysctls,
            "helpers": wired.described(),
            "helper_hints": wired.helpers.hints(),
            "late_packets": engine.late,
            "entries": wired.sink.summary.as_dict(),
            "peak_entries": engine.tracker.occupancy.peak_ever,
            "peak_ts_ns": engine.tracker.occupancy.peak_ts,
            "first_ts_ns": min((ts for c in captures.captures if (ts := c.first_ts) is not None), default=None),
            "last_ts_ns": max((ts for c in captures.captures if (ts := c.last_ts) is not None), default=None),
            "rows": writer.rows,
            "inputs": inputs,
            "damage": [
                {
                    "path": text(d.path),
                    "frame": d.frame,
                    "offset": d.offset,
                    "what": d.what,
                    "recovered": d.recovered,
                    "skipped_bytes": d.skipped_bytes,
                }
                for d in captures.damage
            ],
            "skipped": [{"path": text(s.path), "why": s.why} for s in captures.skipped + changed],
            "repeated": [{"path": text(r.path), "first": text(r.first)} for r in captures.repeated],
        }
        tables = writer.tables
        triage = partial(tables.call, _TRIAGE, "triage", target, run, meanwhile=meanwhile)
        # the hash of a large capture takes longest: what need not read the dataset again does not wait for it
        early = triaged and writer.rows["connections"] <= KEPT
        found = triage() if early else None
        for one, source in zip(inputs, captures.inputs, strict=True):
            # of as much of the file as is in the dataset
            one["sha256"] = source.sha256()
        tables.close(
            {"ctreplay.inputs": json.dumps([{"path": one["path"], "sha256": one["sha256"]} for one in inputs])}
        )
        run["wall_s"] = round(time.perf_counter() - wall, 3)
        writer.commit(run)
        writer = None
        try:
            if triaged and not early:
                found = triage()
        finally:
            tables.end()
        return run if found is None else run | {"triage": found | pace(run)}
    except RuntimeError as error:
        if "thread" not in str(error):
            raise
        raise OSError(errno.EAGAIN, "the system has no thread for it", str(target)) from None
    except MemoryError:
        del reserve
        live = engine.tracker.table.count if engine is not None else 0
        why = f"out of memory after {total:,} packets, with {live:,} live entries"
        raise OSError(errno.ENOMEM, why, str(target)) from None
    finally:
        if writer is not None:
            writer.abort()
        captures.close()
        if collecting:
            gc.enable()


def spare(target: Path, captures: Sequence[str]) -> None:
    """Raises NotReplaceable when putting a dataset at `target` would take a capture away."""
    place = os.path.realpath(target) if not target.is_symlink() else os.path.abspath(target)
    for capture in captures:
        real = os.path.realpath(capture)
        if real == place or real.startswith(place.rstrip(os.sep) + os.sep):
            what = "the capture itself" if real == place else "the folder of a capture that is replayed"
            raise NotReplaceable(target, what)


def stats_rows(engine: Engine, total: int) -> list[dict[str, Any]]:
    """Counters: those of `conntrack -S` by their names, then ours, then a row for each reason met."""
    tracker = engine.tracker
    counts = tracker.reason_counts
    helpers = tracker.helpers
    rows = [
        ("found", 0, "info", "hits of NAT uniqueness checks (conntrack -S)"),
        ("invalid", tracker.n_invalid, "info", "INVALID packets, ICMP errors not counted (conntrack -S)"),
        ("insert", 0, "info", "entries created by user space (conntrack -S)"),
        ("insert_failed", 0, "info", "entries whose tuple was taken at confirmation (conntrack -S)"),
        ("drop", tracker.n_dropped, "data_loss", "packets dropped because the table was full (conntrack -S)"),
        ("early_drop", tracker.n_early_drop, "info", "entries evicted to make room (conntrack -S)"),
        ("error", tracker.n_error, "info", "ICMP messages rejected before the lookup (conntrack -S)"),
        ("search_restart", 0, "info", "lookups restarted by a resize (conntrack -S)"),
        ("clash_resolve", 0, "info", "clashes resolved at confirmation (conntrack -S)"),
        ("chaintoolong", 0, "info", "inserts refused by a long chain (conntrack -S)"),
        ("expect_new", helpers.matched_count, "info", "connections opened by an expectation"),
        ("expect_create", helpers.created_count, "info", "expectations created by helpers"),
        ("expect_delete", helpers.deleted_count, "info", "expectations destroyed"),
        ("helper_drops", tracker.n_dropped_by_helper, "info", "packets dropped by a helper"),
        ("helper_failures", helpers.failures, "error", "payloads that a helper could not work on and let pass"),
        ("packets", total, "info", "frames read"),
        ("tracked", tracker.n_processed, "info", "whole IP packets that reached the tracker"),
        ("fragments", engine.fragments, "info", "IP fragments"),
        ("reassembled", engine.reassembled, "info", "datagrams put together from fragments"),
        ("fragment_timeouts", engine.defrag.timeouts, "data_loss", "datagrams that were never completed"),
        ("fragment_pending", engine.defrag.queues.count, "data_loss", "datagrams incomplete when the capture ended"),
        ("late", engine.late, "data_loss", "packets older than the clock, worked at the clock's time"),
        ("undecodable", sum(unreadable(engine).values()), "info", "frames that are no readable IP"),
    ]
    found = [dict(zip(("name", "value", "severity", "description"), row, strict=True)) for row in rows]
    per_reason: dict[int, int] = {number: counts[number] for number in range(len(reasons.NAMES)) if counts[number]}
    for (_, reason), count in engine.quality.undecodable_counts.items():
        per_reason[reason] = per_reason.get(reason, 0) + count
    for number in sorted(per_reason):
        found.append(
            {
                "name": f"reason.{reasons.NAMES[number]}",
                "value": per_reason[number],
                "severity": "data_loss" if reasons.CLASSES[number] in ("undecodable", "dropped") else "info",
                "description": reasons.MEANINGS[number],
            }
        )
    return found


def unreadable(engine: Engine) -> dict[tuple[int, int], int]:
    """Frames by capture and reason, without the IP packets that a kernel drops on receipt."""
    counts = engine.quality.undecodable_counts
    return {key: count for key, count in counts.items() if reasons.CLASSES[key[1]] != "dropped"}


def capture_rows(captures: Any, engine: Engine) -> list[dict[str, Any]]:
    """captures.parquet: facts of the reader, and what decode learned."""
    quality = engine.quality
    # by capture and by file first: a file may have 65,535 interfaces
    reasons_of: dict[int, dict[str, int]] = {}
    for (number, reason), count in sorted(unreadable(engine).items()):
        reasons_of.setdefault(number, {})[reasons.NAMES[reason]] = count
    damage_of: dict[str, list[str]] = {}
    for damage in captures.damage:
        damage_of.setdefault(damage.path, []).append(text(str(damage)))
    damages = {path: json.dumps(damage) for path, damage in damage_of.items()}
    found = []
    for facts in captures.captures:
        number = facts.index
        by_reason = reasons_of.get(number, {})
        found.append(
            {
                "capture": number,
                "path": text(facts.path),
                "format": f"{facts.format} {facts.version} {facts.byte_order}-endian",
                "compression": facts.compression,
                "interface": facts.interface_id,
                "interface_name": facts.interface_name,
                "linktype": facts.linktype,
                "linktype_name": facts.linktype_name,
                "snaplen": facts.snaplen,
                "resolution": facts.resolution,
                "packets": facts.packets,
                "bytes": facts.captured_bytes,
                "wire_bytes": facts.wire_bytes,
                "first_ts": facts.first_ts,
                "last_ts": facts.last_ts,
                "reordered": facts.reordered,
                "max_backstep_ns": facts.max_backstep_ns,
                "truncated": facts.truncated,
                "received": facts.kernel_received,
                "kernel_drops": facts.kernel_drops,
                "checksums_checked": quality.checked.get(number, 0),
                "checksums_wrong": quality.wrong.get(number, 0),
                "checksums_offloaded": quality.offloaded.get(number, 0),
                "duplicates": quality.duplicates.get(number, 0),
                "undecodable": sum(by_reason.values()),
                "undecodable_by_reason": json.dumps(by_reason),
                "damaged": facts.path in damages,
                "damage": damages.get(facts.path, "[]"),
            }
        )
    return found
