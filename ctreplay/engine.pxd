cimport cython

from ctreplay.capture.record cimport Source
from ctreplay.dataset.rows cimport RowSink
from ctreplay.decode.checksum cimport Checksum
from ctreplay.decode.link cimport Link
from ctreplay.decode.network cimport Network
from ctreplay.foresight cimport Foresight
from ctreplay.packet cimport Packet
from ctreplay.quality cimport Quality
from ctreplay.tracker.defrag cimport Defrag
from ctreplay.tracker.settings cimport Settings
from ctreplay.tracker.tracker cimport Tracker

cdef int _U16
cdef int _COMPLETE, _PASS_ON, _IP_CHECKSUM, _ESTABLISHED, _NEW


@cython.final
cdef class Engine:
    cdef public Settings s
    cdef public RowSink sink
    cdef public int level
    cdef public Network network
    cdef public Link link
    cdef public Checksum checksum
    cdef public Tracker tracker
    cdef public Foresight foresight
    cdef public Defrag defrag
    cdef public Quality quality
    cdef public Packet packet
    cdef public Packet whole
    cdef public int fragment_reason
    cdef public long long fragments
    cdef public long long reassembled
    cdef public long long late

    @cython.locals(p=Packet, tracker=Tracker, foresight=Foresight, done=int, fault=int)
    cpdef int run(self, Source source, int limit) except -1

    @cython.locals(tracker=Tracker, whole=Packet)
    cdef int track(self, Packet p, Packet w) except -1
    cdef bint header_sum(self, Packet w) except? True

    @cython.locals(answer=int, whole=Packet)
    cdef Packet fragment(self, Packet p, Packet w)
