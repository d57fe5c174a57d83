"""The process inside the namespace: packets in on stdin, one JSON answer per packet out on stdout.

A process of its own because a user namespace needs a single-threaded one, and because its end is the end of the
namespace, its device, rules and table.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import time
from typing import Any, BinaryIO

from .errors import CannotVerify

FRAME = struct.Struct("<qqI")  # number, time in ns, length of the IP packet that follows


def _say(out: BinaryIO, row: dict[str, Any]) -> None:
    out.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def _read(stdin: BinaryIO) -> list[tuple[int, int, bytes]]:
    found = []
    while len(head := stdin.read(FRAME.size)) == FRAME.size:
        number, ts, size = FRAME.unpack(head)
        found.append((number, ts, stdin.read(size)))
    return found


def run(stdin: BinaryIO, out: BinaryIO) -> None:
    """One replay. Raises CannotVerify."""
    from . import clock, namespace
    from .kernel import Kernel
    from .packets import UDP, StandIns, Unfit, addresses, prepare, readdress

    options = json.loads(stdin.readline())
    release = namespace.enter()
    helpers = [(name, proto, port) for name, proto, port in options["helpers"]]
    kernel = Kernel(options["sysctls"], helpers)
    _say(out, {"type": "kernel", "release": release})
    out.flush()
    fit, unfit = [], {}
    now = -(1 << 62)
    for number, ts, data in _read(stdin):
        now = max(now, ts)  # a packet older than the clock is worked at the clock's time
        try:
            fit.append((number, now, prepare(data)))
        except Unfit as error:
            unfit[number] = str(error)
    stand_ins = StandIns({address for _, _, packet in fit for address in addresses(packet)})
    readdressed = set()
    for number, _, packet in fit:
        own = packet.src, packet.dst
        readdress(packet, stand_ins)
        if helpers and own != (packet.src, packet.dst):
            readdressed.add(number)
        kernel.fragments.present.add(packet.ident)
    lasting = {port: clock.LASTING_S[name] for name, proto, port in helpers if proto == UDP and name in clock.LASTING_S}
    old, young = clock.constraints(
        [(ts, packet) for _, ts, packet in fit], *kernel.udp, kernel.verifies_checksums, lasting
    )
    plan = clock.schedule([ts for _, ts, _ in fit], old, young)
    timed = {index for index, _ in old} | {first for _, first in old + young}
    _say(out, {"type": "plan", "seconds": round(plan[-1], 1) if plan else 0.0})
    out.flush()
    for number, reason in unfit.items():
        _say(out, {"type": "packet", "packet": number, "unfit": reason})
    began = time.monotonic()
    shift = 0.0
    flush_at = began
    firsts: dict[int, list[int]] = {}
    for index, first in old:
        firsts.setdefault(index, []).append(first)
    real: dict[int, float] = {}
    for index, (number, ts, packet) in enumerate(fit):
        if index in timed:
            due = began + shift + plan[index]
            for first in firsts.get(index, ()):
                due = max(due, real[first] + 2.03)
            wait = due - time.monotonic()
            if wait > 0:
                out.flush()
                time.sleep(wait)
            else:
                shift -= wait  # late: what follows keeps its distance
            real[index] = time.monotonic()
        answer = kernel.replay(ts, packet)
        answer["type"], answer["packet"] = "packet", number
        if number in readdressed:
            answer["stand_in"] = True
        _say(out, answer)
        if time.monotonic() - flush_at > 0.5:
            out.flush()
            flush_at = time.monotonic()
    if helpers:
        _say(out, {"type": "ended", **kernel.expire(now)})
    for row in kernel.leftovers(now):
        _say(out, {"type": "entry", **row})
    _say(out, {"type": "end"})


def main() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    del soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    out = sys.stdout.buffer
    try:
        run(sys.stdin.buffer, out)
    except CannotVerify as error:
        _say(out, {"type": "cannot", "reason": str(error)})
        out.flush()
        return 2
    out.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
