cimport cython

cimport ctreplay.octets as octets
from ctreplay.dataset.distinct cimport Distinct

cdef Py_ssize_t _COUNTERS, _FEW, _MANY, _START
cdef unsigned long long _MASK, _KEY0, _KEY1
cdef unsigned long long _TCP, _UDP, _SCTP, _UDPLITE


@cython.final
cdef class Ranking:
    cdef public bint services
    cdef unsigned int[::1] counters
    cdef unsigned int threshold
    cdef Distinct known
    cdef unsigned long long[::1] entries
    cdef unsigned long long[::1] unreplied
    cdef unsigned long long[::1] sizes
    cdef unsigned long long x_high
    cdef unsigned long long x_low
    cdef unsigned long long x_tail

    @cython.locals(kind="unsigned long long")
    cdef unsigned long long load(
        self, const unsigned char[::1] addresses, const unsigned char[::1] proto, const unsigned short[::1] dport,
        Py_ssize_t i,
    ) except? 77

    cdef int check(
        self, Py_ssize_t n, const unsigned char[::1] addresses, const unsigned char[::1] proto,
        const unsigned short[::1] dport,
    ) except -1

    @cython.locals(i=Py_ssize_t)
    cpdef int estimate(
        self, const unsigned char[::1] addresses, const unsigned char[::1] proto, const unsigned short[::1] dport,
        Py_ssize_t n,
    ) except -1

    @cython.locals(per_value="unsigned long long[::1]", i=Py_ssize_t, value="unsigned int", sum_="unsigned long long")
    cpdef unsigned int reached(self, unsigned int many) except? 77

    @cython.locals(i=Py_ssize_t, place=Py_ssize_t)
    cpdef int count(
        self, const unsigned char[::1] addresses, const unsigned char[::1] proto, const unsigned short[::1] dport,
        const unsigned long long[::1] sent, const unsigned long long[::1] answered,
        const unsigned char[::1] seen_reply, Py_ssize_t first, Py_ssize_t n,
    ) except -1

    @cython.locals(i=Py_ssize_t, sum_="long long")
    cpdef Py_ssize_t used(self, unsigned int threshold) except -1
