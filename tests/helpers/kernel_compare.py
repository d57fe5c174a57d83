"""Compares expectation events and helper assignments of a dataset with what the kernel did (oracle JSON lines).

usage: python -m tests.helpers.kernel_compare TRUTH.jsonl[.gz] DATASET

Compared in order: EXP_NEW, EXP_DESTROY, EXP_REFRESH with tuple, mask, master, class, flags (and, when new, refreshed
or expired, the timeout), by the packet that caused them or the instant of the timer, interleaved with the entries'
events; per packet ctstate, and helper, EXPECTED and HELPER of its entry. Exit 0 when nothing differs.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter, defaultdict
from typing import Any

import duckdb

PROTO = {"tcp": 6, "udp": 17, "gre": 47, "icmp": 1, "icmpv6": 58, "sctp": 132, "udplite": 136}
FLAGS = {"PERMANENT": 1, "INACTIVE": 2}
STATE = {"new": "NEW", "established": "ESTABLISHED", "related": "RELATED", "invalid": "INVALID"}


def load(path: str) -> list[dict[str, Any]]:
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt") as file:
        return [json.loads(line) for line in file]


def truth_event(e: dict[str, Any], *, timer: bool) -> tuple[Any, ...]:
    """One event of the oracle in comparable form."""
    if not e["ev"].startswith("EXP"):
        return (e["ev"],)
    t, m, k = e["tuple"], e["mask"], e["master"]
    timeout = e["timeout"] if e["ev"] != "EXP_DESTROY" else (0 if timer else None)
    return (
        e["ev"], t["proto"], t["src"], t["sport"], t["dst"], t["dport"], m["src"], m["sport"], e.get("helper"),
        e["class"], e["flags"], k["src"], k["sport"], k["dst"], k["dport"], timeout,
    )  # fmt: skip


def close_to(want: tuple[Any, ...], got: tuple[Any, ...]) -> tuple[Any, ...]:
    """The oracle reads timers in whole seconds, so one less where a tick came between; and the master of an
    expectation that was made by a dropped first packet has no row."""
    if len(want) == 1 or len(got) == 1:
        return want
    if got[11] is None:
        want = (*want[:11], None, None, None, None, want[15])
    if want[0] == got[0] and got[0] in ("EXP_NEW", "EXP_REFRESH") and want[15] == got[15] - 1:
        want = (*want[:15], got[15])
    return want


def compare(truth: str, dataset: str) -> tuple[dict[str, Any], list[Any]]:
    """Counts and the first differences."""
    rows = load(truth)
    db = duckdb.connect()
    at = dataset.rstrip("/") + "/"
    events: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    timers: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    frame_of = dict(db.execute(f"select packet, frame from '{at}packets.parquet'").fetchall())
    query = f"""
        with ct as (
            select transition_id as a, 0::bigint as b, packet, epoch_ns(ts) as ts, event, null as x, null as t,
                null as f, reason from '{at}transitions.parquet'
        ), exp as (
            select after_transition_id, event_id, packet, epoch_ns(ts), 'EXP_' || event, expectation_id, timeout_s,
                flags, reason from '{at}expectation_events.parquet' where event <> 'MATCH'
        )
        select * from ct union all select * from exp order by 1, 2
    """
    exps = {
        r[0]: r[1:]
        for r in db.execute(f"""
            select expectation_id, e.proto, e.src, e.sport, e.dst, e.dport, src_mask, sport_mask, e.helper, class,
                m.orig_src, m.orig_sport, m.orig_dst, m.orig_dport
            from '{at}expectations.parquet' e left join '{at}connections.parquet' m on m.conn_id = e.master_conn_id
        """).fetchall()
    }
    expiring = []
    for _, _, packet, ts, event, x, timeout, flags, _reason in db.execute(query).fetchall():
        row: tuple[Any, ...] = (event,)
        if x is not None:
            proto, *mid = exps[x]
            number = sum(FLAGS[name] for name in flags.split(",")) if flags else 0
            if event == "EXP_DESTROY":
                timeout = None if packet is not None else 0
            row = (event, PROTO.get(proto) or int(proto), *mid[:8], number, *mid[8:], timeout)
        if packet is None:
            timers[ts].append(row)
            expiring.append((ts, row))
        else:
            events[frame_of[packet]].append(row)
    packets = {
        r[0]: r[1:]
        for r in db.execute(f"""
            select frame, ctstate, c.helper, c.status, reason from '{at}packets.parquet' p
            left join '{at}connections.parquet' c using (conn_id)
        """).fetchall()
    }
    diffs: Counter[str] = Counter()
    examples: list[Any] = []

    def note(what: str, where: Any, want: Any, got: Any) -> None:
        diffs[what] += 1
        if len(examples) < 12:
            examples.append({"what": what, "at": where, "kernel": want, "ctreplay": got})

    want_expiring = []
    seen = 0
    for r in rows:
        if r["type"] != "packet" or r["state"] == "skipped":
            continue
        for e in r.get("expired", ()):
            # an expectation that goes with its master is stamped like its master
            row = truth_event(e, timer=e["cause"] == "timeout")
            if e["cause"] == "master":
                row = (*row[:-1], 0) if len(row) > 1 else row
            want_expiring.append((e["at_ns"], row))
        want = [truth_event(e, timer=False) for e in r.get("events", ())]
        got = events.get(r["i"], [])
        seen += sum(len(w) > 1 for w in want)
        # the oracle finds a refreshed timer only after the packet
        want.sort(key=lambda e: e[0] == "EXP_REFRESH")
        got.sort(key=lambda e: e[0] == "EXP_REFRESH")
        want = [close_to(w, g) for w, g in zip(want, got, strict=False)] + want[len(got) :]
        if want != got:
            note("events", r["i"], want, got)
        mine = packets.get(r["i"])
        if mine is None or r["state"] not in STATE:
            continue
        if mine[0] != STATE[r["state"]]:
            note("ctstate", r["i"], r["state"], mine[0])
        if (r.get("path") == "unrouted") != (mine[3] == "helper_dropped") and r.get("path") == "unrouted":
            note("dropped", r["i"], r.get("path"), mine[3])
        if mine[3] == "helper_dropped" and r.get("path") != "unrouted":
            note("dropped", r["i"], r.get("path"), mine[3])
        ct = r.get("ct")
        if ct and mine[2] is not None:
            status = {"EXPECTED": 1, "HELPER": 0x2000}
            for name, bit in status.items():
                if (name in ct["status"]) != bool(mine[2] & bit):
                    note(name, r["i"], ct["status"], mine[2])
            if ct.get("helper") != mine[1]:
                note("helper", r["i"], ct.get("helper"), mine[1])
    last = max((r["ts_ns"] for r in rows if r["type"] == "packet"), default=0)
    expiring = [x for x in expiring if x[0] <= last]
    # ties between unrelated timers have no order of their own: by what expired, then by when
    want_exp = sorted((w for w in want_expiring if len(w[1]) > 1), key=lambda x: (str(x[1][:8]), x[0]))
    got_exp = sorted((g for g in expiring if len(g[1]) > 1), key=lambda x: (str(x[1][:8]), x[0]))
    seen += len(want_exp)
    if want_exp != got_exp:
        for w, g in zip(want_exp, got_exp, strict=False):
            if abs(w[0] - g[0]) > (1_010_000_000 if w[1][8] == "sip" else 10_000_000) or close_to(w[1], g[1]) != g[1]:
                note("expired", w[0], w, g)
                break
        if len(want_exp) != len(got_exp):
            note("expired_count", None, len(want_exp), len(got_exp))
    return {"expectation_events": seen, "differences": dict(diffs)}, examples


if __name__ == "__main__":
    summary, shown = compare(sys.argv[1], sys.argv[2])
    print(json.dumps(summary))
    for example in shown:
        print(json.dumps(example))
    sys.exit(1 if summary["differences"] else 0)
