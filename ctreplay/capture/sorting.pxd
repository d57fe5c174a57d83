cimport cython

cdef Py_ssize_t _SHORT


cpdef order_of(times, Py_ssize_t count)

@cython.locals(
    k="long long[::1]", o="long long[::1]", spare_keys="long long[::1]", spare_order="long long[::1]",
    i=Py_ssize_t, begin=Py_ssize_t, middle=Py_ssize_t, end=Py_ssize_t,
)
cdef sort(keys, order, Py_ssize_t count)

@cython.locals(end=Py_ssize_t, i=Py_ssize_t, key=cython.longlong, position=cython.longlong)
cdef Py_ssize_t run(long long[::1] k, long long[::1] o, Py_ssize_t begin, Py_ssize_t count) except -1

@cython.locals(
    key=cython.longlong, low=Py_ssize_t, high=Py_ssize_t, at=Py_ssize_t, left=Py_ssize_t, right=Py_ssize_t,
    length=Py_ssize_t, i=Py_ssize_t,
)
cdef int merge(
    long long[::1] k, long long[::1] o, long long[::1] spare_keys, long long[::1] spare_order,
    Py_ssize_t begin, Py_ssize_t middle, Py_ssize_t end,
) except -1
