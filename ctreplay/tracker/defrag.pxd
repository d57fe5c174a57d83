cimport cython

cimport ctreplay.octets as octets
from ctreplay.packet cimport Packet
from ctreplay.tracker.settings cimport Settings

cdef int _MAX_DATAGRAM, _SOURCES_KEPT, _OVERHEAD, _FRAGMENT, _AUTH, _NONE


@cython.final
cdef class Queue:
    cdef public long long deadline
    cdef public long long rid
    cdef public list runs
    cdef public dict parts
    cdef public long long length
    cdef public long long meat
    cdef public long long memory
    cdef public int cut
    cdef public bint first
    cdef public bint last_seen
    cdef public bytes header

    cpdef restart(self, long long rid)

    @cython.locals(runs=list, last=list, count=Py_ssize_t, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t, begin=cython.longlong, stop=cython.longlong)
    cpdef int place(self, long long offset, long long end) except -1


@cython.final
cdef class Defrag:
    cdef public Settings s
    cdef public object queues
    cdef public dict sources
    cdef public long long memory
    cdef public long long timeouts
    cdef public bytes datagram
    cdef public int cut

    cpdef int add(self, Packet p, long long now) except? -2

    @cython.locals(queue=Queue)
    cdef expire(self, long long now)
    cdef kill(self, tuple key, Queue queue)

    @cython.locals(queue=Queue)
    cdef Queue queue_for(self, tuple key, long long now, long long timeout, long long rid)
    cdef keep(self, Queue queue, long long offset, bytes data, int cut)
    cdef bytes payload(self, Queue queue)

    @cython.locals(
        key=tuple, rid=cython.longlong, queue=Queue, distance=cython.longlong, offset=int, end=int, size=int, verdict=int,
        total=cython.longlong, header=bytearray,
    )
    cdef int add4(self, Packet p, long long now) except? -2

    @cython.locals(
        key=tuple, queue=Queue, data_at=int, offset=int, end=int, size=int, verdict=int, payload=cython.longlong,
        header=bytearray,
    )
    cdef int add6(self, Packet p, long long now) except? -2

    @cython.locals(kind=int, size=int)
    cdef bint chain_cut(self, Packet p, int at, int stop) except? True

    @cython.locals(header=bytearray, nxt=int, kind=int, pointer=int, o=int, size=int)
    cdef bytes unfragmentable(self, Packet p)
