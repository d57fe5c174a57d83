cimport cython

cimport ctreplay.octets as octets

cdef unsigned long long _U32


@cython.final
cdef class AddressText:
    cdef unsigned char[::1] out

    @cython.locals(o=int, begin=int, i=Py_ssize_t, text=bytes, char=int)
    cpdef int fill(
        self, const unsigned long long[::1] high, const unsigned long long[::1] low, const unsigned int[::1] family,
        Py_ssize_t n,
    ) except -1

    @cython.locals(out="unsigned char[::1]", shift=int, value="unsigned int")
    cdef int v4(self, unsigned int address, int o) except -1
