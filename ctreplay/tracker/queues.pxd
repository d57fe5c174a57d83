cimport cython

cimport ctreplay.keyedhash as keyedhash
from ctreplay.packet cimport Packet

cdef int _START, _IPV4


@cython.final
cdef class Queue:
    cdef public Queue next
    cdef public Queue older
    cdef public Queue newer
    cdef public unsigned long long hash
    cdef public unsigned long long src_hi
    cdef public unsigned long long src_lo
    cdef public unsigned long long dst_hi
    cdef public unsigned long long dst_lo
    cdef public unsigned int frag_id
    cdef public unsigned char family
    cdef public unsigned char proto
    cdef public long long deadline
    cdef public long long rid
    cdef public list runs
    cdef public list parts
    cdef public long long length
    cdef public long long meat
    cdef public long long memory
    cdef public int cut
    cdef public int ecn
    cdef public bint first
    cdef public bint last_seen
    cdef public bytes header

    cdef int restart(self) except -1

    @cython.locals(
        runs=list, last=list, count=Py_ssize_t, low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t,
        begin=cython.longlong, stop=cython.longlong,
    )
    cpdef int place(self, long long offset, long long end) except -1
    cdef bytes datagram(self, bytearray header)


@cython.final
cdef class Queues:
    cdef public list buckets
    cdef public long long count
    cdef public long long mask
    cdef public Queue oldest
    cdef public Queue newest
    cdef public unsigned long long key0
    cdef public unsigned long long key1
    cdef public unsigned long long key2

    @cython.locals(x="unsigned long long")
    cpdef unsigned long long hash_of(self, Packet p) noexcept

    @cython.locals(queue=Queue)
    cdef Queue find(self, Packet p, unsigned long long hash_)

    @cython.locals(queue=Queue, i=Py_ssize_t)
    cdef Queue add(self, Packet p, unsigned long long hash_)

    @cython.locals(walk=Queue, i=Py_ssize_t)
    cdef int remove(self, Queue queue) except -1
    cdef int renew(self, Queue queue) except -1

    @cython.locals(queue=Queue, i=Py_ssize_t)
    cdef int grow(self) except -1
