cimport cython

from ctreplay.tracker.entry cimport Entry

cdef int _SHIFT
cdef int _SLOTS
cdef int _MASK
cdef int _STRIDE_SHIFT
cdef int _STRIDE
cdef int _NONE
cdef long long _NEVER
cdef long long _MIN_SLOT


@cython.final
cdef class Timers:
    cdef public list slots
    cdef int[::1] crowd
    cdef public list due
    cdef public long long cursor
    cdef public long long pending
    cdef public long long next_check

    cpdef int queue(self, Entry e, long long now) except -1
    cpdef int remove(self, Entry e) except -1

    @cython.locals(e=Entry)
    cpdef Entry pop(self, long long now)

    @cython.locals(cursor=cython.longlong, end=cython.longlong, i=int, e=Entry, after=Entry)
    cdef int advance(self, long long limit) except -1

    @cython.locals(slot=cython.longlong, i=int, head=Entry)
    cdef int place(self, Entry e) except -1

    @cython.locals(nxt=cython.longlong, first=Entry)
    cdef int set_next(self) except -1

    @cython.locals(due=list)
    cdef int push(self, Entry e) except -1

    @cython.locals(due=list, last=Entry, n="Py_ssize_t")
    cdef int take(self, Py_ssize_t i) except -1

    @cython.locals(due=list, e=Entry, other=Entry, parent="Py_ssize_t")
    cdef int sift_up(self, Py_ssize_t i) except -1

    @cython.locals(due=list, e=Entry, other=Entry, right=Entry, child="Py_ssize_t", n="Py_ssize_t")
    cdef int sift_down(self, Py_ssize_t i) except -1


cdef bint before(Entry a, Entry b) noexcept
