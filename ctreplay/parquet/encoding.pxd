cimport cython

cimport ctreplay.octets as octets

cdef unsigned long long _U64, _SIGN, _SIGN_32
cdef unsigned int _U32
cdef int _BLOCK, _PART, _PARTS, _MANY, _SPARE

ctypedef fused Code:
    unsigned char
    unsigned short

ctypedef fused Number:
    long long
    unsigned int
    unsigned short
    unsigned char
    signed char


@cython.final
cdef class Encoder:
    cdef public unsigned long long[::1] values
    cdef public unsigned char[::1] out
    cdef public Py_ssize_t count
    cdef public Py_ssize_t o
    cdef public long long low
    cdef public long long high

    cdef int check(self, Py_ssize_t n, Py_ssize_t rows) except -1
    cdef int reach(self, Py_ssize_t size) except -1

    @cython.locals(values="unsigned long long[::1]", i=Py_ssize_t, k=Py_ssize_t)
    cpdef int take(
        self, Number[::1] column, Py_ssize_t n, const unsigned char[::1] marks, int shift, long long mask
    ) except -1

    @cython.locals(values="unsigned long long[::1]", i=Py_ssize_t, k=Py_ssize_t, size=Py_ssize_t, code=Py_ssize_t, place=int)
    cpdef int look_up(
        self, Code[::1] column, Py_ssize_t n, const int[::1] table, unsigned char[::1] marks
    ) except -1

    @cython.locals(i=Py_ssize_t)
    cpdef int number(self, long long first, Py_ssize_t n) except -1

    @cython.locals(values="unsigned long long[::1]", i=Py_ssize_t, j=Py_ssize_t, k=Py_ssize_t, code=Py_ssize_t)
    cpdef int expand(
        self, const unsigned char[::1] column, Py_ssize_t n, const long long[::1] table, const unsigned char[::1] counts
    ) except -1

    @cython.locals(values="unsigned long long[::1]", low="unsigned long long", high="unsigned long long", value="unsigned long long", i=Py_ssize_t)
    cpdef int extent(self) except -1

    @cython.locals(out="unsigned char[::1]", o=Py_ssize_t, size=Py_ssize_t, i=Py_ssize_t)
    cpdef int append(self, const unsigned char[::1] data) except -1

    cpdef int put(self, int byte) except -1
    cpdef int varint(self, unsigned long long value) except -1
    cpdef int run(self, int value, Py_ssize_t n) except -1

    @cython.locals(out="unsigned char[::1]", o=Py_ssize_t, i=Py_ssize_t, at=Py_ssize_t, byte=int)
    cpdef int marked_run(self, const unsigned char[::1] marks, Py_ssize_t n) except -1
    cpdef int packed_run(self, int width) except -1

    @cython.locals(end=Py_ssize_t, i=Py_ssize_t)
    cpdef int pack(self, int width) except -1

    @cython.locals(
        values="unsigned long long[::1]", out="unsigned char[::1]", o=Py_ssize_t, i=Py_ssize_t,
        bits="unsigned long long", value="unsigned long long", fill=int,
    )
    cdef int bits(self, Py_ssize_t begin, Py_ssize_t end, int width) except -1

    @cython.locals(values="unsigned long long[::1]", out="unsigned char[::1]", o=Py_ssize_t, i=Py_ssize_t)
    cpdef int plain32(self) except -1

    @cython.locals(
        values="unsigned long long[::1]", count=Py_ssize_t, first=Py_ssize_t, end=Py_ssize_t, i=Py_ssize_t,
        mask="unsigned long long", sign="unsigned long long", before="unsigned long long",
        value="unsigned long long", delta="unsigned long long", least="unsigned long long",
    )
    cpdef int deltas(self, bint wide) except -1
    cdef int zigzag(self, unsigned long long value, unsigned long long sign, unsigned long long mask) except -1

    @cython.locals(
        values="unsigned long long[::1]", widths=Py_ssize_t, part=Py_ssize_t, at=Py_ssize_t, i=Py_ssize_t,
        every="unsigned long long", width=int,
    )
    cdef int parts(self, Py_ssize_t first, Py_ssize_t end) except -1


cdef int _rows(Py_ssize_t n, Py_ssize_t one, Py_ssize_t other) except -1

@cython.locals(i=Py_ssize_t, count=Py_ssize_t, here=int)
cpdef Py_ssize_t present(long long[::1] column, Py_ssize_t n, long long absent, unsigned char[::1] marks) except -1

@cython.locals(i=Py_ssize_t, size=Py_ssize_t, code=Py_ssize_t, count=Py_ssize_t, here=int)
cpdef Py_ssize_t chosen(
    Code[::1] column, Py_ssize_t n, const unsigned char[::1] table, unsigned char[::1] marks
) except -1

@cython.locals(i=Py_ssize_t, size=Py_ssize_t, code=Py_ssize_t)
cpdef int occurring(Code[::1] column, Py_ssize_t n, unsigned char[::1] seen) except -1

@cython.locals(i=Py_ssize_t, differing="long long")
cpdef bint same(const long long[::1] one, const long long[::1] other, Py_ssize_t n) except -1

@cython.locals(i=Py_ssize_t, count=Py_ssize_t)
cpdef Py_ssize_t total(const unsigned char[::1] column, Py_ssize_t n, const unsigned char[::1] counts) except -1
