cimport cython

cdef int _LONGEST


@cython.final
cdef class AddressText:
    cdef unsigned char[::1] out
    cdef int[::1] offsets

    @cython.locals(o=int, i=int, text=bytes, char=int)
    cpdef int fill(self, const unsigned char[::1] keys, int n) except -1

    @cython.locals(out="unsigned char[::1]", i=int, value="unsigned int")
    cdef int v4(self, const unsigned char[::1] keys, int at, int o) except -1


@cython.locals(i=int)
cdef bint mapped(const unsigned char[::1] keys, int at) except? True
