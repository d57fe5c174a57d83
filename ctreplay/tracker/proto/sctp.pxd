cimport cython

cimport ctreplay.octets as octets
from ctreplay.decode.checksum cimport Checksum
from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry
from ctreplay.tracker.settings cimport Settings

cdef int _ACCEPT, _INVALID, _TABLE_INVALID
cdef unsigned int _ASSURED, _EV_ASSURED, _EV_PROTOINFO
cdef int _CLOSED, _ESTABLISHED
cdef int _DATA, _INIT, _INIT_ACK, _HEARTBEAT, _HEARTBEAT_ACK, _ABORT, _SHUTDOWN_ACK, _COOKIE_ECHO, _COOKIE_ACK
cdef int _SHUTDOWN_COMPLETE
cdef int _ALONE, _FIRST, _NOT_OPENING, _TAG_FREE
cdef int _INIT_SEEN0, _INIT_SEEN1, _HB_FAIL
cdef int _R_SHORT, _R_CHECKSUM, _R_CHUNKS, _R_NOT_OPENING, _R_VTAG, _R_TRANSITION, _R_NOT_REFRESHED


@cython.final
cdef class Sctp:
    cdef public Settings s
    cdef public Checksum checksum
    cdef const unsigned char[::1] table
    cdef int chunk_set

    cdef int invalid(self, Packet p, int reason) except -1
    cdef unsigned int vtag(self, Entry e, int direction) noexcept
    cdef int set_vtag(self, Entry e, int direction, unsigned int tag) except -1

    @cython.locals(b="const unsigned char[::1]", o=int, end=int, count=int, alone=bint, kind=int, size=int, bit=int)
    cdef int scan(self, Packet p) except -1

    @cython.locals(b="const unsigned char[::1]", o=int, end=int, kind=int, size=int, new=int)
    cdef int opening(self, Entry e, Packet p, unsigned int tag) except -1

    @cython.locals(b="const unsigned char[::1]", fault=int, tag="unsigned int", direction=int)
    cdef int packet(self, Entry e, Packet p) except -1

    @cython.locals(
        b="const unsigned char[::1]", direction=int, other=int, o=int, end=int, has_data=int, no_refresh=bint,
        mismatch=bint, new=int, kind=int, chunk_flags=int, size=int, at=int, old=int, announced="unsigned int",
        known="unsigned int", mark=int, both=int, other_mark=int,
    )
    cdef int chunks(self, Entry e, Packet p, unsigned int tag) except -1
