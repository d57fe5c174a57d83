cimport cython

from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry

cdef extern from *:
    """
    static inline void ctreplay_fetch_bucket(PyObject *list, Py_ssize_t i) {
        __builtin_prefetch(((PyListObject *)list)->ob_item + i);
    }
    /* an entry and the collector's header before it are four cache lines */
    static inline void ctreplay_fetch_entry(PyObject *list, Py_ssize_t i) {
        const char *entry = (const char *)((PyListObject *)list)->ob_item[i];
        if (entry != (const char *)Py_None) {
            __builtin_prefetch(entry, 1);
            __builtin_prefetch(entry + 64, 1);
            __builtin_prefetch(entry + 128, 1);
            __builtin_prefetch(entry + 192, 1);
        }
    }
    """
    void fetch_bucket "ctreplay_fetch_bucket"(list, Py_ssize_t) noexcept
    void fetch_entry "ctreplay_fetch_entry"(list, Py_ssize_t) noexcept

cdef unsigned int _U32
cdef unsigned long long _U64
cdef unsigned long long _K1
cdef unsigned long long _K2
cdef unsigned long long _K3
cdef int _START
cdef int _PARTS
cdef int _ICMP
cdef int _ICMPV6


@cython.final
cdef class Table:
    cdef public list buckets
    cdef public long long count
    cdef public unsigned int mask
    cdef public unsigned long long seed0
    cdef public unsigned long long seed1
    cdef public unsigned int coming

    @cython.locals(x="unsigned long long", y="unsigned long long", sport="unsigned long long", dport="unsigned long long")
    cdef unsigned int hash_of(self, Packet p) noexcept

    @cython.locals(e=Entry)
    cpdef Entry find(self, Packet p)

    cdef int foresee(self, Packet p) except -1

    @cython.locals(i="unsigned int")
    cpdef int insert(self, Entry e) except -1

    @cython.locals(i="unsigned int", walk=Entry)
    cpdef int remove(self, Entry e) except -1

    @cython.locals(old=list, fresh=list, size="Py_ssize_t", mask="unsigned int", i="unsigned int", e=Entry, after=Entry)
    cpdef int grow(self) except -1

    @cython.locals(e=Entry, youngest=cython.longlong, found=list)
    cpdef list parts(self)
