cimport cython

from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry

cdef unsigned int _U32
cdef unsigned long long _U64
cdef unsigned long long _K1
cdef unsigned long long _K2
cdef unsigned long long _K3
cdef int _START
cdef int _PARTS
cdef int _ICMP
cdef int _ICMPV6


@cython.final
cdef class Table:
    cdef public list buckets
    cdef public long long count
    cdef public unsigned int mask
    cdef public unsigned long long seed0
    cdef public unsigned long long seed1

    @cython.locals(x="unsigned long long", y="unsigned long long", sport="unsigned long long", dport="unsigned long long")
    cdef unsigned int hash_of(self, Packet p) noexcept

    @cython.locals(e=Entry)
    cpdef Entry find(self, Packet p)

    @cython.locals(i="unsigned int")
    cpdef int insert(self, Entry e) except -1

    @cython.locals(i="unsigned int", walk=Entry)
    cpdef int remove(self, Entry e) except -1

    @cython.locals(old=list, fresh=list, size="Py_ssize_t", mask="unsigned int", i="unsigned int", e=Entry, after=Entry)
    cpdef int grow(self) except -1

    @cython.locals(e=Entry, youngest=cython.longlong, found=list)
    cpdef list parts(self)
