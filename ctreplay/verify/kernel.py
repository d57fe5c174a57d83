"""The kernel's side: writes packets into the namespace and reads what conntrack made of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import clock, conntrack, namespace, rules
from .errors import CannotVerify
from .expectations import Expectations
from .fragments import FragmentQueues
from .packets import SCTP, TCP, UDP, Prepared, prepare, seal

NS = clock.NS
PARK_S = 2_000_000  # far enough for every capture; above it there is no timeout that a user would set
_PARKED_MS = 1_900_000_000
_FIN_OR_RST = 0x05
_ASSURED, _DYING = 0x4, 0x200
_FLOOR_S = 120  # an out-of-window FIN or RST only shortens timeouts of at least this much
_SOON_S, _LATE_S = 1.985, 2.012  # a real age in between may be on either side of the kernel's tick


@dataclass(slots=True)
class Entry:
    """The shadow of one entry: what the kernel says, and the deadline in the capture's time."""

    number: int
    ident: int
    family: int
    orig: bytes
    key: tuple[int, bytes, int, bytes, int]
    reply_key: tuple[int, bytes, int, bytes, int]
    status: int
    state: str | None
    created_ts: int
    created_real: float
    counters: list[int]
    helper: str | None = None
    master: int | None = None


class Kernel:
    """One replay. Raises CannotVerify when the namespace does not behave as planned."""

    def __init__(
        self,
        sysctls: dict[str, int | str],
        helpers: Sequence[tuple[str, int, int]] = (),
        started: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = started
        settings: tuple[tuple[str, int], ...] = (
            ("net.netfilter.nf_conntrack_acct", 1),
            ("net.netfilter.nf_conntrack_events", 1),
            ("net.netfilter.nf_conntrack_log_invalid", 255),
            ("net.ipv4.ipfrag_time", 36000),
            ("net.ipv4.ipfrag_high_thresh", 1 << 28),
            ("net.netfilter.nf_conntrack_frag6_timeout", 36000),
        )
        for name, number in settings:
            namespace.sysctl(name, number)
        frag_timeout = [30, 60]
        for name, value in sysctls.items():
            full = name if "." in name else f"net.netfilter.{name}"
            if full == "net.ipv4.ipfrag_time":
                frag_timeout[0] = int(value)
            elif full == "net.netfilter.nf_conntrack_frag6_timeout":
                frag_timeout[1] = int(value)
            else:
                if "_timeout" in full and not 0 < int(value) < _PARKED_MS // 1000:
                    # gone before it can be asked for, or taken for parked
                    longest = _PARKED_MS // 1000 - 1
                    raise CannotVerify(f"{name}={value}: only timeouts of 1 to {longest} s can be judged")
                namespace.sysctl(full, value)
        self.tun = namespace.device()
        try:
            rules.install(helpers)
            self.log = rules.Log()
            self.ct = conntrack.Conntrack()
        except CannotVerify:
            raise
        except Exception as error:  # pyroute2 has errors of its own
            raise CannotVerify(f"nf_tables, nfnetlink_log or ctnetlink are not there ({error})") from None
        self.fragments = FragmentQueues(*frag_timeout)
        self.expectations = Expectations(self.ct) if helpers else None
        self.deadlines = clock.Deadlines()
        self.entries: dict[int, Entry] = {}
        self.by_ident: dict[int, Entry] = {}
        self.by_key: dict[tuple[int, bytes, int, bytes, int], Entry] = {}
        self.verifies_checksums = namespace.sysctl_value("net.netfilter.nf_conntrack_checksum") != 0
        self._pieces: dict[object, tuple[tuple[int, bytes, int, bytes, int], int]] = {}
        self.created = 0
        names = os.listdir("/proc/sys/net/netfilter")
        timeouts = {n: namespace.sysctl_value(f"net.netfilter.{n}") for n in names if "_timeout" in n}
        self._unacknowledged = timeouts["nf_conntrack_tcp_timeout_unacknowledged"]
        self.udp = timeouts["nf_conntrack_udp_timeout"], timeouts["nf_conntrack_udp_timeout_stream"]
        used = {*timeouts.values(), *(v - 1 for v in timeouts.values())}
        self._short = next(s for s in range(_FLOOR_S - 10, 1, -1) if s not in used)
        self._self_test()

    def _self_test(self) -> None:
        samples = (
            "4500001c00010000401100000a0101010a01010203e903ea00080000",
            "600000000008114020010db800000000000000000000000120010db800000000000000000000000203e903ea00080000",
        )
        checksum = namespace.sysctl_value("net.netfilter.nf_conntrack_checksum")
        namespace.sysctl("net.netfilter.nf_conntrack_checksum", 0)
        for version, sample in zip((4, 6), samples, strict=True):
            packet = prepare(bytes.fromhex(sample))
            packet.bad_header = False
            answer = self.replay(0, packet)
            if answer.get("ctstate") != "NEW" or answer.get("refreshed") != self.udp[0] or not answer.get("conn"):
                raise CannotVerify(f"the IPv{version} self-test failed: this kernel answered {answer}")
        for entry in list(self.entries.values()):
            self._expire(entry)
        self.created = 0
        namespace.sysctl("net.netfilter.nf_conntrack_checksum", checksum)

    def expire(self, ts: int) -> dict[str, Any]:
        """Delete entries and expectations whose deadline has passed, in the order of their deadlines; of one instant
        expectations first."""
        passed = [(deadline, 1, number) for deadline, number in self.deadlines.passed(ts)]
        if self.expectations is None:
            for _, _, number in passed:
                self._expire(self.entries[number])
            return {"expired": [[number, deadline] for deadline, _, number in passed]} if passed else {}
        passed += [(deadline, 0, number) for deadline, number in self.expectations.deadlines.passed(ts)]
        expired, killed, unused = [], [], []
        for deadline, is_entry, number in sorted(passed):
            if not is_entry:
                if self.expectations.expire(number):
                    unused.append([number, deadline, "timeout"])
            elif number in self.entries:
                self._expire(self.entries[number])
                expired.append([number, deadline])
                events, announced = self.ct.events()  # what went with it
                for seen in events:
                    if (gone := self._event(seen, deadline, 0.0)) is not None:
                        killed.append([gone.number, deadline])
                rows = self.expectations.take(announced, deadline, self._number_of)
                unused += [[row[1], deadline, "master_gone"] for row in rows]
        ended = {"expired": expired, "killed": killed, "unused": unused}
        return {name: rows for name, rows in ended.items() if rows}

    def _expire(self, entry: Entry) -> None:
        self.ct.delete(entry.family, entry.orig)
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self.deadlines.drop(entry.number)
        self.entries.pop(entry.number, None)
        if self.by_ident.get(entry.ident) is entry:
            del self.by_ident[entry.ident]
        for key in (entry.key, entry.reply_key):
            if self.by_key.get(key) is entry:
                del self.by_key[key]

    def replay(self, ts: int, packet: Prepared) -> dict[str, Any]:
        """Hand one packet to the kernel and say what happened. Entries whose deadline has passed go first."""
        ended = self.expire(ts)
        key, flags = self._first_piece(packet)
        live = self.by_key.get(key)
        short = self._show_short_timeout(live, flags, ts)
        count = 0
        if packet.fragment:
            self.fragments.before(packet, ts)
            count = self.fragments.count(packet.family)
        before = self._now()
        try:
            os.write(self.tun, seal(packet, self.verifies_checksums))
        except OSError as error:
            raise CannotVerify(f"the TUN device refused a packet of {len(packet.raw)} bytes: {error}") from None
        answer = self._read(ts, packet, before, live, short)
        if short is not None and short.number in self.entries:
            # also when the datagram is not of the connection that its first piece named
            self.ct.set_timeout(short.family, short.orig, PARK_S)
        answer.update(ended)
        if packet.fragment:
            tracked = answer["ctstate"] is not None
            answer["absorbed"] = not tracked
            itself = tracked and self.log.head[: packet.ident_at + 4] == packet.raw[: packet.ident_at + 4]
            self.fragments.after(packet, ts, count, tracked and not itself, itself)
        return answer

    def _first_piece(self, packet: Prepared) -> tuple[tuple[int, bytes, int, bytes, int], int]:
        """Tuple and TCP flags, for a fragment those of the datagram's first piece (any, when they come later)."""
        if not packet.fragment:
            return packet.key, packet.flags
        datagram = packet.src, packet.dst, packet.ident
        if packet.offset == 0:
            flags = packet.flags if len(packet.raw) >= packet.l4 + 14 else _FIN_OR_RST
            self._pieces[datagram] = packet.key, flags
        return self._pieces.get(datagram, (packet.key, 0))

    def _show_short_timeout(self, entry: Entry | None, flags: int, ts: int) -> Entry | None:
        """Conntrack reads the remaining time of an assured entry when a FIN or RST is out of window. A parked timeout
        looks long; where it is short in the capture's time the kernel must see a short one."""
        if entry is None or entry.key[0] != TCP or not flags & _FIN_OR_RST or not entry.status & _ASSURED:
            return None
        left = self.deadlines.get(entry.number) - ts
        if left >= _FLOOR_S * NS and left > self._unacknowledged * NS:
            return None
        self.ct.set_timeout(entry.family, entry.orig, self._short)
        return entry

    def _read(self, ts: int, packet: Prepared, real: float, live: Entry | None, short: Entry | None) -> dict[str, Any]:
        state = direction = None
        reached_ms = left_ms = None
        ident = 0
        why = []
        for ours, prefix, mark in self.log.read():
            if not ours:
                why.append(prefix.strip())
            elif prefix == rules.BEFORE:
                reached_ms = mark
            elif prefix == rules.AFTER:
                left_ms = mark
            else:
                state, _, direction = prefix.partition(" ")
                ident = mark
        answer: dict[str, Any] = {"ctstate": state}
        if why:
            answer["why"] = why
        if direction:
            answer["direction"] = direction
        entry = self.by_ident.get(ident) if ident else None
        old_status = entry.status if entry else 0
        events, announced = self.ct.events()
        for seen in events:
            touched = self._event(seen, ts, real)
            if seen.event == "NEW":
                entry = touched
            answer.setdefault("events", []).append(
                [seen.event, touched.number if touched else None, seen.state, seen.status, seen.counters]
            )
        if reached_ms is not None and left_ms is None:
            answer["dropped"] = True
        if announced and self.expectations is not None:
            answer["expectations"] = self.expectations.take(announced, ts, self._number_of)
        if entry is None:
            if state in ("NEW", "RELATED", "ESTABLISHED") and reached_ms is None:
                answer["unconfirmed"] = True
            elif state == "INVALID" and live is not None:
                self._look_at(answer, live, ts, short)
            return answer
        answer["conn"] = entry.number
        if packet.proto == UDP and self._doubtful(entry, ts, real, old_status):
            answer["doubt"] = True
        if entry.number not in self.entries:  # destroyed by this very packet
            answer.update(status=entry.status, state=entry.state, counters=entry.counters)
            return answer
        self._refresh(answer, entry, ts, left_ms, reached_ms, short)
        if self.expectations is not None and entry.helper:
            answer.setdefault("expectations", []).extend(self.expectations.park(ts))
        return answer

    def _refresh(
        self,
        answer: dict[str, Any],
        entry: Entry,
        ts: int,
        left_ms: int | None,
        reached_ms: int | None,
        short: Entry | None,
    ) -> None:
        seen = self.ct.get(entry.family, entry.orig)
        if seen is None:
            raise CannotVerify("an entry vanished between two requests; the machine is too busy to referee")
        entry.status, entry.state = seen.status, seen.state
        entry.counters = seen.counters or entry.counters
        entry.helper = seen.helper
        parked = left_ms is not None and (
            abs(left_ms - self._short * 1000) < 900 if short is entry else left_ms > _PARKED_MS
        )
        if left_ms is None:  # refused after conntrack, by the IP layer or a helper: only whole seconds are to be had
            parked = seen.timeout is not None and (
                seen.timeout in (self._short, self._short - 1) if short is entry else seen.timeout > _PARKED_MS / 1000
            )
            whole_s = -(-reached_ms // 1000) if reached_ms is not None else (seen.timeout or 0) + 1
            if seen.timeout not in (whole_s, whole_s - 1):  # the helper set another one before it refused
                whole_s = ((seen.timeout or 0) + 9) // 10 * 10
            left_ms = whole_s * 1000
        if not parked:
            seconds = -(-left_ms // 1000)
            self.deadlines.set(entry.number, ts + seconds * NS)
            answer["refreshed"] = seconds
            self.ct.set_timeout(entry.family, entry.orig, PARK_S)
        answer.update(
            status=entry.status,
            state=entry.state,
            counters=entry.counters,
            left_ns=self.deadlines.get(entry.number) - ts,
            helper=entry.helper,
            master=entry.master,
        )

    def _look_at(self, answer: dict[str, Any], live: Entry, ts: int, short: Entry | None) -> None:
        """An INVALID packet can change the live entry with its tuple (SCTP states, the FIN/RST rule)."""
        if live.key[0] not in (TCP, SCTP):
            return
        answer["tuple_conn"] = live.number
        seen = self.ct.get(live.family, live.orig)
        if seen is None or seen.timeout is None:
            return
        live.status, live.state = seen.status, seen.state
        answer["state"] = live.state
        if live is short:
            untouched = seen.timeout in (self._short, self._short - 1)
        else:
            untouched = seen.timeout > _PARKED_MS / 1000
        if not untouched:
            seconds = self._unacknowledged if seen.timeout + 1 == self._unacknowledged else seen.timeout
            self.deadlines.set(live.number, ts + seconds * NS)
            answer["lowered"] = seconds
            self.ct.set_timeout(live.family, live.orig, PARK_S)
        answer["left_ns"] = self.deadlines.get(live.number) - ts

    def _event(self, seen: conntrack.View, ts: int, real: float) -> Entry | None:
        if seen.event == "NEW":
            self.created += 1
            key, reply = conntrack.tuple_key(seen.orig), conntrack.tuple_key(seen.reply)
            entry = Entry(
                self.created, seen.ident, seen.family, seen.orig, key, reply, seen.status, seen.state, ts, real,
                [0, 0, 0, 0], master=self._number_of(seen.master) if seen.master else None,
            )  # fmt: skip
            self.entries[entry.number] = self.by_ident[seen.ident] = entry
            self.by_key[key] = self.by_key[reply] = entry
            return entry
        known = self.by_ident.get(seen.ident)
        if known is None:
            return None
        known.status = seen.status & ~_DYING
        if seen.state is not None:
            known.state = seen.state
        if seen.event == "DESTROY":
            known.counters = seen.counters or known.counters
            self._forget(known)
        return known

    def _doubtful(self, entry: Entry, ts: int, real: float, old_status: int) -> bool:
        """True when the kernel's clock and the capture's may disagree about UDP's two seconds."""
        if not old_status & 0x2 or entry.created_ts == ts:
            return False
        latest, earliest = self._now() - entry.created_real, real - entry.created_real
        if ts - entry.created_ts > clock.STREAM_NS:
            return earliest < _LATE_S
        return latest > _SOON_S

    def _number_of(self, orig: bytes) -> int | None:
        """The number of the entry with this original tuple."""
        entry = self.by_key.get(conntrack.tuple_key(orig))
        return entry.number if entry else None

    def leftovers(self, ts: int) -> list[dict[str, Any]]:
        """The table after the last packet, with the time left. Raises CannotVerify if kernel and shadow disagree."""
        idents = {seen.ident for seen in self.ct.dump()}
        if idents != set(self.by_ident):
            raise CannotVerify(
                f"the kernel's table ({len(idents)} entries) and the referee's shadow ({len(self.by_ident)}) differ"
            )
        if self.expectations is not None and {one.ident for one in self.expectations.dump()} != set(
            self.expectations.by_ident
        ):
            raise CannotVerify("the kernel's expectations and the referee's shadow of them differ")
        rows = []
        for e in self.entries.values():
            deadline = self.deadlines.get(e.number)
            row: dict[str, Any] = {"conn": e.number, "left_ns": max(0, deadline - ts), "state": e.state}
            row |= {"status": e.status, "counters": e.counters}
            if deadline <= ts:
                row["expired_ns"] = deadline
            rows.append(row)
        return rows
