"""`list --at` at random instants against the kernel's own table, as its recorder wrote it down."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any

import pytest

from ctreplay.cli.tables import table_at
from ctreplay.text.flow import Flow
from ctreplay.timetravel.origin import find
from tests.conftest import SHARED

NAMES = (
    "sip_rtp_1567s.pcap",
    "chat_app_3954s_keepalive.pcap",
    "windows_domain_4629s.pcapng",
    "tcp_six_syns.pcap",
    "sctp_forces_263s_sll.pcap",
    "stun_signal_icmp_errors.pcapng",
    "icmp_echo_10k_one_flow.pcap",
    "snmp_walk_one_flow.pcap",
    "http_asymmetric_one_side.pcapng",
    "vpn_timestamps_backwards_547s.pcap",
)
INSTANTS = 50
BITS = {"EXPECTED": 1, "SEEN_REPLY": 2, "ASSURED": 4, "CONFIRMED": 8}
Table = dict[Any, tuple[Any, ...]]


def key(ct: dict[str, Any]) -> tuple[Any, ...]:
    orig = ct["orig"]
    two = [orig.get("sport"), orig.get("dport")]
    if "type" in orig:
        two = [orig["id"], orig["type"] << 8 | orig["code"]]
    return orig["src"], orig["dst"], orig["proto"], two[0] or 0, two[1] or 0


def tables(truth: list[dict[str, Any]], instants: list[int]) -> list[Table]:
    """The kernel's table at each instant (ascending): deadlines follow from each refresh."""
    live: dict[int, tuple[dict[str, Any], int]] = {}
    found = []
    ahead = list(instants)

    def stop_at(ts: int) -> None:
        while ahead and ahead[0] < ts:
            moment = ahead.pop(0)
            found.append(
                {
                    key(ct): (
                        (ct.get("tcp") or ct.get("sctp") or {}).get("state"),
                        sum(BITS.get(name, 0) for name in ct["status"]),
                        [n for pair in ct["counters"] for n in pair],
                        (deadline - moment) // 10**9,
                    )
                    for ct, deadline in live.values()
                    if deadline > moment
                }
            )

    clock = 0
    for row in truth:
        if row["type"] != "packet":
            continue
        stop_at(row["ts_ns"])
        clock = max(clock, row["ts_ns"])
        for gone in row.get("expired", ()):
            live.pop(gone.get("conn"), None)
        for event in row.get("events", ()):
            if event["ev"] == "DESTROY":
                live.pop(event["conn"], None)
        conn = row.get("conn")
        if "lowered_timeout" in row and row.get("tuple_conn") in live:
            live[row["tuple_conn"]] = live[row["tuple_conn"]][0], clock + row["lowered_timeout"] * 10**9
        if conn is None or "ct" not in row or "CONFIRMED" not in row["ct"]["status"]:
            continue
        known = live.get(conn)
        deadline = clock + row["timeout"] * 10**9 if row["refreshed"] or known is None else known[1]
        live[conn] = row["ct"], deadline
    stop_at(1 << 62)
    return found


def ours(flow: Flow) -> tuple[Any, ...]:
    return flow.state, flow.status, list(flow.counters or ()), flow.timeout


@pytest.mark.parametrize("name", NAMES)
def test_table_at_random_instants(name: str) -> None:
    path = SHARED / "truth" / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"needs {path.name} in ../shared/truth")
    with gzip.open(path, "rt") as file:
        truth = [json.loads(line) for line in file]
    packets = [row for row in truth if row["type"] == "packet"]
    first, last = (edge(row["ts_ns"] for row in packets) for edge in (min, max))
    chance = random.Random(name)
    instants = sorted(chance.randint(first, last + (last - first) // 10) for _ in range(INSTANTS - 2))
    instants = sorted([*instants, first, last])
    origin = find([SHARED / "pcaps" / name], {})
    unrouted = {
        frozenset((p.get("src"), p.get("dst")))
        for p in packets
        if p.get("path") == "unrouted" or p["state"] == "not_seen"
    }
    compared = 0
    for moment, kernel in zip(instants, tables(truth, instants), strict=True):
        flows, _ = table_at(origin, f"{moment}ns")
        found = {
            (f.src, f.dst, f.proto, f.sport, f.dport): ours(f)
            for f in flows
            if frozenset((f.src, f.dst)) not in unrouted
        }
        wanted = {k: v for k, v in kernel.items() if frozenset(k[:2]) not in unrouted}
        assert found == wanted, f"{name} at {moment}"
        compared += len(found)
    assert compared
