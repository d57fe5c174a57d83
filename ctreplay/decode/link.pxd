cimport cython

cimport ctreplay.octets as octets
from ctreplay.packet cimport Packet

cdef int _FRAME_SHORT
cdef int _ARP
cdef int _PPP
cdef int _IP_VERSION
cdef int _NESTING
cdef int _MAX_NESTING


@cython.final
cdef class Link:
    @cython.locals(kind=int, o=int, cap=int)
    cpdef int find(self, Packet pkt) except -1

    @cython.locals(end=int, depth=int)
    cdef int ethertype(self, Packet pkt, int kind, int o) except -1

    @cython.locals(b="const unsigned char[::1]", o=int, family="unsigned int")
    cdef int null(self, Packet pkt) except -1

    @cython.locals(b="const unsigned char[::1]", end=int, kind=int)
    cdef int ppp(self, Packet pkt, int o) except -1

    @cython.locals(b="const unsigned char[::1]", o=int, end=int, size=int, kind=int)
    cdef int nflog(self, Packet pkt) except -1
