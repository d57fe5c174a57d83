cimport cython
from ctreplay.capture.facts cimport CaptureFacts

cdef long long _MAX_DAMAGE


cdef class Reader:
    cdef public object file
    cdef public int index
    cdef public bint opened
    cdef public bint live
    cdef public object stream
    cdef public object damage
    cdef public long long damage_count
    cdef public Py_ssize_t unlisted
    cdef public object view
    cdef public const unsigned char[::1] buf
    cdef public Py_ssize_t pos
    cdef public Py_ssize_t end
    cdef public long long base
    cdef public bint eof
    cdef public long long ts
    cdef public long long frame
    cdef public long long offset
    cdef public Py_ssize_t start
    cdef public long long caplen
    cdef public long long wirelen
    cdef public long long turn
    cdef public CaptureFacts fact

    cdef bint step(self) except? False
    cdef bint another(self) except? False
    @cython.locals(have=Py_ssize_t, size=Py_ssize_t, count=Py_ssize_t)
    @cython.final
    cdef bint fill(self, long long need) except? False
    @cython.final
    cdef object widen(self, Py_ssize_t size)
    @cython.final
    cdef long long skip(self, long long count) except? -1
    cdef beyond(self, Py_ssize_t i)
