# ruff: noqa: E501 - one edit a line
"""Does a test notice when the model is wrong? `python tests/mutate.py [WORD…]`

Applies one small edit at a time to a copy of the model and runs its tests there, uncompiled. Prints the edits that no
test noticed and exits 1 when there are any. With words, only edits that hold one of them. Not part of the test run:
it takes some minutes.
"""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TCP, TABLE, SCTP, SCTP_TABLE = (f"tracker/proto/{name}.py" for name in ("tcp", "tcp_table", "sctp", "sctp_table"))
DATAGRAM, ICMP = "tracker/proto/datagram.py", "tracker/proto/icmp.py"
TRACKER, TIMERS, DEFRAG, QUEUES, LIMIT = (
    f"tracker/{name}.py" for name in ("tracker", "timers", "defrag", "queues", "limit")
)
SYSCTL, SETTINGS, OCCUPANCY, ENTRIES = (f"tracker/{name}.py" for name in ("sysctl", "settings", "occupancy", "table"))
CHECKSUM, LINK, RARE, NETWORK = (f"decode/{name}.py" for name in ("checksum", "link", "rare", "network"))
ENGINE = "engine.py"

# (file, what stands there once, what stands there instead)
EDITS: list[tuple[str, str, str]] = [
    (TABLE, '"SYNACK": "iv iv SR iv iv iv iv iv iv SR"', '"SYNACK": "iv iv SR ig iv iv iv iv iv SR"'),
    (TABLE, '"ACK":    "ES iv ES ES CW CW TW TW CL iv"', '"ACK":    "ES iv ES ES FW CW TW TW CL iv"'),
    (TABLE, '"ACK":    "iv ig SR ES CW CW TW TW CL ig"', '"ACK":    "iv ig ES ES CW CW TW TW CL ig"'),
    (TABLE, '"SYN":    "iv S2 iv iv iv iv iv SS iv S2"', '"SYN":    "iv S2 iv iv iv iv iv SS SS S2"'),
    (TABLE, "0x11, 0x31, 0x10, 0x30", "0x11, 0x31, 0x10, 0x30, 0x01"),
    (TABLE, "if flags & 0x37 in", "if flags & 0x3F in"),
    (TCP, "_MIN_ACK_WINDOW = 66000", "_MIN_ACK_WINDOW = 65536"),
    (TCP, "_MAX_SCALE = 14", "_MAX_SCALE = 15"),
    (TCP, "if p.doff < 20 or p.doff > p.l4_len", "if p.doff < 20 or p.doff >= p.l4_len"),
    (TCP, "(1 if syn else 0) + (p.flags & _FIN)", "(1 if syn else 0)"),
    (TCP, "a.maxend = (a.end + a.maxwin) & _U32", "a.maxend = a.end"),
    (TCP, "b.flags = _SACK_PERM | _LIBERAL", "b.flags = _SACK_PERM"),
    (TCP, "if new == _SYN_SENT and old >= _TIME_WAIT", "if new == _SYN_SENT and old > _TIME_WAIT"),
    (TCP, "(snd.flags | rcv.flags) & _CLOSE_INIT", "snd.flags & _CLOSE_INIT"),
    (TCP, "(e.last_dir == direction and e.last_index == _CLASS_RST)", "e.last_index == _CLASS_RST"),
    (TCP, "and e.last_dir != direction and p.ack == e.last_end", "and p.ack == e.last_end"),
    (TCP, "rcv.maxwin = e.last_win if e.last_win else 1", "rcv.maxwin = e.last_win"),
    (TCP, "liberal = snd.flags & _LIBERAL", "liberal = 0"),
    (TCP, "old == _LAST_ACK\n                and cls == _CLASS_ACK", "cls == _CLASS_ACK"),
    (TCP, "if direction == 1 and cls == _CLASS_ACK and e.last_flags & _SIMULTANEOUS", "if cls == _CLASS_ACK and e.last_flags & _SIMULTANEOUS and direction == 2"),
    (TCP, "if cls == _CLASS_SYN and p.direction == 0:", "if cls == _CLASS_SYN:"),
    (TCP, "if old == _LAST_ACK:\n                e.last_flags |= _CHALLENGE", "if old == _TIME_WAIT:\n                e.last_flags |= _CHALLENGE"),
    (TCP, "if old == _SYN_SENT and cls == _CLASS_ACK and p.direction == 1:\n            e.last_ack", "if False:\n            e.last_ack"),
    (TCP, "if _FIN_WAIT <= old <= _CLOSE:", "if _FIN_WAIT < old <= _CLOSE:"),
    (TCP, "if _FIN_WAIT <= old <= _CLOSE:", "if _FIN_WAIT <= old <= _SYN_SENT2:"),
    (TCP, "established = old == _ESTABLISHED and e.status & _ASSURED", "established = old == _ESTABLISHED"),
    (TCP, "if peer.flags & _MAXACK and e.last_index != _CLASS_SYN:", "if peer.flags & _MAXACK:"),
    (TCP, "if p.seq == 0 and not established:", "if p.seq == 0 and established:"),
    (TCP, "if before(p.seq, peer.maxack) and not", "if before(p.seq, (peer.maxack + 1) & _U32) and not"),
    (TCP, "if not established or p.seq == peer.maxack:", "if p.seq == peer.maxack:"),
    (TCP, "if e.last_index == _CLASS_ACK and e.last_dir == p.direction and p.seq == e.last_end:", "if e.last_index == _CLASS_ACK and p.seq == e.last_end:"),
    (TCP, "e.last_index == _CLASS_SYN and e.last_dir != p.direction)", "e.last_index == _CLASS_SYN)"),
    (TCP, "(not e.status & _ASSURED and e.last_index == _CLASS_ACK)", "(e.last_index == _CLASS_ACK)"),
    (TCP, "if old == _SYN_SENT and e.last_index == _CLASS_ACK and e.last_dir == 1 and p.seq == e.last_ack:", "if e.last_index == _CLASS_ACK and e.last_dir == 1 and p.seq == e.last_ack:"),
    (TCP, "if rcv.flags & _SACK_PERM and p.doff > 20:", "if snd.flags & _SACK_PERM and p.doff > 20:"),
    (TCP, "elif sack == (rcv.end + 1) & _U32:", "elif sack == rcv.end + 2:"),
    (TCP, "elif flags & _SYN and after(end, snd.end) and (e.state == _SYN_SENT or e.state == _SYN_RECV):", "elif flags & _SYN and after(end, snd.end) and e.state == _SYN_SENT:"),
    (TCP, "if p.direction == 1 and not flags & _ACK:\n                return _ACCEPT", "if False:\n                return _ACCEPT"),
    (TCP, "or (flags & _RST and ack == 0)", "or (flags & _RST and ack == 1)"),
    (TCP, "if flags & _RST and seq == 0 and e.state == _SYN_SENT:", "if flags & _RST and seq == 0:"),
    (TCP, "lowest_end = (snd.end - rcv.maxwin - 1) & _U32", "lowest_end = (snd.end - rcv.maxwin) & _U32"),
    (TCP, "lowest_ack = (rcv.end - ack_window - 1) & _U32", "lowest_ack = (rcv.end - ack_window) & _U32"),
    (TCP, "if not before(seq, (snd.maxend + 1) & _U32):", "if not before(seq, snd.maxend):"),
    (TCP, "overshoot = (end - snd.maxend + 1) & _U32", "overshoot = (end - snd.maxend) & _U32"),
    (TCP, "and overshoot <= rcv.maxwin", "and overshoot < rcv.maxwin"),
    (TCP, "snd.end = end\n                snd.flags |= _UNACKED\n", "snd.end = end\n"),
    (TCP, "if not before(sack, (rcv.end + 1) & _U32):", "if not before(sack, (rcv.end + 2) & _U32):"),
    (TCP, "if rcv.maxwin != 0 and not after(end, lowest_end):", "if not after(end, lowest_end):"),
    (TCP, "if not flags & _SYN:\n            win <<= snd.scale", "if True:\n            win <<= snd.scale"),
    (TCP, "swin = (win + (sack - ack)) & _U32", "swin = win"),
    (TCP, "elif after(ack, snd.maxack):\n                snd.maxack = ack", "else:\n                snd.maxack = ack"),
    (TCP, "if rcv.maxwin != 0 and after(end, snd.maxend):", "if after(end, snd.maxend):"),
    (TCP, "if after((sack + win) & _U32, (rcv.maxend - 1) & _U32):", "if after((sack + win) & _U32, rcv.maxend):"),
    (TCP, "if win == 0:\n                rcv.maxend", "if win == 1:\n                rcv.maxend"),
    (TCP, "if ack == rcv.end:\n            rcv.flags &=", "if after(ack, (rcv.end - 9) & _U32):\n            rcv.flags &="),
    (TCP, "and e.last_win == p.window\n", "\n"),
    (TCP, "and e.last_ack == ack\n", "\n"),
    (TCP, "if snd.flags & _LIBERAL or self.s.be_liberal:", "if self.s.be_liberal:"),
    (TCP, "if p.direction == 1 and not (snd.flags & _WSCALE and rcv.flags & _WSCALE):", "if not (snd.flags & _WSCALE and rcv.flags & _WSCALE):"),
    (TCP, "side.flags &= _LIBERAL", "side.flags = 0"),
    (TCP, "if kind == 5 and size >= 10 and (size - 2) & 7 == 0:", "if kind == 5 and size >= 10:"),
    (TCP, "if after(right, edge):", "if True:"),
    (TCP, "if left >= _SECOND_120 and left > self.s.unacked_timeout:", "if left > self.s.unacked_timeout:"),
    (TCP, "if e.retrans >= s.max_retrans and", "if e.retrans > s.max_retrans and"),
    (TCP, "elif cls == _CLASS_RST:\n            timeout = s.tcp[_CLOSE]", "elif cls == _CLASS_RST and new == _CLOSE:\n            timeout = s.tcp[_CLOSE]"),
    (TCP, "or not e.status & _SEEN_REPLY or not e.status & _ASSURED:", "or not e.status & _SEEN_REPLY:"),
    (TCP, "p.seq != end\n", "False\n"),
    (TCP, "or length > room\n", "or False\n"),
    (TCP, "or room >= _QUARTER\n", "or False\n"),
    (TCP, "or (behind > _MIN_ACK_WINDOW and behind > maxwin)\n", "or False\n"),
    (TCP, "or forward >= _QUARTER\n", "or False\n"),
    (TCP, "or maxwin == 0\n", "or False\n"),
    (TCP, "or peer_maxwin >= _QUARTER\n", "or False\n"),
    (TCP, "or not flags & _MAXACK\n", "or False\n"),
    (TCP, "self.sack_edge(p, p.ack) != p.ack:", "False:"),
    (TCP, "if length:\n            flags |= _UNACKED", "if True:\n            flags |= _UNACKED"),
    (TCP, "peer_maxend = edge if window else (edge + 1) & _U32", "peer_maxend = edge"),
    (TCP, "if behind == 0:", "if False:"),
    (TCP, "e.last_index = _CLASS_ACK\n", "pass\n"),
    (TCP, "self.side0.flags | self.side1.flags)", "snd.flags)"),
    (TCP, "elif e.last_win == 0 and timeout", "elif e.last_win == 1 and timeout"),
    (TCP, "if cls == _CLASS_SYN and old == _SYN_SENT:", "if False:"),
    (TCP, "if new == _ESTABLISHED and timeout > self.s.unacked_timeout:", "if False:"),
    (TCP, "(old == _SYN_RECV or old == _ESTABLISHED) and new == _ESTABLISHED", "old == _SYN_RECV and new == _ESTABLISHED"),
    (SYSCTL, '"nf_conntrack_tcp_timeout_last_ack": (30,', '"nf_conntrack_tcp_timeout_last_ack": (31,'),
    (SYSCTL, '"nf_conntrack_gre_timeout_stream": (180,', '"nf_conntrack_gre_timeout_stream": (120,'),
    (SETTINGS, 'self.icmpv6 = seconds("icmpv6_timeout")', 'self.icmpv6 = seconds("icmp_timeout")'),
    (SETTINGS, 'self.retrans_timeout = seconds("tcp_timeout_max_retrans")', 'self.retrans_timeout = seconds("tcp_timeout_unacknowledged")'),
    (SCTP_TABLE, '"ERROR":             "iv CL CW CL ES SS SR SA iv"', '"ERROR":             "iv CL CW CE ES SS SR SA iv"'),
    (SCTP_TABLE, '"INIT":              "CL CL CW CE ES CL CL SA CW"', '"INIT":              "CL CL CW CE ES CL CL SA CL"'),
    (SCTP, "if tag != 0 or end - o < 20:", "if end - o < 20:"),
    (SCTP, "if count and (alone or bit & _FIRST):", "if count and alone:"),
    (SCTP, "other if chunk_flags & 1 else direction", "direction"),
    (SCTP, "if has_data or mismatch:", "if mismatch:"),
    (SCTP, "or e.last_dir == direction:", "or False:"),
    (SCTP, "if old == _CLOSED and new == _CLOSED and e.in_table:", "if old == _CLOSED and e.in_table and False:"),
    (SCTP, "if old == 0 or self.vtag(e, other) != announced:", "if True:"),
    (SCTP, "known != 0 and known != announced", "known != announced"),
    (SCTP, "p.timeout_ns = self.s.sctp[new]", "p.timeout_ns = self.s.sctp[e.state and 1]"),
    (DATAGRAM, "_STREAM_AFTER = 2_000_000_000", "_STREAM_AFTER = 2_000_000_001"),
    (DATAGRAM, "now - e.first_ts > _STREAM_AFTER", "now - e.first_ts >= _STREAM_AFTER"),
    (DATAGRAM, "if length < 8 or length > p.l4_len:", "if length < 7 or length > p.l4_len:"),
    (DATAGRAM, "if coverage < 8 or coverage > p.l4_len:", "if coverage < 8:"),
    (DATAGRAM, "kind != 8 and kind != 13 and kind != 15 and kind != 17", "kind != 8 and kind != 13 and kind != 17"),
    (ICMP, "if kind > 18:", "if kind >= 18:"),
    (ICMP, "if kind < 128:\n            return self.error", "if kind < 5:\n            return self.error"),
    (ICMP, "130 <= kind <= 136 or kind == 143", "130 <= kind <= 136 or kind == 142"),
    (ICMP, "if probe.dst_lo != p.dst_lo or probe.dst_hi != p.dst_hi:", "if probe.dst_lo != p.dst_lo:"),
    (ICMP, "kind << 8 | (dport & 0xFF)\n            return True\n        if proto == _ICMPV6", "kind << 8\n            return True\n        if proto == _ICMPV6"),
    (ICMP, "if p.l4_len < 48 or p.buf[o + 41] == 0:", "if p.l4_len < 48:"),
    (ICMP, "p.src_hi >> 48 & 0xFFC0 != _LINK_LOCAL", "p.src_hi >> 48 != _LINK_LOCAL"),
    (TIMERS, "if e.deadline <= e.queued:\n                    return e", "return e"),
    (TIMERS, "return a.conn_id <= b.conn_id", "return a.conn_id >= b.conn_id"),
    (TIMERS, "e.queued = slot << _SHIFT\n        i = slot & _MASK", "pass\n        i = slot & _MASK"),
    (TRACKER, "if p.direction == 1 or e.status & _SEEN_REPLY:", "if e.status & _SEEN_REPLY:"),
    (TRACKER, "if e.in_table and e.deadline < e.queued:", "if False:"),
    (TRACKER, "if p.refreshed:\n            e.deadline = self.now + p.timeout_ns\n", "if p.refreshed:\n            e.deadline = self.now + p.timeout_ns + 1\n"),
    (TRACKER, "self.table.count + 1 > self.limit.maximum", "self.table.count > self.limit.maximum"),
    (TRACKER, "e.reply_bytes += p.l3_len", "e.reply_bytes += p.caplen"),
    (LIMIT, "_BUCKETS_TRIED = 8", "_BUCKETS_TRIED = 7"),
    (LIMIT, "_HELP_ABOVE = 95", "_HELP_ABOVE = 94"),
    (LIMIT, "4 <= e.state <= 8", "4 <= e.state <= 7"),
    (DEFRAG, "while queue is not None and queue.deadline <= now", "while queue is not None and queue.deadline < now"),
    (QUEUES, "elif offset >= begin and end <= stop:", "elif offset == begin and end == stop:"),
    (QUEUES, "and (queue.proto == p.proto or queue.family != _IPV4)", ""),
    (QUEUES, "queue.older.newer = queue.newer\n        if queue.newer", "pass\n        if queue.newer"),
    (DEFRAG, "if distance and rid - queue.rid > distance", "if distance and rid - queue.rid > distance + 1"),
    (DEFRAG, "if end & 7:\n                end &= ~7", "if False:\n                end &= ~7"),
    (DEFRAG, "{6: 20, 17: 8, 58: 8}", "{6: 16, 17: 8, 58: 8}"),
    (OCCUPANCY, "if (e.status ^ status) & _ASSURED:", "if False:"),
    (NETWORK, "if total == 0 and pkt.proto == _TCP:", "if total == 0:"),
    (NETWORK, "size = (pkt.buf[o + 1] + 2) << 2", "size = (pkt.buf[o + 1] + 1) << 3"),
    (NETWORK, "if fragment & 0x3FFF:", "if fragment & 0x1FFF:"),
    (NETWORK, "octets.be16(inner.buf, o + 6) & 0x1FFF", "octets.be16(inner.buf, o + 6) & 0x3FFF"),
    (NETWORK, "if left < 40:\n", "if left < 39:\n"),
    (NETWORK, "if cap < 8:\n                pkt.tuple_fault", "if cap < 4:\n                pkt.tuple_fault"),
    (NETWORK, "& 0xF) < 2", "& 0xF) < 1"),
    (CHECKSUM, "total = pseudo(pkt) + proto + pkt.l4_len", "total = pseudo(pkt) + proto + size"),
    (LINK, "if cap < 16:\n", "if cap < 15:\n"),
    (LINK, "depth > _MAX_NESTING", "depth > 99"),
    (LINK, "o += (size + 3) & ~3", "o += size"),
    (RARE, "(4 if qos and flags & 0x80 else 0)", "0"),
    (RARE, "size += frame[14] & 0x1F", "size += 0"),
    (ENTRIES, "and e.rdport == p.dport\n", "\n"),
    (ENGINE, "if p.ts < tracker.now and tracker.started:", "if p.ts <= tracker.now and tracker.started:"),
]  # fmt: skip

