cimport cython

cimport ctreplay.octets as octets
from ctreplay.packet cimport Packet

cdef unsigned int _U32
cdef int _UDP


@cython.final
cdef class Checksum:
    cdef public const unsigned int[::1] crc_table

    cpdef int total(self, Packet pkt, int o, int size) except -1

    @cython.locals(total="unsigned long long")
    cpdef bint transport(self, Packet pkt, int proto, int size) except? True

    @cython.locals(length=int)
    cpdef bint udplite(self, Packet pkt, int size) except? True
    cpdef bint partial(self, Packet pkt, int proto, int field) except? True

    @cython.locals(b="const unsigned char[::1]", o=int, i=int, byte=int, crc="unsigned int")
    cpdef bint sctp(self, Packet pkt) except? True


@cython.locals(total="unsigned long long", end=int, last="unsigned int")
cdef unsigned long long ones(Packet pkt, int o, int size) except? 77
cdef int fold(unsigned long long total) noexcept
cdef unsigned long long words(unsigned long long value) noexcept
cdef unsigned long long pseudo(Packet pkt) noexcept
