"""The facts of a dataset that a person in an incident wants first, as one plain dictionary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctreplay.sql import open_dataset, read_run

if TYPE_CHECKING:
    import duckdb

_TOP = 5
_OFFLOAD_SHARE = 0.02
_MIN_ONE_SIDED = 0.2


def triage(path: Path, run: dict[str, Any] | None = None) -> dict[str, Any]:
    """Summary of the dataset at `path`: span, entries, INVALID, pressure, talkers, trust, what to do next."""
    run = run if run is not None else read_run(path)
    db = open_dataset(path)
    try:
        found: dict[str, Any] = {
            "dataset": str(path),
            "inputs": [one["path"] for one in run["inputs"]],
            "complete": run["complete"],
            "packets": run["packets"],
            "wall_s": run["wall_s"],
            "packets_per_s": round(run["packets"] / run["wall_s"]) if run["wall_s"] else None,
            "sysctls_set": run["sysctls_set"],
            "span": _span(run),
            "entries": _entries(db),
            "invalid": _reasons(db, "invalid"),
            "ignored": _reasons(db, "ignored"),
            "table": _table(db, run),
            "talkers": _talkers(db),
        }
        found["trust"] = _trust(db, run)
        found["next"] = _next(found)
    finally:
        db.close()
    return found


def _rows(db: duckdb.DuckDBPyConnection, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    result = db.execute(sql, list(parameters))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _span(run: dict[str, Any]) -> dict[str, Any]:
    first, last = run["first_ts_ns"], run["last_ts_ns"]
    return {
        "first_ts_ns": first,
        "last_ts_ns": last,
        "duration_s": (last - first) / 1e9 if first is not None else None,
    }


def _entries(db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    grouped = _rows(
        db,
        "SELECT proto, state, end_reason, count(*) AS entries, count(*) FILTER (NOT seen_reply) AS unreplied,"
        " count(*) FILTER (midstream) AS midstream FROM connections GROUP BY ALL",
    )

    def total(key: str) -> dict[str, int]:
        sums: dict[str, int] = {}
        for row in grouped:
            name = row[key] or "-"
            sums[name] = sums.get(name, 0) + row["entries"]
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))

    return {
        "total": sum(row["entries"] for row in grouped),
        "unreplied": sum(row["unreplied"] for row in grouped),
        "midstream": sum(row["midstream"] for row in grouped),
        "by_proto": total("proto"),
        "by_state": total("state"),
        "by_end_reason": total("end_reason"),
    }


def _reasons(db: duckdb.DuckDBPyConnection, kind: str) -> list[dict[str, Any]]:
    from ctreplay import reasons

    names = {name for name, group in zip(reasons.NAMES, reasons.CLASSES, strict=True) if group == kind}
    rows = _rows(db, "SELECT name, value FROM stats WHERE name LIKE 'reason.%' ORDER BY value DESC, name")
    return [
        {"reason": row["name"].removeprefix("reason."), "packets": row["value"]}
        for row in rows
        if row["name"].removeprefix("reason.") in names
    ]


def _table(db: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> dict[str, Any]:
    values = _rows(
        db,
        "SELECT coalesce(sum(early_drops), 0) AS early_drops, coalesce(sum(full_drops), 0) AS full_drops,"
        " coalesce(max(inserts), 0) AS most_inserts_per_s FROM occupancy",
    )[0]
    limit = run["sysctls"]["nf_conntrack_max"]
    return {
        "limit": limit or None,
        "peak_entries": run["peak_entries"],
        "peak_ts_ns": run["peak_ts_ns"] if run["peak_entries"] else None,
        "most_inserts_per_s": int(values["most_inserts_per_s"]),
        "early_drops": int(values["early_drops"]),
        "full_drops": int(values["full_drops"]),
    }


def _talkers(db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    sources = _rows(
        db,
        "SELECT orig_src AS address, count(*) AS entries, sum(orig_bytes + reply_bytes)::BIGINT AS bytes,"
        f" count(*) FILTER (NOT seen_reply) AS unreplied FROM connections GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_TOP}",
    )
    services = _rows(
        db,
        "SELECT proto, orig_dst AS address, orig_dport AS port, count(*) AS entries,"
        " sum(orig_bytes + reply_bytes)::BIGINT AS bytes, count(*) FILTER (NOT seen_reply) AS unreplied"
        f" FROM connections GROUP BY ALL ORDER BY 4 DESC, 2, 3 LIMIT {_TOP}",
    )
    return {"sources": sources, "services": services}


def _trust(db: duckdb.DuckDBPyConnection, run: dict[str, Any]) -> list[dict[str, str]]:
    """What taints the capture, worst first; each with what it means for the answers."""
    c = _rows(
        db,
        "SELECT sum(packets) AS packets, sum(truncated) AS truncated, sum(kernel_drops) AS drops,"
        " sum(reordered) AS reordered, max(max_backstep_ns) AS backstep, sum(checksums_checked) AS checked,"
        " sum(checksums_wrong) AS wrong, sum(checksums_offloaded) AS offloaded, sum(duplicates) AS duplicates,"
        " sum(undecodable) AS undecodable FROM captures",
    )[0]
    packets = c["packets"] or 0
    notes: list[dict[str, str]] = []

    def say(what: str, text: str) -> None:
        notes.append({"what": what, "text": text})

    for damage in run["damage"]:
        how = "reading went on behind it" if damage["recovered"] else "the rest was not read"
        say(
            "damaged",
            f"{damage['path']}, frame {damage['frame']}, offset {damage['offset']}: {damage['what']}; {how}",
        )
    if not packets:
        say("empty", "the capture holds no packets")
        return notes
    if c["drops"]:
        say("kernel drops", f"{c['drops']:,} packets were lost while capturing: expect INVALID that never happened")
    if run["late_packets"]:
        say("late", f"{run['late_packets']:,} packets came too late to be sorted; they were worked at the clock's time")
    if c["duplicates"] > packets / 100:
        say("duplicates", f"{c['duplicates']:,} packets appear twice (several interfaces in one capture?)")
    sided = _rows(
        db,
        "SELECT count(*) FILTER (orig_packets > 2 AND NOT seen_reply) AS one_sided, count(*) AS n"
        " FROM connections WHERE proto = 'tcp'",
    )[0]
    if sided["n"] and sided["one_sided"] / sided["n"] >= _MIN_ONE_SIDED:
        shown = f"{sided['one_sided']:,} of {sided['n']:,} TCP flows show one direction only"
        say("one-sided", f"{shown}: asymmetric routing?")
    picked_up = "SELECT count(*) FILTER (midstream) AS m, count(*) AS n FROM connections WHERE proto = 'tcp'"
    midstream = _rows(db, picked_up)[0]
    if midstream["m"]:
        say(
            "mid-stream",
            f"{midstream['m']:,} of {midstream['n']:,} TCP flows began before the capture: picked up liberally",
        )
    if c["wrong"] and c["checked"] and c["wrong"] / c["checked"] > _OFFLOAD_SHARE:
        share = 100 * c["wrong"] / c["checked"]
        share = 100 * c["offloaded"] / c["wrong"]
        offload = f", {share:.0f} % of them left to the network card" if c["offloaded"] else ""
        say("checksums", f"{share:.0f} % of the sampled checksums are wrong{offload}")
    if c["truncated"]:
        share = 100 * c["truncated"] / packets
        say("snap length", f"{c['truncated']:,} frames ({share:.0f} %) were cut: lengths are from IP headers")
    if c["reordered"]:
        say(
            "clock",
            f"{c['reordered']:,} frames older than the one before, by up to {duration(c['backstep'])}: "
            "replayed sorted by time",
        )
    if c["undecodable"]:
        kinds: dict[str, int] = {}
        for row in _rows(db, "SELECT undecodable_by_reason AS kinds FROM captures"):
            for name, count in json.loads(row["kinds"]).items():
                kinds[name] = kinds.get(name, 0) + count
        most = sorted(kinds.items(), key=lambda item: -item[1])[:3]
        listed = ", ".join(f"{name} {count:,}" for name, count in most)
        say("not IP", f"{c['undecodable']:,} frames are no readable IP: {listed}")
    links = [r["linktype_name"] for r in _rows(db, "SELECT DISTINCT linktype_name FROM captures ORDER BY 1")]
    unknown = _rows(db, "SELECT value FROM stats WHERE name = 'reason.linktype'")
    if unknown:
        say("link type", f"{unknown[0]['value']:,} frames of a link type that cannot be read (of {', '.join(links)})")
    for skipped in run["skipped"]:
        say("skipped", f"{skipped['path']}: {skipped['why']}")
    return notes


def duration(ns: int) -> str:
    """Nanoseconds as people say them."""
    seconds = ns / 1e9
    for limit, size, unit in (
        (1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h"),
    ):  # fmt: skip
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} days"


def _next(found: dict[str, Any]) -> list[dict[str, str]]:
    """The two or three commands that come next for this capture."""
    name = found["dataset"]
    steps: list[dict[str, str]] = []

    def propose(command: str, why: str) -> None:
        if len(steps) < 3:
            steps.append({"command": command, "why": why})

    entries, table = found["entries"], found["table"]
    if table["early_drops"] or table["full_drops"]:
        propose(f"ctreplay query {quote(name)} table_pressure", "when the table was full, and who filled it")
    if found["invalid"]:
        propose(f"ctreplay query {quote(name)} invalid_by_reason", "which connections the INVALID packets belong to")
        propose(f"ctreplay explain {quote(name)}", "pick a packet and see why it got its verdict")
    if entries["total"] and entries["unreplied"] > entries["total"] * 0.5 and entries["total"] > 20:
        propose(f"ctreplay query {quote(name)} never_replied", "who got no answer")
    states = entries["by_state"]
    if states.get("SYN_SENT", 0) + states.get("SYN_RECV", 0) > max(20, entries["total"] * 0.3):
        propose(f"ctreplay query {quote(name)} half_open", "half-open connections by source")
    if entries["by_end_reason"].get("timeout"):
        propose(f"ctreplay query {quote(name)} timeout_peaks", "what idle times ended connections")
    if entries["by_end_reason"].get("reset"):
        propose(f"ctreplay query {quote(name)} rst_origin", "who reset connections")
    propose(f"ctreplay list {quote(name)}", "the table at the end, as conntrack -L prints it")
    propose(f"ctreplay query {quote(name)} top_holders_at", "who held the table at its peak")
    propose("ctreplay queries", "every question that has a query")
    return steps


def quote(name: str) -> str:
    """The name as a shell word."""
    import shlex

    return shlex.quote(name)
