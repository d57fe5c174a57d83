"""The facts of a dataset that a person in an incident wants first, as one plain dictionary."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ctreplay import reasons
from ctreplay.capture import Repeated
from ctreplay.cli.common import counted
from ctreplay.dataset.schema import TABLES
from ctreplay.dataset.seen import Pressure, Seen
from ctreplay.report.duration import duration
from ctreplay.report.pace import pace
from ctreplay.report.share import share
from ctreplay.report.talkers import talkers
from ctreplay.sql import read_run

_TOP = 5
_OFFLOAD_SHARE = 0.02
_MIN_ONE_SIDED = 0.2
_MIN_MUTE = 0.1
# damaged places that are named
_PLACES = 3
# half-open connections of a target that syn_flood_sources reports
_FLOOD = 20
# link types of `tcpdump -i any`
_COOKED = ("LINUX_SLL", "LINUX_SLL2")
# why a kernel drops packets that never reach the tracker
_ON_RECEIPT = ("ip_checksum", "ipv6_address", "ipv6_options")
# counters of datagrams that were not put together
_INCOMPLETE = ("fragment_timeouts", "fragment_pending")
# sums over captures.parquet
_TAINTS = {
    "packets": "packets", "truncated": "truncated", "drops": "kernel_drops", "reordered": "reordered",
    "checked": "checksums_checked", "wrong": "checksums_wrong", "offloaded": "checksums_offloaded",
    "duplicates": "duplicates", "undecodable": "undecodable",
}  # fmt: skip


def triage(path: Path, run: dict[str, Any] | None = None, seen: Seen | None = None) -> dict[str, Any]:
    """Summary of the dataset at `path`: span, entries, INVALID, pressure, talkers, trust, what to do next.

    `run` and `seen` are what is known of it already, just after it was written.
    """
    run = run if run is not None else read_run(path)
    stats, captures = (seen.rows[table] if seen is not None else _rows(path, table) for table in ("stats", "captures"))
    found: dict[str, Any] = {
        "dataset": str(path),
        "inputs": [one["path"] for one in run["inputs"]],
        "complete": run["complete"],
        "packets": run["packets"],
        **pace(run),
        "sysctls_set": run["sysctls_set"],
        "helpers": run["helpers"],
        "span": _span(run),
        "entries": _entries(run),
        "invalid": _reasons(stats, "invalid"),
        "ignored": _reasons(stats, "ignored"),
        "table": _table(run, seen.pressure if seen is not None else _pressure(path)),
        "talkers": talkers(path, _TOP, seen),
        "helper_hints": run["helper_hints"],
    }
    found["trust"] = _trust(captures, stats, run)
    found["next"] = _next(found, stats)
    return found


def _rows(path: Path, table: str) -> list[dict[str, Any]]:
    """A small table as dictionaries, without its times: Python has none that hold nanoseconds."""
    import pyarrow.parquet as pq

    columns = [column.name for column in TABLES[table] if column.type != "ts"]
    with pq.ParquetFile(path / f"{table}.parquet") as file:
        rows: list[dict[str, Any]] = file.read(columns=columns).to_pylist()
    return rows


def _span(run: dict[str, Any]) -> dict[str, Any]:
    first, last = run["first_ts_ns"], run["last_ts_ns"]
    return {
        "first_ts_ns": first,
        "last_ts_ns": last,
        "duration_s": (last - first) / 1e9 if first is not None else None,
    }


def _entries(run: dict[str, Any]) -> dict[str, Any]:
    """Counts of run.json, the most frequent first."""
    entries = dict(run["entries"])
    for key in ("by_proto", "by_state", "by_end_reason"):
        entries[key] = dict(sorted(entries[key].items(), key=lambda item: (-item[1], item[0])))
    return entries


def _count(stats: list[dict[str, Any]], reason: str) -> int:
    """Packets that carry a reason."""
    return next((row["value"] for row in stats if row["name"] == f"reason.{reason}"), 0)


def _reasons(stats: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Reasons of one class with their packets, the most frequent first."""
    group = dict(zip(reasons.NAMES, reasons.CLASSES, strict=True))
    found = [
        {"reason": row["name"].removeprefix("reason."), "packets": row["value"]}
        for row in stats
        if row["name"].startswith("reason.") and group.get(row["name"].removeprefix("reason.")) == kind
    ]
    return sorted(found, key=lambda row: (-row["packets"], row["reason"]))


def _pressure(path: Path) -> Pressure:
    import pyarrow.parquet as pq

    found = Pressure()
    names = ["early_drops", "full_drops", "inserts"]
    with pq.ParquetFile(path / "occupancy.parquet") as file:
        for batch in file.iter_batches(columns=names):
            found.add(*(batch[name].to_pylist() for name in names))
    return found


