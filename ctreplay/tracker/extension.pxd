cimport cython


@cython.final
cdef class Extension:
    cdef public bint active
    cdef public object kind
    cdef public object info
    cdef public object gone
    cdef public object helper
    cdef public object master_conn_id
