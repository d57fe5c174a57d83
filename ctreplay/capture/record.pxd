from ctreplay.capture.reader cimport Reader


cdef class Record:
    cdef public long long ts
    cdef public long long number
    cdef public long long frame
    cdef public long long offset
    cdef public const unsigned char[::1] buf
    cdef public int start
    cdef public int caplen
    cdef public long long wirelen
    cdef public int linktype
    cdef public int capture
    cdef Reader reader
    cdef long long turn


cdef class Source:
    cpdef bint advance(self, Record rec) except? False
    cdef bint another(self, Record rec) except? False
