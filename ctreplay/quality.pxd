cimport cython

cimport ctreplay.octets as octets
from ctreplay.decode.checksum cimport Checksum
from ctreplay.packet cimport Packet

cdef int _SAMPLE_MASK, _TCP, _UDP, _RECENT
cdef long long _DUPLICATE_WITHIN
cdef unsigned long long _U64, _K


@cython.final
cdef class Quality:
    cdef public Checksum checksum
    cdef public dict checked
    cdef public dict wrong
    cdef public dict offloaded
    cdef public dict duplicates
    cdef public dict undecodable_counts
    cdef unsigned long long[::1] marks
    cdef long long[::1] times
    cdef int next_mark

    cdef int sample(self, Packet p, Packet w) except -1

    @cython.locals(mark="unsigned long long", ident="unsigned long long", i=int)
    cdef int repeated(self, Packet p, Packet w) except -1

    @cython.locals(field=int)
    cdef int verify(self, int capture, Packet w) except -1
