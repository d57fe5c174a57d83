cimport cython
from cpython.object cimport PyObject

cimport ctreplay.keyedhash as keyedhash
from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject** ob_item
    PyObject* PyList_GET_ITEM(list, Py_ssize_t)

cdef extern from *:
    """
    /* without the empty statement the compiler holds a function that only fetches for one without effect */
    #define ctreplay_fetch(address) do { __builtin_prefetch(address); __asm__ volatile(""); } while (0)
    """
    void fetch "ctreplay_fetch"(const void*) noexcept


cdef inline void fetch_bucket(list buckets, Py_ssize_t i) noexcept:
    fetch(<PyObject**>(<PyListObject*>buckets).ob_item + i)


cdef enum:
    _STRIDE = 16


# borrowed references: counting one writes to memory that has not come yet
cdef inline void fetch_entry(PyObject* e, Packet p) noexcept:
    if e != <PyObject*>None:
        fetch(e)
        fetch(<char*>e + 64)
        # a line that nobody looks at costs a tenth of the time of a packet
        if p.proto == 6:
            fetch(<char*>e + 128)
        if p.family == 6:
            fetch(<char*>e + 192)


cdef inline void fetch_first(list buckets, unsigned int mask, list packets, Py_ssize_t i) noexcept:
    cdef Packet p = <Packet>PyList_GET_ITEM(packets, i)
    fetch_entry(PyList_GET_ITEM(buckets, p.hash & mask), p)


cdef inline void fetch_second(list buckets, unsigned int mask, list packets, Py_ssize_t i) noexcept:
    cdef Packet p = <Packet>PyList_GET_ITEM(packets, i)
    cdef PyObject* e = PyList_GET_ITEM(buckets, p.hash & mask)
    if e != <PyObject*>None and (<Entry>e).hash != p.hash:
        fetch_entry(<PyObject*>(<Entry>e).next, p)


# what a walk over all entries needs of those some buckets on: links and hash, and the line with the number
cdef inline void fetch_ahead(list buckets, Py_ssize_t i, Py_ssize_t size) noexcept:
    cdef PyObject* e
    if i + _STRIDE < size:
        e = PyList_GET_ITEM(buckets, i + _STRIDE)
        if e != <PyObject*>None:
            fetch(e)
            fetch(<char*>e + 192)


cdef unsigned long long _U64
cdef int _START
cdef int _PARTS
cdef int _CACHED
cdef int _DENSE
cdef int _IPV4
cdef int _ICMP
cdef int _ICMPV6


@cython.final
cdef class Table:
    cdef public list buckets
    cdef public long long count
    cdef public unsigned int mask
    cdef public unsigned long long key0
    cdef public unsigned long long key1
    cdef public unsigned long long key2
    cdef public unsigned long long key3
    cdef public bint fetches
    cdef public long long youngest

    @cython.locals(x="unsigned long long", y="unsigned long long", sport="unsigned long long", dport="unsigned long long")
    cpdef unsigned int hash_of(self, Packet p) noexcept

    @cython.locals(e=Entry)
    cpdef Entry find(self, Packet p)

    cdef int expect(self, Packet p) except -1

    @cython.locals(i=Py_ssize_t)
    cdef int foresee(self, list packets, Py_ssize_t count) except -1

    @cython.locals(i="unsigned int")
    cpdef int insert(self, Entry e) except -1

    @cython.locals(i="unsigned int", walk=Entry)
    cpdef int remove(self, Entry e) except -1

    @cython.locals(
        old=list, fresh=list, size=Py_ssize_t, k=Py_ssize_t, mask="unsigned int", i="unsigned int", e=Entry, after=Entry
    )
    cpdef int grow(self) except -1

    @cython.locals(
        buckets=list, size=Py_ssize_t, k=Py_ssize_t, found=list, part=list, e=Entry, after=Entry, place=Py_ssize_t
    )
    cpdef list drain(self)

    @cython.locals(e=Entry, found=list)
    cpdef list entries(self)


@cython.locals(e=Entry, first=cython.longlong, last=cython.longlong, places=list)
cpdef list by_age(list entries)
