"""Why one packet got its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ctreplay import reasons
from ctreplay.engine import PACKETS_ALL
from ctreplay.explain.announced import Announced, because
from ctreplay.explain.observe import Happened, Last, Step, Tuple, Watch
from ctreplay.explain.sentences import flag_names, gone_before, sentences
from ctreplay.explain.wireshark import conversation, frames
from ctreplay.explain.wording import wording
from ctreplay.timetravel.origin import Origin
from ctreplay.timetravel.travel import Travel
from ctreplay.tracker import codes

_U32 = 0xFFFFFFFF
_HALF = 0x80000000
_MIN_ACK_WINDOW = 66000
# of the packets without bounds in their verdict those that came as far as the window check
_CHECKED = frozenset(("", "expected", "helper_dropped", "tcp_liberal", "tcp_rst_not_exact"))
WHAT_IF = ("nf_conntrack_tcp_be_liberal", "nf_conntrack_tcp_loose", "nf_conntrack_tcp_ignore_invalid_rst")
Journey = Callable[..., Any]


def only(journey: Journey, origin: Origin, number: int) -> Last:
    """Replay up to packet `number` and look at that one alone."""

    def work(travel: Travel) -> Last:
        travel.to_packet(number - 1, number)
        travel.engine.level = PACKETS_ALL
        travel.to_packet(number)
        sink: Last = travel.engine.sink  # type: ignore[assignment]
        if sink.step is not None and len(travel.captures.inputs) > 1:
            sink.path = travel.captures.captures[sink.step.capture].path
        return sink

    found: Last = journey(origin, work, sink=Last)
    return found


def watched(
    journey: Journey, origin: Origin, one: Tuple, number: int
) -> tuple[Step | None, Happened | None, Watch, Announced]:
    """Packet `number` with what its connection was like before it, and what had announced which connection.

    Where no entry stood before it, also the end of the last one.
    """

    def work(travel: Travel) -> tuple[Step | None, Happened | None, Watch, Announced]:
        sink: Watch = travel.engine.sink  # type: ignore[assignment]
        announced = travel.helpers.table.journal = Announced(travel.helpers.observe)
        # the numbers as they stood before the packet, and who had set them
        travel.to_packet(number - 1, number)
        before = dict(sink.changed)
        found.clear()
        travel.to_packet(number)
        sink.changed, after = before, sink.changed
        sink.changed.update({name: after[name] for name in after if name not in before})
        return (found[-1] if found else None), (last[-1] if last else None), sink, announced

    found: list[Step] = []
    last: list[Happened] = []

    def take(item: Step | Happened) -> None:
        # what the packet itself did comes with its step
        here = isinstance(item, Step) and item.packet == number
        for happened in item.happened if isinstance(item, Step) else [item]:
            if not here and happened.event in ("NEW", "DESTROY"):
                last[:] = [happened] if happened.event == "DESTROY" else []
        if isinstance(item, Step):
            found.append(item)
            del found[:-1]

    answer: tuple[Step | None, Happened | None, Watch, Announced] = journey(
        origin, work, sink=lambda: Watch(one, take), level=PACKETS_ALL
    )
    return answer


def explain_packet(journey: Journey, origin: Origin, number: int) -> dict[str, Any]:
    """The whole answer, as `--json` gives it."""
    last = only(journey, origin, number)
    step, one = last.step, last.tuple
    assert step is not None
    watch = expected_by = gone = None
    if last.entry_tuple is not None:
        # directions are those of the entry
        one = last.entry_tuple
    if one is not None and not step.icmp_error:
        seen, gone, watch, announced = watched(journey, origin, one, number)
        step = seen or step
        expected_by = announced.by_child.get(step.conn_id or 0)
    with_ports = last.tuple is not None and step.proto in (6, 17, 132, 136)
    found: dict[str, Any] = {
        "packet": number,
        "ts_ns": step.ts,
        "capture": step.capture,
        "frame": step.frame,
        "file": last.path,
        "verdict": verdict(step),
        "ctstate": step.ctstate or None,
        "reason": step.reason or None,
        "class": step.kind if step.reason else None,
        "conn_id": step.conn_id,
        "tuple_conn_id": step.tuple_conn_id,
        "direction": codes.DIRECTIONS[step.direction] if step.conn_id or step.tuple_conn_id else None,
        "family": f"ipv{step.family}" if step.family else None,
        "proto": codes.PROTOCOLS.get(step.proto, str(step.proto)) if step.proto >= 0 else None,
        "src": step.src or None,
        "dst": step.dst or None,
        "sport": step.sport if with_ports else None,
        "dport": step.dport if with_ports else None,
        "length": step.length,
        "state_before": step.old_state,
        "state_after": step.state,
        "timeout_left_s": None if step.deadline is None else max(step.deadline - step.now, 0) / 1e9,
        "refreshed": step.refreshed,
        "icmp_message": step.icmp_message or None,
        "explanation": sentences(step, origin.sysctls),
        "expected_by": expected_by,
        "kernel_log": wording(step),
    }
    if expected_by and step.ctstate in ("NEW", "RELATED"):
        found["explanation"].append(because(expected_by) + ".")
    if gone is not None:
        found["explanation"].append(gone_before(gone, step.now))
        found["earlier_entry"] = {
            "conn_id": gone.conn_id, "state": gone.old_state, "end_ts_ns": gone.ts, "end_reason": gone.why,
        }  # fmt: skip
    if step.flags is not None:
        found["tcp"] = {
            "flags": flag_names(step.flags),
            "seq": step.seq,
            "end": step.seq_end,
            "ack": step.ack if step.flags & 0x10 else None,
            "sack": step.sack,
            "window": step.window,
            "payload": step.payload,
        }
        window = window_check(step, watch)
        if window is not None:
            found["window_check"] = window
        found["what_if"] = what_if(journey, origin, number, step)
    if step.src:
        ports = (step.sport, step.dport) if last.tuple is not None else None
        found["wireshark"] = conversation(step.family, step.proto, step.src, step.dst, ports)
    found["wireshark_frame"] = frames([step.frame])
    return found


def verdict(step: Step) -> str:
    """One word or two for the headline."""
    if step.kind == "undecodable":
        return "not tracked"
    if step.kind in ("dropped", "fragment"):
        return {"dropped": "dropped", "fragment": "held back"}[step.kind]
    if step.ctstate == "INVALID":
        return "INVALID"
    if step.kind == "ignored":
        return f"{step.ctstate}, ignored"
    return step.ctstate or "not tracked"


def window_check(step: Step, watch: Watch | None) -> dict[str, Any] | None:
    """The four bounds, what the packet had against them, and who set them; None where no window was known."""
    d, o = step.direction, 1 - step.direction
    before = step.before
    if step.bounds is not None and step.reason != "tcp_rst_below_max_ack":
        seq_low, seq_high, ack_low, ack_high = step.bounds
    elif step.reason in _CHECKED and before and before[f"maxwin{d}"] and before[f"maxwin{o}"]:
        seq_low = (before[f"end{d}"] - before[f"maxwin{o}"]) & _U32
        seq_high = before[f"maxend{d}"]
        ack_high = before[f"end{o}"]
        ack_low = (ack_high - max(before[f"maxwin{d}"], _MIN_ACK_WINDOW)) & _U32
    else:
        return None
    ack = step.sack if step.sack is not None else step.ack
    has_ack = bool((step.flags or 0) & 0x10)

    def setters(*names: str) -> list[dict[str, Any]]:
        known = watch.changed if watch is not None else {}
        return [{"field": _td(name), "packet": known[name][0], "to": known[name][2]} for name in names if name in known]

    rows: list[dict[str, Any]] = [
        {"bound": "seq at most", "value": seq_high, "packet_has": step.seq, "room": _signed(seq_high - step.seq),
         "set_by": setters(f"maxend{d}")},
        {"bound": "end at least", "value": seq_low, "packet_has": step.seq_end,
         "room": _signed(step.seq_end - seq_low), "set_by": setters(f"end{d}", f"maxwin{o}")},
    ]  # fmt: skip
    if has_ack:
        name = "sack" if step.sack is not None else "ack"
        rows += [
            {"bound": f"{name} at most", "value": ack_high, "packet_has": ack, "room": _signed(ack_high - ack),
             "set_by": setters(f"end{o}")},
            {"bound": f"{name} at least", "value": ack_low, "packet_has": ack, "room": _signed(ack - ack_low),
             "set_by": setters(f"end{o}", f"maxwin{d}")},
        ]  # fmt: skip
    for row in rows:
        row["ok"] = row["room"] >= 0
    liberal = bool(before.get(f"tflags{d}", 0) & 0x08)
    return {
        "bounds": rows,
        "scale": {"original": before.get("scale0"), "reply": before.get("scale1")},
        "liberal": liberal,
        "margin": step.margin or None,
    }


def _signed(value: int) -> int:
    value &= _U32
    return value - (1 << 32) if value >= _HALF else value


def _td(name: str) -> str:
    """The kernel's name of a number, with its direction: `td_maxend reply`."""
    return f"td_{name[:-1]} {codes.DIRECTIONS[int(name[-1])]}"


def what_if(journey: Journey, origin: Origin, number: int, step: Step) -> list[dict[str, Any]]:
    """The packet's verdict in replays that differ in one sysctl each."""
    found = []
    for name in WHAT_IF:
        value = 1 - origin.sysctls[name]
        other = replace(origin, sysctls=origin.sysctls | {name: value})
        seen = only(journey, other, number).step
        assert seen is not None
        same = (seen.ctstate, seen.reason, seen.state) == (step.ctstate, step.reason, step.state)
        found.append(
            {
                "sysctl": name,
                "value": value,
                "verdict": verdict(seen),
                "reason": seen.reason or None,
                "state_after": seen.state,
                "changes": not same,
                "meaning": reasons.MEANINGS[reasons.CODES[seen.reason]] if seen.reason else None,
            }
        )
    return found
