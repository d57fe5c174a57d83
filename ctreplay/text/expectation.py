"""Expectations in the lines of `conntrack -L expect` and of /proc/net/nf_conntrack_expect (spec section 10.6)."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ctreplay.dataset.addresstext import address_text
from ctreplay.dataset.expectation_rows import flags_text
from ctreplay.helpers.expectations import ALL, Expectation
from ctreplay.text.flow import Flow, transport
from ctreplay.text.line import EVENTS, in_full, stamped
from ctreplay.tracker import codes

_SECOND = 1_000_000_000
_GRE = 47
# only the classes of this helper have names
_CLASSES = {"sip": ("signalling", "audio", "video", "image")}


def left(exp: Expectation, now: int) -> int:
    """Whole seconds until it expires."""
    return max((exp.deadline - now) // _SECOND, 0)


def line(exp: Expectation, now: int) -> str:
    """One expectation as conntrack prints it."""
    family, master = exp.family, exp.master
    everything = address_text(ALL, family)
    parts = [
        f"{left(exp, now)} proto={exp.proto}",
        f"src={address_text(exp.src, family)} dst={address_text(exp.dst, family)}",
        _part(exp.proto, exp.sport, exp.dport),
        f"mask-src={address_text(exp.src_mask, family)} mask-dst={everything}",
        _part(exp.proto, exp.sport_mask, 0xFFFF),
        f"master-src={address_text(master.src_hi << 64 | master.src_lo, family)}",
        f"master-dst={address_text(master.dst_hi << 64 | master.dst_lo, family)}",
        " ".join(f"{name}={value}" for name, value in transport(master.proto, master.sport, master.dport)),
    ]
    flags = flags_text(exp.flags)
    if flags:
        parts.append(flags)
    parts += [f"class={exp.kind}", f"helper={exp.helper}"]
    return " ".join(parts)


def event(kind: str, exp: Expectation, options: Container[str], ts: int) -> str:
    """One line of `conntrack -E expect`; with `timestamp` in the options its time comes first, in microseconds."""
    return stamped(EVENTS[kind] + line(exp, ts), options, ts)


def _part(proto: int, one: int, two: int) -> str:
    form = "{}={:#x}" if proto == _GRE else "{}={}"
    return " ".join(form.format(name, value) for name, value in transport(proto, one, two))


def proc(exp: Expectation, now: int) -> str:
    """One line of /proc/net/nf_conntrack_expect."""
    flags = flags_text(exp.flags)
    ports = _part(exp.proto, exp.sport, exp.dport)
    src, dst = (in_full(address_text(one, exp.family)) for one in (exp.src, exp.dst))
    kind = f"/{_CLASSES[exp.helper][exp.kind]}" if exp.helper in _CLASSES else ""
    return (
        f"{left(exp, now)} l3proto = {2 if exp.family == 4 else 10} proto={exp.proto} src={src} dst={dst} {ports} "
        f"{flags + ' ' if flags else ''}{exp.helper}{kind}"
    )


def expectation_object(exp: Expectation, now: int) -> dict[str, Any]:
    """Keys are named as the columns of expectations.parquet."""
    return {
        "expectation_id": exp.number,
        "master_conn_id": exp.master.conn_id,
        "helper": exp.helper,
        "class": exp.kind,
        "flags": flags_text(exp.flags),
        "proto": codes.PROTOCOLS.get(exp.proto, str(exp.proto)),
        "src": address_text(exp.src, exp.family),
        "src_mask": address_text(exp.src_mask, exp.family),
        "sport": exp.sport,
        "sport_mask": exp.sport_mask,
        "dst": address_text(exp.dst, exp.family),
        "dport": exp.dport,
        "timeout_s": left(exp, now),
        "created_ts_ns": exp.created_ts,
        "created_packet": exp.created_packet,
        "text": exp.text,
    }


def as_flow(exp: Expectation) -> Flow:
    """Its tuple as the filters see it."""
    src, dst = address_text(exp.src, exp.family), address_text(exp.dst, exp.family)
    return Flow(
        exp.number, exp.family, exp.proto, exp.zone, src, dst, exp.sport, exp.dport, dst, src, exp.dport, exp.sport, 0
    )
