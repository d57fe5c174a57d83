cimport cython

from ctreplay.tracker.entry cimport Entry
from ctreplay.tracker.occupancy cimport Occupancy


@cython.final
cdef class Change:
    cdef public Entry entry
    cdef public long long ts
    cdef public long long packet
    cdef public int event
    cdef public int direction
    cdef public int old_state
    cdef public int new_state
    cdef public unsigned int old_status
    cdef public unsigned int new_status
    cdef public unsigned int marks
    cdef public long long timeout
    cdef public int why


cdef class Sink:
    cpdef int transition(self, Change change) except -1
    cpdef int connection(self, Entry e, int why, long long end_ts, long long left) except -1
    cpdef int second(self, Occupancy o) except -1
