cimport cython
cimport ctreplay.octets as octets
from ctreplay.capture.reader cimport Reader

cdef long long _NS
cdef long long _MAX_CAPLEN
cdef long long _MAX_FRAME
cdef int _CHAIN
cdef long long _DAY_S
cdef long long _SEARCH
cdef int _LENGTHS_PLAIN
cdef int _LENGTHS_MAYBE_SWAPPED
cdef int _LENGTHS_SWAPPED



cdef class PcapReader(Reader):
    cdef bint big
    cdef long long scale
    cdef long long header
    cdef long long limit
    cdef int lengths
    cdef bytes head
    cdef int declared

    @cython.final
    cdef long long u32(self, Py_ssize_t i) except? -1

    cdef bint joined(self, Py_ssize_t p) except? False
    @cython.locals(offset=cython.longlong)
    cdef bint next_file(self) except? False

    @cython.locals(
        p=Py_ssize_t, sec=cython.longlong, fraction=cython.longlong, caplen=cython.longlong, wirelen=cython.longlong
    )
    cdef bint another(self) except? False
    @cython.locals(p=Py_ssize_t, caplen=cython.longlong, wirelen=cython.longlong)
    cdef bint step(self) except? False
    cdef bint cut(self, long long caplen) except? False
    @cython.locals(offset=cython.longlong, skipped=cython.longlong, last_s=cython.longlong, left=cython.longlong)
    cdef bint resync(self, object what) except? False
    @cython.locals(at=cython.longlong, p=Py_ssize_t)
    cdef bint plausible(self, long long last_s) except? False
    @cython.locals(sec=cython.longlong, caplen=cython.longlong, wirelen=cython.longlong)
    cdef bint sane(self, Py_ssize_t p, long long last_s) except? False
