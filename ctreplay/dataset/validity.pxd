cimport cython

cdef int _NAME_ROOM

ctypedef fused Code:
    unsigned char
    unsigned short

ctypedef fused Number:
    int
    long long


@cython.locals(i=Py_ssize_t)
cpdef int present(long long[::1] column, Py_ssize_t n, long long absent, unsigned char[::1] marks) except -1

@cython.locals(i=Py_ssize_t)
cpdef int flagged(unsigned int[::1] column, Py_ssize_t n, unsigned int mask, unsigned char[::1] marks) except -1

@cython.locals(i=Py_ssize_t, size=Py_ssize_t, code=Py_ssize_t)
cpdef int chosen(Code[::1] column, Py_ssize_t n, const unsigned char[::1] table, unsigned char[::1] marks) except -1

@cython.locals(i=Py_ssize_t, size=Py_ssize_t, code=Py_ssize_t, place=int)
cpdef int places(
    Code[::1] column, Py_ssize_t n, const int[::1] table, int[::1] out, unsigned char[::1] marks
) except -1

@cython.locals(i=Py_ssize_t, count=Py_ssize_t, at=Py_ssize_t, byte=int)
cpdef Py_ssize_t pack(unsigned char[::1] marks, Py_ssize_t n, unsigned char[::1] bits) except -1

@cython.locals(i=Py_ssize_t)
cpdef int octet(unsigned short[::1] column, Py_ssize_t n, int shift, unsigned char[::1] out) except -1

@cython.locals(i=Py_ssize_t)
cpdef int numbered(long long first, long long step, Number[::1] out) except -1

@cython.locals(i=Py_ssize_t, sum_=Py_ssize_t)
cpdef Py_ssize_t total(unsigned char[::1] column, Py_ssize_t n, const int[::1] table) except -1

@cython.locals(i=Py_ssize_t, found=int, o=int, code=int, at=Py_ssize_t, k=Py_ssize_t)
cpdef int named_lists(
    unsigned char[::1] column, Py_ssize_t n, const unsigned char[::1] names, int[::1] offsets, int[::1] text_offsets,
    unsigned char[::1] text,
) except -1
