cimport cython

cimport ctreplay.octets as octets
from ctreplay.capture.reader cimport Reader
from ctreplay.packet cimport Packet
from ctreplay.tracker.table cimport Table

cdef int _LEAD, _CACHED
cdef unsigned long long _V4_MAPPED


@cython.final
cdef class Foresight:
    cdef public Table table
    cdef public Packet packet

    @cython.locals(at=Py_ssize_t)
    cpdef int look(self, Reader reader) except -1

    @cython.locals(p=Packet, kind=int, end=Py_ssize_t, version=int, o=Py_ssize_t, lead=int)
    cdef bint plain(self, Reader reader, Py_ssize_t at) except? True
