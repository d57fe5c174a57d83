cimport cython

cimport ctreplay.dataset.sha1 as sha1
cimport ctreplay.octets as octets

cdef int _TEXT, _ROOM


@cython.final
cdef class FlowHash:
    cdef unsigned char[::1] block
    cdef public bint fast
    cdef unsigned short[::1] pair
    cdef unsigned char[::1] out

    @cython.locals(i=int, skip=int)
    cpdef int fill(
        self, const unsigned char[::1] src, const unsigned char[::1] dst, const unsigned char[::1] proto,
        const signed char[::1] family, const unsigned short[::1] sport, const unsigned short[::1] dport, int n,
    ) except -1

    @cython.locals(b="unsigned char[::1]", one_way=bint, kind=int, other=int, order=int, i=int, at=int)
    cdef int row(
        self, const unsigned char[::1] src, const unsigned char[::1] dst, int o, int size, int proto, int sport,
        int dport, int begin,
    ) except -1
