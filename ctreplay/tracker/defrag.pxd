cimport cython

cimport ctreplay.octets as octets
from ctreplay.packet cimport Packet
from ctreplay.tracker.queues cimport Queue, Queues
from ctreplay.tracker.settings cimport Settings

cdef int _MAX_DATAGRAM, _SOURCES_KEPT, _OVERHEAD, _FRAGMENT, _AUTH, _NONE, _AGAIN, _NOT_ECT


@cython.final
cdef class Defrag:
    cdef public Settings s
    cdef public Queues queues
    cdef public dict sources
    cdef public long long memory
    cdef public long long timeouts
    cdef public bytes datagram
    cdef public int cut

    cpdef int add(self, Packet p, long long now) except? -2

    @cython.locals(queue=Queue)
    cdef int expire(self, long long now) except -1
    cdef int kill(self, Queue queue) except -1

    @cython.locals(hash_="unsigned long long", queue=Queue)
    cdef Queue queue_for(self, Packet p, long long now, long long timeout, long long rid)

    @cython.locals(size=Py_ssize_t)
    cdef int keep(self, Queue queue, long long offset, bytes data, int cut, int ecn) except -1

    @cython.locals(
        rid=cython.longlong, queue=Queue, distance=cython.longlong, offset=int, end=int, size=int, placed=int,
        total=cython.longlong, header=bytearray,
    )
    cdef int add4(self, Packet p, long long now) except? -2

    @cython.locals(
        queue=Queue, data_at=int, offset=int, end=int, size=int, placed=int, payload=cython.longlong,
        header=bytearray,
    )
    cdef int add6(self, Packet p, long long now) except? -2

    @cython.locals(kind=int, size=int)
    cdef bint chain_cut(self, Packet p, int at, int stop) except? True

    @cython.locals(header=bytearray, nxt=int, kind=int, pointer=int, o=int, size=int)
    cdef bytes unfragmentable(self, Packet p)
