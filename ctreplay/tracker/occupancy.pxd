cimport cython

from ctreplay.tracker.entry cimport Entry

cdef long long _SECOND
cdef unsigned int _SEEN_REPLY, _ASSURED
cdef int _PROTOS, _STATES


@cython.final
cdef class Occupancy:
    cdef public long long[::1] protos
    cdef public long long[::1] states
    cdef public long long entries
    cdef public long long assured
    cdef public long long unreplied
    cdef public long long inserts
    cdef public long long destroys
    cdef public long long early_drops
    cdef public long long full_drops
    cdef public long long packets
    cdef public long long peak
    cdef public long long peak_ever
    cdef public long long peak_ts
    cdef public long long second
    cdef public long long next_second
    cdef public bint dirty

    cpdef int start(self, long long now) except -1
    cdef int add(self, Entry e, long long now) except -1
    cdef int remove(self, Entry e, int state, unsigned int status) except -1
    cdef int change(self, Entry e, int state, unsigned int status) except -1


cdef int proto_index(int proto) noexcept
