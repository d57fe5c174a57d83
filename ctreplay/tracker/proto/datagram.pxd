cimport cython

cimport ctreplay.octets as octets
from ctreplay.decode.checksum cimport Checksum
from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry
from ctreplay.tracker.settings cimport Settings

cdef int _ACCEPT, _INVALID
cdef unsigned int _SEEN_REPLY, _ASSURED, _EV_ASSURED
cdef long long _STREAM_AFTER
cdef int _R_UDP_SHORT, _R_UDP_LENGTH, _R_UDP_CHECKSUM, _R_LITE_SHORT, _R_LITE_COVERAGE, _R_LITE_CHECKSUM
cdef int _R_NOT_REQUEST, _R_FAMILY


@cython.final
cdef class Datagram:
    cdef public Settings s
    cdef public Checksum checksum

    cdef int refresh(self, Packet p, long long timeout) except -1
    cdef int assure(self, Entry e) except -1

    @cython.locals(o=int, length=int)
    cdef int udp(self, Entry e, Packet p, long long now) except -1

    @cython.locals(o=int, coverage=int)
    cdef int udplite(self, Entry e, Packet p) except -1

    @cython.locals(kind=int)
    cdef int icmp(self, Entry e, Packet p) except -1

    @cython.locals(kind=int)
    cdef int icmpv6(self, Entry e, Packet p) except -1
    cdef int gre(self, Entry e, Packet p) except -1
    cdef int generic(self, Entry e, Packet p) except -1
