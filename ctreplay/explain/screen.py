"""Explanations for people: plain text that fits the terminal, from 80 columns on. Colour only adds."""

from __future__ import annotations

import textwrap
from typing import Any

from ctreplay.cli.common import printable
from ctreplay.explain.announced import because
from ctreplay.explain.find import endpoint
from ctreplay.explain.sentences import lasting
from ctreplay.timetravel.instant import show

_SECOND = 1_000_000_000
_BOLD, _RED, _YELLOW, _DIM, _OFF = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


class Page:
    """Lines of a screen, `width` columns wide."""

    def __init__(self, width: int, colour: bool) -> None:
        self.width = max(60, min(width, 120))
        self.colour = colour
        self.lines: list[str] = []

    def line(self, text: str, style: str = "") -> None:
        """One line as it is; nothing in it but our own colours may steer the terminal."""
        text = printable(text)
        self.lines.append(f"{style}{text}{_OFF}" if self.colour and style and text else text)

    def head(self, text: str, style: str = _BOLD) -> None:
        """A line that stands out."""
        for part in textwrap.wrap(printable(text), self.width):
            self.line(part, style)

    def text(self, text: str, indent: str = "", first: str | None = None, style: str = "") -> None:
        """Running text."""
        start = indent if first is None else first
        for part in textwrap.wrap(
            printable(text), self.width, initial_indent=start, subsequent_indent=indent, break_long_words=False,
            break_on_hyphens=False,
        ):  # fmt: skip
            self.line(part, style)

    def label(self, name: str, text: str) -> None:
        """`name` in a column of its own, the text beside it."""
        self.text(text, " " * 12, f"{name:<12}")

    def gap(self) -> None:
        """An empty line."""
        self.lines.append("")


def style_of(verdict: str) -> str:
    """INVALID and drops stand out."""
    if verdict == "INVALID" or verdict == "dropped":
        return _BOLD + _RED
    return _BOLD + _YELLOW if "ignored" in verdict or verdict == "not tracked" else _BOLD


def packet_page(found: dict[str, Any], page: Page) -> list[str]:
    """The answer about one packet."""
    reason = f" ({found['reason']})" if found["reason"] else ""
    page.head(f"Packet {found['packet']}: {found['verdict']}{reason}", style_of(found["verdict"]))
    where = f"{show(found['ts_ns'])}, frame {found['frame']}"
    if found["file"]:
        where += f" of {found['file']}"
    if found["src"]:
        where = (
            f"{found['proto']} {endpoint(found['src'], found['sport'])} -> {endpoint(found['dst'], found['dport'])}, "
            f"{where}"
        )
    page.text(where)
    tcp = found.get("tcp")
    if tcp:
        parts = [tcp["flags"], f"seq {tcp['seq']}", f"end {tcp['end']}"]
        if tcp["ack"] is not None:
            parts.append(f"ack {tcp['ack']}")
        if tcp["sack"] is not None:
            parts.append(f"sack {tcp['sack']}")
        parts += [f"window {tcp['window']}", f"{tcp['payload']} bytes of data"]
        page.text(", ".join(parts))
    page.gap()
    page.text(" ".join(found["explanation"]))
    page.gap()
    if found["conn_id"] or found["tuple_conn_id"]:
        number = found["conn_id"] or found["tuple_conn_id"]
        states = (found["state_before"], found["state_after"])
        text = f"{number}, {found['direction']} direction"
        if states[1]:
            text += f", {states[0]} -> {states[1]}" if states[0] and states[0] != states[1] else f", {states[1]}"
        if found["timeout_left_s"] is not None:
            text += f", {found['timeout_left_s']:.1f} s left" + (" (set by this packet)" if found["refreshed"] else "")
        if not found["conn_id"]:
            text += "; it has this tuple, the packet was not taken for it"
        page.label("Entry", text)
    if found.get("window_check"):
        window_lines(found["window_check"], page)
    if found["kernel_log"]:
        page.label("Kernel log", f"{found['kernel_log']}  (with nf_conntrack_log_invalid)")
    if found.get("what_if"):
        page.gap()
        page.text("What if, replayed:")
        for one in found["what_if"]:
            name = one["sysctl"].removeprefix("nf_conntrack_tcp_")
            outcome = one["verdict"] if one["changes"] else f"the same: {one['verdict']}"
            if one["changes"]:
                state = f", state {one['state_after']}" if one["state_after"] else ""
                why = f" ({one['reason']})" if one["reason"] else ""
                outcome += why + state
            page.text(outcome, " " * 26, f"  {name + '=' + str(one['value']):<24}")
    page.gap()
    page.label("Wireshark", found["wireshark_frame"])
    if found.get("wireshark"):
        page.label("", found["wireshark"])
    return page.lines


