cimport cython

from ctreplay.capture.record cimport Source
from ctreplay.dataset.rows cimport RowSink
from ctreplay.decode.checksum cimport Checksum
from ctreplay.decode.link cimport Link
from ctreplay.decode.network cimport Network
from ctreplay.packet cimport Packet
from ctreplay.quality cimport Quality
from ctreplay.tracker.defrag cimport Defrag
from ctreplay.tracker.settings cimport Settings
from ctreplay.tracker.table cimport Table
from ctreplay.tracker.tracker cimport Tracker

cdef int _U16, _BATCH
cdef int _COMPLETE, _PASS_ON, _IP_CHECKSUM, _ESTABLISHED, _NEW, _NOTABLE, _ALL


@cython.final
cdef class Engine:
    cdef public Settings s
    cdef public RowSink sink
    cdef public int level
    cdef public Network network
    cdef public Link link
    cdef public Checksum checksum
    cdef public Tracker tracker
    cdef public Defrag defrag
    cdef public Quality quality
    cdef public list packets
    cdef public Packet whole
    cdef public int fragment_reason
    cdef public long long fragments
    cdef public long long reassembled
    cdef public long long late

    @cython.locals(p=Packet, tracker=Tracker, done=int, count=int, i=int)
    cpdef int run(self, Source source, int limit) except -1

    @cython.locals(p=Packet, packets=list, network=Network, table=Table, count=int)
    cdef int gather(self, Source source, int room) except -1

    @cython.locals(tracker=Tracker, whole=Packet)
    cdef int track(self, Packet p, Packet w) except -1
    cdef bint header_sum(self, Packet w) except? True

    @cython.locals(answer=int, whole=Packet)
    cdef Packet fragment(self, Packet p, Packet w)
