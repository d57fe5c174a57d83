cimport cython

cimport ctreplay.keyedhash as keyedhash
cimport ctreplay.octets as octets

cdef Py_ssize_t _START
cdef unsigned long long _MAPPED


@cython.final
cdef class Distinct:
    cdef unsigned long long key0
    cdef unsigned long long key1
    cdef public Py_ssize_t found
    cdef unsigned long long mask
    cdef unsigned int[::1] slots
    cdef public unsigned long long[::1] high
    cdef public unsigned long long[::1] low
    cdef public unsigned int[::1] tail

    @cython.locals(
        found=Py_ssize_t, i=Py_ssize_t, at="unsigned long long", slots="unsigned int[::1]",
        high="unsigned long long[::1]", low="unsigned long long[::1]", tail="unsigned int[::1]",
    )
    cdef int resize(self, Py_ssize_t size) except -1

    cpdef unsigned long long hash(
        self, unsigned long long high, unsigned long long low, unsigned long long tail, unsigned long long key0,
        unsigned long long key1,
    ) noexcept

    @cython.locals(at="unsigned long long", one=Py_ssize_t)
    cpdef Py_ssize_t number(self, unsigned long long high, unsigned long long low, unsigned int tail) except -1

    @cython.locals(
        every=cython.bint, i=Py_ssize_t, k=Py_ssize_t, high="unsigned long long", low="unsigned long long",
    )
    cpdef Py_ssize_t numbers(
        self, const unsigned char[::1] keys, Py_ssize_t n, const unsigned char[::1] marks,
        const signed char[::1] families, unsigned long long[::1] out,
    ) except -1

    @cython.locals(out="unsigned char[::1]", i=Py_ssize_t)
    cpdef bytes keys(self)

    @cython.locals(best=Py_ssize_t, i=Py_ssize_t, less=cython.bint)
    cpdef Py_ssize_t extreme(self, bint greatest) except -1