def window_lines(check: dict[str, Any], page: Page) -> None:
    """The four bounds as a table."""
    page.gap()
    page.line(f"  {'window check':<13}{'bound':>11}{'packet has':>12}{'room':>15}  set by")
    for row in check["bounds"]:
        who = ", ".join(dict.fromkeys(f"packet {one['packet']}" for one in row["set_by"])) or "-"
        mark = " " if row["ok"] else "!"
        line = f"{mark} {row['bound']:<13}{row['value']:>11}{row['packet_has']:>12}{row['room']:>15,}  {who}"
        page.line(line, "" if row["ok"] else _BOLD + _RED)
    scale = check["scale"]
    notes = []
    if scale["original"] or scale["reply"]:
        notes.append(f"window scale {scale['original']} original, {scale['reply']} reply")
    if check["liberal"]:
        notes.append("picked up mid-stream: whatever misses a bound is accepted all the same")
    if notes:
        page.text("; ".join(notes), "  ")
    page.gap()


def connection_page(found: dict[str, Any], page: Page) -> list[str]:
    """The ladder of a connection."""
    icmp = found["proto"] in ("icmp", "icmpv6")
    ports = found["proto"] in ("tcp", "udp", "udplite", "sctp")
    src = endpoint(found["src"], found["sport"] if ports else None)
    dst = endpoint(found["dst"], found["dport"] if ports else None)
    extra = f" type {found['dport'] >> 8} id {found['sport']}" if icmp else ""
    entries = found["entries"]
    title = f"{found['proto']} {src} -> {dst}{extra}"
    numbers = ", ".join(str(one["conn_id"]) for one in entries)
    page.head(f"Connection {numbers}: {title}" if entries else f"{title}: no entry was ever made for it")
    sent, back = found["packets"]["original"], found["packets"]["reply"]
    page.text(
        f"{sent:,} packets {found['bytes']['original']:,} bytes original, "
        f"{back:,} packets {found['bytes']['reply']:,} bytes reply"
    )
    for one in entries:
        text = f"{show(one['from_ts_ns'])}"
        if "to_ts_ns" in one:
            text += f" to {show(one['to_ts_ns'])} ({lasting(one['to_ts_ns'] - one['from_ts_ns'])})"
            text += f", {one['end_reason']}" + (f" in {one['state']}" if one.get("state") else "")
        else:
            text += f" to the end of the capture, {one.get('timeout_left_s', 0):.1f} s left"
        page.label(f"Entry {one['conn_id']}", text)
        if one["expected_by"]:
            page.label("Expected", because(one["expected_by"]))
        page.label("Ended by", one["ended_by"])
    if found["other_entries"]:
        others = ", ".join(str(number) for number in found["other_entries"][:10])
        page.label("Same tuple", f"entries {others}")
    for one in found["longest_idle"]:
        page.label("Idle", f"{lasting(one['idle_ns'])} before packet {one['before_packet']}")
    for one in found["oddities"]:
        span = f"packet {one['packet']}"
        if one["count"] > 1:
            span = f"{one['count']} packets, {one['packet']} to {one['last_packet']}"
        page.label("Odd", f"{one['text']} ({span})")
    page.gap()
    ladder(found, page)
    page.gap()
    page.label("Wireshark", found["wireshark"])
    if found["wireshark_frames"]:
        page.label("", found["wireshark_frames"])
    return page.lines


