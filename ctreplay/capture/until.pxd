from ctreplay.capture.record cimport Record, Source

cdef long long _NEVER


cdef class Until(Source):
    cdef public Source source
    cdef public long long limit
    cdef public bint held

    cpdef bint advance(self, Record rec) except? False