def _table(run: dict[str, Any], pressure: Pressure) -> dict[str, Any]:
    return {
        "limit": run["sysctls"]["nf_conntrack_max"] or None,
        "peak_entries": run["peak_entries"],
        "peak_ts_ns": run["peak_ts_ns"] if run["peak_entries"] else None,
        "most_inserts_per_s": pressure.most_inserts,
        "early_drops": pressure.early_drops,
        "collected": run["entries"]["by_end_reason"].get("gc", 0),
        "full_drops": pressure.full_drops,
    }


def _sum(rows: list[dict[str, Any]], name: str) -> int:
    return sum(row[name] or 0 for row in rows)


def _trust(captures: list[dict[str, Any]], stats: list[dict[str, Any]], run: dict[str, Any]) -> list[dict[str, str]]:
    """What taints the capture, worst first; each with what it means for the answers."""
    c = {name: _sum(captures, column) for name, column in _TAINTS.items()}
    c["backstep"] = max((row["max_backstep_ns"] for row in captures), default=0)
    entries = run["entries"]
    packets = c["packets"]
    notes: list[dict[str, str]] = []

    def say(what: str, text: str) -> None:
        notes.append({"what": what, "text": text})

    for damage in run["damage"][:_PLACES]:
        how = "reading went on behind it" if damage["recovered"] else "the rest was not read"
        say(
            "damaged",
            f"{damage['path']}, frame {damage['frame']}, offset {damage['offset']}: {damage['what']}; {how}",
        )
    if len(run["damage"]) > _PLACES:
        more = len(run["damage"]) - _PLACES
        say("damaged", f"{more:,} more place{'s' if more > 1 else ''}, listed in run.json")
    if not packets:
        say("empty", "the capture holds no packets")
        return notes
    if c["drops"]:
        say("kernel drops", f"{c['drops']:,} packets were lost while capturing: expect INVALID that never happened")
    if run["late_packets"]:
        say("late", f"{run['late_packets']:,} packets came too late to be sorted; they were worked at the clock's time")
    points = Counter(row["path"] for row in captures if row["packets"])
    cooked = any(row["linktype_name"] in _COOKED for row in captures if row["packets"])
    if c["duplicates"] > packets / 100:
        once = "; of what a router forwards `tcpdump -r FILE -w ONE inbound` keeps one" if cooked else ""
        say(
            "duplicates",
            f"{c['duplicates']:,} packets appear twice (several interfaces in one capture?): each is tracked and "
            f"counted twice, and a SYN or FIN that is seen again changes verdicts{once}",
        )
    elif max(points.values()) > 1:
        # one table tracks them all; translated packets are no duplicates
        say(
            "interfaces",
            f"{max(points.values()):,} interfaces in one file: a flow seen before and after a NAT is two connections",
        )
    elif cooked:
        say(
            "interfaces",
            "cooked frames, as of `tcpdump -i any`: a flow seen before and after a NAT is two connections",
        )
    tcp = entries["tcp"]
    if tcp and entries["tcp_one_sided"] / tcp >= _MIN_ONE_SIDED:
        one_sided = entries["tcp_one_sided"]
        say("one-sided", f"{one_sided:,} of {tcp:,} TCP flows show one direction only: asymmetric routing?")
    # an opener that goes on was answered somewhere else; what it sends is INVALID and does not count in its entry
    stuck, refused = entries["by_state"].get("SYN_SENT", 0), _count(stats, "tcp_bad_transition")
    if tcp and stuck / tcp >= _MIN_ONE_SIDED and refused >= stuck:
        say(
            "one-sided",
            f"{stuck:,} of {tcp:,} TCP flows stayed in SYN_SENT and {refused:,} packets were INVALID in such a state: "
            "answers take another path?",
        )
    if entries["midstream"]:
        say(
            "mid-stream",
            f"{entries['midstream']:,} of {tcp:,} TCP flows were picked up without a SYN: they began before the "
            "capture, or their entry was gone or refused",
        )
    if c["wrong"] and c["checked"] and c["wrong"] / c["checked"] > _OFFLOAD_SHARE:
        offload = f", {share(c['offloaded'], c['wrong'])} of them left to the network card" if c["offloaded"] else ""
        # what the card would have filled in is no fault of the packet
        invalid = (
            ": INVALID only because of nf_conntrack_checksum=1; set --sysctl nf_conntrack_checksum=0"
            if offload and run["sysctls"]["nf_conntrack_checksum"]
            else ""
        )
        say("checksums", f"{share(c['wrong'], c['checked'])} of the sampled checksums are wrong{offload}{invalid}")
    if c["truncated"]:
        cut = share(c["truncated"], packets)
        say("snap length", f"{c['truncated']:,} frames ({cut}) were cut: lengths are from IP headers")
    if c["reordered"]:
        say(
            "clock",
            f"{c['reordered']:,} frames older than the one before, by up to {duration(c['backstep'])}: "
            "replayed sorted by time",
        )
    if c["undecodable"]:
        kinds: dict[str, int] = {}
        for row in captures:
            for name, count in json.loads(row["undecodable_by_reason"]).items():
                kinds[name] = kinds.get(name, 0) + count
        most = sorted(kinds.items(), key=lambda item: -item[1])[:3]
        listed = ", ".join(f"{name} {count:,}" for name, count in most)
        say("not IP", f"{c['undecodable']:,} frames are no readable IP: {listed}")
    dropped = [row for row in _reasons(stats, "dropped") if row["reason"] in _ON_RECEIPT]
    if dropped:
        number = sum(row["packets"] for row in dropped)
        listed = ", ".join(f"{row['reason']} {row['packets']:,}" for row in dropped)
        say("dropped", f"{number:,} packets were dropped on receipt, as a kernel does, before tracking: {listed}")
    incomplete = sum(row["value"] for row in stats if row["name"] in _INCOMPLETE)
    if incomplete:
        say("fragments", f"{counted(incomplete, 'datagram')} stayed incomplete, which a tracker never sees")
    links = sorted({row["linktype_name"] for row in captures})
    unknown = [row for row in stats if row["name"] == "reason.linktype"]
    if unknown:
        say("link type", f"{unknown[0]['value']:,} frames of a link type that cannot be read (of {', '.join(links)})")
    for again in run.get("repeated", []):
        say("repeated", str(Repeated(**again)))
    for skipped in run["skipped"]:
        say("skipped", f"{skipped['path']}: {skipped['why']}")
    return notes


