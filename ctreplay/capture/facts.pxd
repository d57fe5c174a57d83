cdef long long _NS
cdef long long _INT64_MAX
cdef int _TICKS_MULTIPLY
cdef int _TICKS_DIVIDE
cdef int _TICKS_SHIFT
cdef int _TICKS_EXACT
cdef long long _TICKS_INVALID


cimport cython


cdef class CaptureFacts:
    cdef public object path
    cdef public int index
    cdef public object format
    cdef public object byte_order
    cdef public object compression
    cdef public object version
    cdef public long long interface_id
    cdef public object interface_name
    cdef public int linktype
    cdef public long long snaplen
    cdef public object resolution
    cdef public object kernel_received
    cdef public object kernel_drops
    cdef public long long packets
    cdef public long long captured_bytes
    cdef public long long wire_bytes
    cdef public long long truncated
    cdef public long long min_ts
    cdef public long long max_ts
    cdef public long long reordered
    cdef public long long max_backstep_ns
    cdef public int mode
    cdef public int tsresol
    cdef public long long factor
    cdef public long long ticks_limit
    cdef public long long offset_ns
    cdef public object offset_s

    cpdef reset(self)
    @cython.final
    @cython.locals(ticks=cython.longlong, ns=cython.longlong, seconds=cython.longlong)
    cdef long long to_ns(self, long long high, long long low) except? -1
    cdef long long to_ns_exact(self, object high, object low) except? -1