FIRST = {
    TCP: ["tests/unit/test_tcp_rules.py", "tests/unit/test_tcp_window.py", "tests/unit/test_tcp_table.py"],
    TABLE: ["tests/unit/test_tcp_table.py"], SCTP: ["tests/unit/test_sctp.py"], SCTP_TABLE: ["tests/unit/test_sctp.py"],
    DATAGRAM: ["tests/unit/test_datagrams.py"], ICMP: ["tests/unit/test_datagrams.py"],
    TIMERS: ["tests/unit/test_timers.py"], LIMIT: ["tests/unit/test_limit.py"],
    DEFRAG: ["tests/unit/test_network.py"], QUEUES: ["tests/unit/test_network.py", "tests/unit/test_queues.py"],
    NETWORK: ["tests/unit/test_network.py", "tests/unit/test_link.py"],
    LINK: ["tests/unit/test_link.py"], RARE: ["tests/unit/test_link.py"],
    SYSCTL: ["tests/unit/test_sysctl.py"], SETTINGS: ["tests/unit/test_sysctl.py"],
}  # fmt: skip
ALL = ["tests/unit", "tests/property/test_frames.py", "tests/kernel/test_scenarios.py"]


def noticed(python: str, file: str, old: str, new: str) -> bool:
    """Whether a test fails with this edit."""
    source = (ROOT / "ctreplay" / file).read_text()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        ignore = shutil.ignore_patterns("*.so", "__pycache__", "build", "*.ctreplay")
        for name in ("ctreplay", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", copy)
        (copy / "sample_pcaps").symlink_to(ROOT / "sample_pcaps")
        (copy / "ctreplay" / file).write_text(source.replace(old, new))
        for tests in [FIRST[file]] if file in FIRST else []:
            if not passes(python, copy, tests):
                return True
        return not passes(python, copy, ALL)


def passes(python: str, folder: Path, tests: list[str]) -> bool:
    """Whether these tests pass there."""
    environment = {**os.environ, "CTREPLAY_PURE": "1", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "-m", "pytest", "-x", "-q", "--no-header", *tests], cwd=folder, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return done.returncode == 0


def main(words: list[str]) -> int:
    edits = [edit for edit in EDITS if not words or any(word in " ".join(edit) for word in words)]
    survivors = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for edit, found in zip(edits, pool.map(lambda edit: noticed(sys.executable, *edit), edits), strict=True):
            print("noticed " if found else "SURVIVED", edit[0], "|", " ".join(edit[2].split())[:100], flush=True)
            if not found:
                survivors.append(edit)
    print(f"{len(edits) - len(survivors)} of {len(edits)} edits noticed")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
