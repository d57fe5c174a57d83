"""A difference as text, JSON object and JUnit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctreplay.check.machine import case, suites
from ctreplay.check.show import cut, width
from ctreplay.check.tables import natural
from ctreplay.cli.common import counted, printable
from ctreplay.dataset.schema import TABLES
from ctreplay.diff.compare import LATER, STORY, Change, Difference
from ctreplay.diff.sides import Side

MOST_IN_JUNIT = 1000
# DuckDB's types of those columns that are no text in JSON
_TYPES = {"bool": "BOOLEAN"} | dict.fromkeys(("int64", "uint8", "uint16", "uint32"), "BIGINT")


def _host(host: str | None, port: str | None) -> str:
    if host is None:
        return "?"
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tuple_of(about: dict[str, str | None], prefix: str = "orig_") -> str:
    """`tcp 10.0.0.1:1234 → 10.0.0.2:80`."""
    if about.get(f"{prefix}src") is None:
        return "no IP packet"
    text = f"{about['proto']} {_host(about[prefix + 'src'], about[prefix + 'sport'])}"
    text += f" → {_host(about[prefix + 'dst'], about[prefix + 'dport'])}"
    if about.get("icmp_type") is not None:
        text += f" type {about['icmp_type']} id {about['icmp_id']}"
    return text


def _settings(side: Side, other: Side) -> str:
    """The sysctls that this side has otherwise than the other."""
    mine, its = side.run.get("sysctls", {}), other.run.get("sysctls", {})
    found = [f"{name}={mine[name]}" for name in sorted(mine) if mine[name] != its.get(name)]
    if side.options.helpers != other.options.helpers:
        found += [f"helper {name}" for name in side.options.helpers] or ["no helper"]
    return "  ".join(found)


def _kinds(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in counts if counts[kind] or kind == "equal")


def _wrapped(head: str, parts: list[str], room: int) -> Iterator[str]:
    line = head
    for number, part in enumerate(parts):
        text = part if number == 0 else f" · {part}"
        if len(line) + len(text) > room and line != head:
            yield line
            line, text = " " * len(head), part
        line += text
    yield line


def lines(base: Side, new: Side, found: Difference, limit: int) -> Iterator[str]:
    """The whole text: summary, then gone, new and changed. `limit` 0 shows all."""
    settings = [_settings(base, new), _settings(new, base)]
    total = found.counts["equal"]
    if found.equal:
        options = f"; options differ: {settings[0]} against {settings[1]}" if any(settings) else ""
        yield printable(f"identical: {counted(total, 'connection')}, no difference{options}")
        yield from found.notes
        return
    names = [printable(side.name) for side in (base, new)]
    length = max(map(len, names))
    for label, side, name, setting in zip(("base", "new"), (base, new), names, settings, strict=True):
        count = side.run.get("rows", {}).get("connections", 0)
        packets = counted(int(side.run["packets"]), "packet")
        text = f"{label:<5} {name:<{length}}  {counted(count, 'connection')}, {packets}"
        yield text + (f"  {printable(setting)}" if setting else "")
    yield ""
    room = width()
    yield f"connections   {_kinds(found.counts)}"
    order = sorted(found.columns, key=lambda one: (STORY.index(one) if one in STORY else 99, one))
    if order:
        yield from _wrapped("  changed in  ", [f"{column} {found.columns[column]:,}" for column in order], room)
    if found.packet_counts:
        yield f"packets       {_kinds(found.packet_counts)}" + (
            " (notable ones)" if found.packet_noun != "packet" else ""
        )
        parts = [f"{column} {count:,}" for column, count in sorted(found.packet_columns.items())]
        if parts:
            yield from _wrapped("  changed in  ", parts, room)
    if found.expectation_counts:
        yield f"expectations  {_kinds(found.expectation_counts)}"
    if found.counters:
        parts = [printable(f"{name} {_or(pair[0])} → {_or(pair[1])}") for name, pair in found.counters.items()]
        yield from _wrapped("counters      ", parts, room)
    yield from found.notes
    for kind in ("gone", "new", "changed"):
        changes = [one for one in found.connections if one.kind == kind]
        counts = found.counts[kind], found.telling[kind]
        yield from _block(changes, kind, "connection", limit, room, counts)
    for kind in ("gone", "new", "changed"):
        yield from _block([one for one in found.packets if one.kind == kind], kind, found.packet_noun, limit, room)
    for kind in ("gone", "new"):
        yield from _block([one for one in found.expectations if one.kind == kind], kind, "expectation", limit, room)


def _or(value: object) -> str:
    return "-" if value is None else str(value)


def _quiet(change: Change) -> bool:
    """Only times and what follows from them changed: counted, not shown, while others are there to show."""
    return change.kind == "changed" and all(column in LATER for column in change.fields)


def _block(
    changes: list[Change], kind: str, noun: str, limit: int, room: int, counts: tuple[int, int] | None = None
) -> Iterator[str]:
    """Changes of one kind; `counts` of all and of those that are not quiet, when these are but the first of them."""
    if not changes:
        return
    telling = [one for one in changes if not _quiet(one)]
    total, worth = counts if counts is not None else (len(changes), len(telling))
    if not worth:
        telling, worth = changes, total
    yield ""
    yield f"{kind} {noun}s" if total > 1 else f"{kind} {noun}"
    shown = telling[:limit] if limit else telling
    for change in shown:
        for text in _change(change):
            yield cut(printable(text), room)
    if worth > len(shown):
        yield f"  … {worth - len(shown):,} more; --limit 0 shows all"
    if total > worth:
        yield f"  and {total - worth:,} only in times and transitions"


def _change(change: Change) -> Iterator[str]:
    about = change.about
    if change.what == "expectation":
        yield "  " + "  ".join(f"{name}={value}" for name, value in about.items() if value is not None)
        return
    prefix = "orig_" if change.what == "connection" else ""
    word = "conn" if change.what == "connection" else "packet"
    ids = f"{word} {change.base_id if change.new_id is None else change.new_id}"
    if change.kind == "changed" and change.base_id != change.new_id:
        ids = f"{word} {change.base_id} → {change.new_id}"
    if change.kind != "changed":
        if change.what == "connection":
            what = [
                about["state"] or "",
                about["end_reason"] or "",
                f"{about['orig_packets']}/{about['reply_packets']}",
            ]
        else:
            what = [about["ctstate"] or "", about["reason"] or ""]
        yield f"  {tuple_of(about, prefix)}  {ids}  {'  '.join(one for one in what if one)}"
        return
    yield f"  {tuple_of(about, prefix)}  {ids}"
    order = sorted(change.fields, key=lambda one: (STORY.index(one) if one in STORY else 99, one))
    size = max(map(len, order))
    for column in order:
        before, after = change.fields[column]
        if column == "transitions":
            yield from _transitions(before, after)
        else:
            yield f"    {column:<{size}}  {_or(before)} → {_or(after)}"


def _transitions(before: str | None, after: str | None) -> Iterator[str]:
    """The first event that differs."""
    old, new = (before or "").split("\n"), (after or "").split("\n")
    at = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    yield f"    transitions: event {at + 1} of {len(old)} → {len(new)}"
    yield f"      - {old[at] if at < len(old) and old[at] else '(none)'}"
    yield f"      + {new[at] if at < len(new) and new[at] else '(none)'}"


def as_object(base: Side, new: Side, found: Difference) -> dict[str, Any]:
    """The object that `ctreplay diff --json` prints."""

    def rows(changes: list[Change], table: str) -> list[dict[str, Any]]:
        types = {column.name: _TYPES.get(column.type, "VARCHAR") for column in TABLES[table]} | {"master": "BIGINT"}

        def value(column: str, text: str | None) -> object:
            return natural(types.get(column, "VARCHAR"), text)

        return [
            {"kind": one.kind, "base_id": one.base_id, "new_id": one.new_id}
            | {key: value(key, text) for key, text in one.about.items()}
            | (
                {"changed": {key: {"base": value(key, a), "new": value(key, b)} for key, (a, b) in one.fields.items()}}
                if one.fields
                else {}
            )
            for one in changes
        ]

    return {
        "equal": found.equal,
        "base": base.name,
        "new": new.name,
        "options": {"base": _settings(base, new), "new": _settings(new, base)},
        "connections": found.counts,
        "columns": found.columns,
        "packets": found.packet_counts,
        "expectations": found.expectation_counts,
        "counters": {name: {"base": a, "new": b} for name, (a, b) in found.counters.items()},
        "notes": found.notes,
        "changes": {
            "connections": rows(found.connections, "connections"),
            "packets": rows(found.packets, "packets"),
            "expectations": rows(found.expectations, "expectations"),
        },
    }


def junit(base: Side, new: Side, found: Difference, seconds: float) -> bytes:
    """JUnit XML: a case for each thing compared."""
    name = f"{base.name} → {new.name}"
    cases = []
    for noun, changes, counts in (
        ("connections", found.connections, found.counts),
        ("packets", found.packets, found.packet_counts),
        ("expectations", found.expectations, found.expectation_counts),
    ):
        text = "\n".join(printable(line) for one in changes[:MOST_IN_JUNIT] for line in (f"{one.kind}:", *_change(one)))
        message = ", ".join(f"{counts.get(kind, 0)} {kind}" for kind in ("gone", "new", "changed"))
        cases.append(case(f"{noun} are equal", name, 0.0, "failure" if changes else "", message, text))
    counters = "\n".join(printable(f"{key}: {_or(a)} → {_or(b)}") for key, (a, b) in found.counters.items())
    cases.append(
        case(
            "counters are equal",
            name,
            seconds,
            "failure" if counters else "",
            f"{len(found.counters)} differ",
            counters,
        )
    )
    return suites("ctreplay diff", [(name, cases)], seconds)
