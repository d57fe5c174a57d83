cimport cython
from ctreplay.capture.facts cimport CaptureFacts
from ctreplay.capture.reader cimport Reader

cdef long long _ARENA
cdef long long _SPAN
cdef Py_ssize_t _WINDOW
cdef Py_ssize_t _WINDOW_BYTES


cdef class Batch:
    cdef public Py_ssize_t count
    cdef public Py_ssize_t used
    cdef long long high
    cdef bint sorted
    cdef public bint copying
    cdef long long first_frame
    cdef public object times_store
    cdef long long[::1] times
    cdef long long[::1] starts
    cdef int[::1] caplens
    cdef unsigned int[::1] wirelens
    cdef unsigned short[::1] facts
    cdef long long[::1] frames
    cdef long long[::1] offsets
    cdef public object arena
    cdef public object view
    cdef const long long[::1] order

    @cython.locals(i=Py_ssize_t, ts=cython.longlong, fact=CaptureFacts)
    cdef add(self, Reader reader)
    @cython.locals(end=Py_ssize_t)
    cdef put(self, Py_ssize_t i, object view, Py_ssize_t start, Py_ssize_t caplen)
    @cython.locals(i=Py_ssize_t, j=Py_ssize_t, ts=cython.longlong)
    cdef carry(self, Batch other, Py_ssize_t position)
    cpdef arrange(self)


cdef class SortedReader(Reader):
    cdef public Reader inner
    cdef long long inner_turn
    cdef list facts
    cdef public object plan
    cdef object mapped
    cdef public Py_ssize_t segment
    cdef long long left
    cdef Batch batch
    cdef Py_ssize_t at
    cdef long long window

    cdef bint step(self) except? False
    cdef bint another(self) except? False
    cdef bint through(self) except? False
    @cython.locals(inner=Reader)
    cdef pass_on(self)
    @cython.locals(batch=Batch)
    cdef next_segment(self)
    @cython.locals(i=Py_ssize_t, start=cython.longlong)
    cdef take(self, Batch batch)
    @cython.locals(number=cython.longlong)
    cdef look_at(self, long long offset)


cdef class PipeReader(Reader):
    cdef public Reader inner
    cdef list facts
    cdef Batch batch
    cdef Py_ssize_t at
    cdef Py_ssize_t ready
    cdef long long last

    cdef bint step(self) except? False
    @cython.locals(batch=Batch, i=Py_ssize_t)
    cdef bint another(self) except? False
    @cython.locals(old=Batch, batch=Batch, inner=Reader, fact=CaptureFacts, position=Py_ssize_t, more=cython.bint)
    cdef bint collect(self) except? False
