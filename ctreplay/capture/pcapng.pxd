cimport cython
from ctreplay.capture.facts cimport CaptureFacts
from ctreplay.capture.reader cimport Reader

cdef long long _SHB
cdef long long _IDB
cdef long long _PB
cdef long long _SPB
cdef long long _NRB
cdef long long _ISB
cdef long long _EPB
cdef long long _BYTE_ORDER_MAGIC
cdef long long _BYTE_ORDER_SWAPPED
cdef long long _MAX_CAPLEN
cdef long long _MAX_FRAME
cdef long long _MAX_BLOCK
cdef long long _MAX_META
cdef long long _SEARCH
cdef long long _TICKS_INVALID
cdef long long _MAX_INTERFACES
cdef object _KNOWN


@cython.locals(v=cython.longlong)
cdef long long _le32(const unsigned char[::1] buf, Py_ssize_t i) except? -1

@cython.locals(v=cython.longlong)
cdef long long _be32(const unsigned char[::1] buf, Py_ssize_t i) except? -1


cdef class PcapngReader(Reader):
    cdef bint big
    cdef list interfaces
    cdef public long long declared
    cdef public long long section_comments
    cdef object version

    cpdef long long u32(self, Py_ssize_t i) except? -1
    cpdef long long u16(self, Py_ssize_t i) except? -1

    @cython.locals(p=Py_ssize_t, kind=cython.longlong, total=cython.longlong)
    cpdef bint step(self) except? False
    @cython.locals(interface=cython.longlong, caplen=cython.longlong, at=Py_ssize_t)
    cpdef bint enhanced(self, Py_ssize_t p, long long total) except? False
    @cython.locals(fact=CaptureFacts)
    cpdef bint select(self, long long interface, Py_ssize_t p) except? False
    @cython.locals(ts=cython.longlong)
    cpdef stamp(self, long long high, long long low, Py_ssize_t p)
    @cython.locals(code=cython.longlong)
    cpdef options(self, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(offset=cython.longlong, left=cython.longlong, caplen=cython.longlong, limit=cython.longlong)
    cpdef bint load(self, long long total, int head) except? False
    @cython.locals(fact=CaptureFacts)
    cpdef long long caplen_limit(self, long long interface) except? -1
    @cython.locals(p=Py_ssize_t, order=cython.longlong)
    cpdef bint other(self, long long kind, long long total) except? False
    cpdef bint old_packet(self, Py_ssize_t p, long long total) except? False
    cpdef bint simple_packet(self, Py_ssize_t p, long long total) except? False
    cpdef bint resync(self, object what) except? False
    @cython.locals(scanned=cython.longlong)
    cpdef bint search(self, long long offset, object what) except? False
    @cython.locals(kind=cython.longlong, total=cython.longlong, order=cython.longlong, tail=Py_ssize_t, big=cython.bint)
    cpdef bint plausible(self) except? False
