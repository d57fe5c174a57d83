"""The hot loop: a record, its headers, its verdict, its rows."""

from __future__ import annotations

from ctreplay import reasons
from ctreplay.capture.record import Source
from ctreplay.dataset.rows import RowSink
from ctreplay.decode.checksum import Checksum
from ctreplay.decode.link import Link
from ctreplay.decode.network import Network
from ctreplay.packet import Packet
from ctreplay.quality import Quality
from ctreplay.tracker import defrag
from ctreplay.tracker.settings import Settings
from ctreplay.tracker.tracker import Tracker

_U16 = 0xFFFF
# long enough for memory to arrive, and few enough for the processor's nearest cache
_BATCH = 16
_COMPLETE = defrag.COMPLETE
_PASS_ON = defrag.PASS_ON
_IP_CHECKSUM = reasons.CODES["ip_checksum"]
_ESTABLISHED = 2
_NEW = 1
# which packets get a row: `Engine.level`
_NOTABLE = 1
_ALL = 2
PACKETS_NONE, PACKETS_NOTABLE, PACKETS_ALL = 0, _NOTABLE, _ALL


class Engine:
    """Runs records from a `Source` through decode and tracker into a `RowSink`.

    `level` says which packets get a row: `PACKETS_NONE`, `PACKETS_NOTABLE` or `PACKETS_ALL`. `packets` are those
    decoded last.
    """

    __slots__ = (
        "checksum", "defrag", "fragment_reason", "fragments", "late", "level", "link", "network", "packets",
        "quality", "reassembled", "s", "sink", "tracker", "whole",
    )  # fmt: skip

    def __init__(self, settings: Settings, sink: RowSink, level: int) -> None:
        self.s = settings
        self.sink = sink
        self.level = level
        self.network = Network()
        self.link = Link()
        self.checksum = Checksum()
        self.tracker = Tracker(settings, sink, self.network, self.checksum)
        self.defrag = defrag.Defrag(settings)
        self.quality = Quality(self.checksum)
        self.packets = [Packet() for _ in range(_BATCH)]
        self.whole = Packet()
        self.fragment_reason = 0
        self.fragments = 0
        self.reassembled = 0
        self.late = 0

    def run(self, source: Source, limit: int) -> int:
        """Work through at most `limit` records; how many there were (fewer than `limit`: the source has ended)."""
        tracker = self.tracker
        done = 0
        while done < limit:
            count = self.gather(source, min(limit - done, _BATCH))
            if count == 0:
                break
            done += count
            for i in range(count):
                p = self.packets[i]
                if p.ts < tracker.now and tracker.started:
                    self.late += 1
                else:
                    tracker.advance(p.ts)
                if p.fault:
                    self.quality.undecodable(p.capture, p.fault)
                    if self.level:
                        self.sink.packet(p, None, p.fault, None, tracker.now)
                else:
                    self.track(p, self.network.padded if p.padded else p)
        return done

    def gather(self, source: Source, room: int) -> int:
        """Decode the next frames, up to `room` of those that lie in memory together; how many there are.

        Meanwhile the memory that tracking them will touch is fetched.
        """
        packets = self.packets
        network = self.network
        table = self.tracker.table
        count = 0
        while count < room:
            p = packets[count]
            # only the first may move the bytes of those before
            if not (source.another(p) if count else source.advance(p)):
                break
            count += 1
            p.family = 0
            p.padded = False
            p.fault = self.link.find(p)
            if p.fault == 0:
                p.fault = network.parse(p)
                if network.whole is not p:
                    # there is one copy
                    p.padded = True
                    break
                table.expect(p)
        table.foresee(packets, count)
        return count

    def track(self, p: Packet, w: Packet) -> int:
        """Defragment, verify, track and record one IP packet; `w` is `p` or its padded copy."""
        tracker = self.tracker
        if self.s.checksum and w.family == 4 and w.cut == 0 and not self.header_sum(w):
            tracker.reason_counts[_IP_CHECKSUM] += 1
            if self.level:
                self.sink.packet(p, None, _IP_CHECKSUM, None, tracker.now)
            return 0
        self.quality.sample(p, w)
        if w.frag:
            whole = self.fragment(p, w)
            if whole is None:
                tracker.reason_counts[self.fragment_reason] += 1
                if self.level == _ALL:
                    self.sink.packet(p, None, self.fragment_reason, None, tracker.now)
                return 0
            w = whole
        tracker.process(w)
        if self.level == _ALL or (
            self.level == _NOTABLE and (w.reason or not (w.ctstate == _ESTABLISHED or w.ctstate == _NEW))
        ):
            self.sink.packet(p, w, w.reason if w.reason else w.note, tracker.tuple_entry, tracker.now)
        return 0

    def header_sum(self, w: Packet) -> bool:
        """Whether the IPv4 header checksum is right."""
        return self.checksum.total(w, w.l3, w.l4 - w.l3) == _U16

    def fragment(self, p: Packet, w: Packet) -> Packet | None:
        """The packet to track for a fragment: the datagram it completes, itself, or None while incomplete."""
        self.fragments += 1
        answer = self.defrag.add(w, self.tracker.now)
        if answer == _PASS_ON:
            w.frag = 0
            self.network.transport(w)
            return w
        if answer != _COMPLETE:
            self.fragment_reason = answer
            return None
        self.reassembled += 1
        whole = self.whole
        whole.copy_record(p)
        datagram = self.defrag.datagram
        whole.buf = datagram
        whole.start = 0
        whole.caplen = len(datagram)
        whole.wirelen = whole.caplen
        whole.l3 = 0
        whole.family = w.family
        self.network.reassembled(whole)
        whole.cut = self.defrag.cut
        return whole