def ladder(found: dict[str, Any], page: Page) -> None:
    """Packets and transitions in order: time since the first one, number, direction, what, what came of it."""
    if not found["ladder"]:
        page.text("No packet of it is in the capture.")
        return
    start = found["ladder"][0]["ts_ns"]
    page.line(f"{'seconds':>12} {'packet':>8}", _DIM)
    for item in found["ladder"]:
        clock = f"{(item['ts_ns'] - start) / _SECOND:>12.6f}"
        between = " " * 28
        if item["kind"] == "packet":
            rung(item, clock, found["proto"], page)
        elif item["kind"] == "folded":
            count = item["original"] + item["reply"]
            plain = f"{count:,} more packets ({item['original']:,} ->, {item['reply']:,} <-), {item['bytes']:,} bytes"
            if item["max_gap_ns"] >= _SECOND:
                plain += f", at most {lasting(item['max_gap_ns'])} apart"
            if item["notable"]:
                plain += f", {item['notable']} of them notable"
            page.text(plain, between, f"{clock}        :       ", _DIM)
        elif item["kind"] == "idle":
            text = f"idle for {lasting(item['idle_ns'])}"
            if item["left_ns"] is not None:
                text += f", {lasting(item['left_ns'])} before the timeout"
            page.text(text, between, f"{'':>12}        .       ", _DIM)
        else:
            state = f" in {item['state']}" if item["state"] else ""
            went, why = "expired", ""
            if item["kind"] == "evicted":
                went = "evicted"
                why = f" for packet {item['for_packet']}" if item["for_packet"] else " because the table was full"
            elif item["kind"] == "ended":
                went, gone = "ended", item["reason"] == "master_gone"
                why = " with its control connection" if gone else f" by packet {item['by_packet']}"
            text = f"entry {item['conn_id']} {went}{state}{why}, {lasting(item['idle_ns'])} after the last packet"
            page.text(text, between, f"{clock}        x       ", _BOLD)
    if found["folded"]:
        page.text("--all shows every packet.", "", " " * 28)


def rung(item: dict[str, Any], clock: str, proto: str, page: Page) -> None:
    """One packet."""
    arrow = "->" if item["direction"] == "original" else "<-"
    what = item["what"] or proto
    if item["payload"]:
        what += f" {item['payload']:,} B"
    line = f"{clock} {item['packet']:>8} {arrow} {what:<18} "
    style = _RED if item["verdict"] == "INVALID" else _YELLOW if "ignored" in item["verdict"] else ""
    pieces = textwrap.wrap(
        outcome(item), max(page.width - len(line), 20), break_long_words=False, break_on_hyphens=False
    )
    page.line(line + (pieces[0] if pieces else ""), style)
    for piece in pieces[1:]:
        page.line(" " * len(line) + piece, style)


def outcome(item: dict[str, Any]) -> str:
    """What came of a packet; that it belongs to an established connection goes without saying."""
    words = []
    new = False
    for event in item["happened"]:
        if event["event"] == "DESTROY":
            words.append(f"entry {event['conn_id']} destroyed")
        elif event["event"] == "NEW":
            new = True
            words.append(f"{item['verdict']} entry {event['conn_id']}")
    if item["verdict"] == "INVALID" or "ignored" in item["verdict"]:
        words.append("INVALID" if item["verdict"] == "INVALID" else "ignored")
    elif not new and item["verdict"] != "ESTABLISHED":
        words.append(item["verdict"])
    if item["reason"] and words and words[-1] in ("INVALID", "ignored"):
        margin = f" by {item['margin']:,}" if item["margin"] else ""
        words[-1] += f": {item['reason']}{margin}"
    elif item["reason"]:
        words.append(item["reason"])
    if item["state"]:
        before = item["state_before"]
        words.append(f"{before} -> {item['state']}" if before and before != item["state"] else item["state"])
    marks = [one for event in item["happened"] for one in event["changes"] if one in ("assured", "seen_reply")]
    words += [{"seen_reply": "replied"}.get(mark, mark) for mark in dict.fromkeys(marks)]
    if item["timeout_s"] is not None and item["refreshed"]:
        words.append(f"{item['timeout_s']:.15g} s")
    return ", ".join(words)
