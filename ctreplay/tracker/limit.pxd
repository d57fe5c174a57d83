cimport cython

cimport ctreplay.keyedhash as keyedhash
from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry

cdef long long _SECOND
cdef unsigned long long _KEY0, _KEY1, _KEY2
cdef int _ASSURED, _BUCKETS_TRIED, _HELP_ABOVE, _TCP, _SCTP, _LINKS, _START


@cython.final
cdef class Limit:
    cdef public long long maximum
    cdef public long long buckets
    cdef public int[::1] heads
    cdef public int[::1] before
    cdef public int[::1] after
    cdef public list held
    cdef dict slots
    cdef int free
    cdef int last
    cdef public object collect_at

    @cython.locals(x="unsigned long long")
    cpdef Py_ssize_t bucket(
        self, unsigned long long src_hi, unsigned long long src_lo, unsigned long long dst_hi,
        unsigned long long dst_lo, unsigned long long sport, unsigned long long dport, unsigned long long proto,
        unsigned long long zone,
    ) except -1

    @cython.locals(slot=int, at=int)
    cpdef int add(self, Entry e) except -1

    @cython.locals(size=Py_ssize_t, more=Py_ssize_t, before="int[::1]", after="int[::1]", slot=int)
    cdef int grow(self) except -1
    cdef int leave(self, int slot) except -1

    @cython.locals(slot=int, i=int)
    cpdef int remove(self, Entry e) except -1

    @cython.locals(at=int)
    cdef int changed(self, Entry e) except -1
    cdef bint closes(self, Entry e) noexcept

    @cython.locals(first=int)
    cdef int link(self, int at, long long chain) except -1

    @cython.locals(last=int)
    cdef int queue(self, int at) except -1

    @cython.locals(before=int, after=int)
    cdef int unlink(self, int at) except -1

    @cython.locals(found=list, last=Entry, at=int, after=int, e=Entry)
    cdef list evictable(self, long long chain)

    @cython.locals(start=cython.longlong, step=int, chain=cython.longlong, found=list)
    cdef list victims(self, Packet p, long long now)

    @cython.locals(surplus=cython.longlong, found=list, at=int, after=int, e=Entry)
    cpdef list closing(self, long long count)