def _next(found: dict[str, Any], stats: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The two or three commands that come next for this capture, what is most telling first."""
    name = quote(found["dataset"])
    steps: list[dict[str, str]] = []

    def propose(command: str, why: str) -> None:
        if len(steps) < 3 and all(step["command"] != command for step in steps):
            steps.append({"command": command, "why": why})

    def ask(query: str, why: str) -> None:
        propose(f"ctreplay query {name} {query}", why)

    entries, table = found["entries"], found["table"]
    states, ended, midstream = entries["by_state"], entries["by_end_reason"], entries["midstream"]
    if table["early_drops"] or table["full_drops"]:
        ask("table_pressure", "when the table was full, and what was dropped")
        ask("top_holders_at", "who held the table at its peak")
    if any(hint["missed"] for hint in found["helper_hints"]):
        ask("helper_missed", "connections that a helper would have made RELATED")
    if found["invalid"]:
        ask("invalid_by_reason", "which connections the INVALID packets belong to")
        propose(f"ctreplay explain {name}", "pick a packet and see why it got its verdict")
    if any(note["what"] == "one-sided" for note in found["trust"]):
        ask("one_sided", "whose other direction was not seen")
    # what a RST refused stays unreplied for the tracker, but was answered
    mute = entries["unreplied"] - ended.get("reset", 0)
    if mute > entries["total"] * 0.5 and entries["total"] > 20:
        ask("never_replied", "who got no answer")
    if states.get("SYN_SENT", 0) + states.get("SYN_RECV", 0) > max(20, entries["total"] * 0.3):
        ask("half_open", "half-open connections by source")
        services = found["talkers"]["services"]
        if any(row["proto"] == "tcp" and row["entries"] >= _FLOOD for row in services):
            ask("syn_flood_sources", "half-open connections by target")
        else:
            ask("port_scan", "who tried many ports or hosts")
    # SYNs that their entry outlived
    repeated = _count(stats, "tcp_syn_retransmitted")
    if states.get("SYN_SENT") and repeated >= 2 * states["SYN_SENT"]:
        ask("syn_sent_refresh", "SYNs repeated on one entry without an answer")
    if ended.get("reopened"):
        if _count(stats, "tcp_ignored_in_state") or _count(stats, "tcp_challenge_ack"):
            ask("challenge_ack", "SYNs that met an old entry, and how that was resolved")
        ask("tuple_reuse", "tuples used again, and how soon")
    if ended.get("reset") or states.get("CLOSE"):
        if any(row["reason"].endswith("_over_upper_bound") for row in found["invalid"]):
            ask("invalid_then_rst", "whether a RST followed an INVALID packet")
        ask("rst_origin", "who reset connections")
    if _count(stats, "icmp_error"):
        ask("icmp_errors", "who sent ICMP errors, and about which connections")
    if mute > entries["total"] * _MIN_MUTE:
        ask("never_replied", "who got no answer")
    if midstream:
        ask("start_censored", "when connections were picked up without a SYN")
    if ended.get("timeout"):
        ask("timeout_peaks", "what idle times ended connections")
        ask("late_packets", "whether packets came after their connection's entry was gone")
    if entries["total"]:
        propose(f"ctreplay list {name}", "the table at the end, as conntrack -L prints it")
        ask("top_holders_at", "who held the table at its peak")
    else:
        ask("capture_quality", "how far this capture can be trusted")
    propose("ctreplay queries", "every question that has a query")
    return steps


def quote(name: str) -> str:
    """The name as a shell word."""
    import shlex

    return shlex.quote(name)
