cimport cython
cimport ctreplay.octets as octets
from ctreplay.capture.facts cimport CaptureFacts
from ctreplay.capture.reader cimport Reader

cdef long long _SHB
cdef long long _IDB
cdef long long _PB
cdef long long _SPB
cdef long long _NRB
cdef long long _ISB
cdef long long _EPB
cdef bytes _LITTLE
cdef bytes _BIG
cdef long long _MAX_CAPLEN
cdef long long _MAX_FRAME
cdef long long _MAX_BLOCK
cdef long long _MAX_META
cdef long long _SEARCH
cdef long long _TICKS_INVALID
cdef long long _LATEST
cdef long long _MAX_INTERFACES
cdef object _KNOWN



cdef class PcapngReader(Reader):
    cdef bint big
    cdef list interfaces
    cdef public long long declared
    cdef object version

    @cython.final
    cdef long long u32(self, Py_ssize_t i) except? -1
    @cython.final
    cdef long long u16(self, Py_ssize_t i) except? -1

    @cython.locals(p=Py_ssize_t, kind=cython.longlong, total=cython.longlong)
    cdef bint step(self) except? False
    @cython.final
    @cython.locals(caplen=cython.longlong)
    cdef bint packet(self, Py_ssize_t p, long long total) except? False
    @cython.locals(p=Py_ssize_t, total=cython.longlong)
    cdef bint another(self) except? False
    @cython.final
    cdef bint enhanced(self, Py_ssize_t p, long long total) except? False
    @cython.final
    @cython.locals(fact=CaptureFacts)
    cdef bint select(self, long long interface, Py_ssize_t p) except? False
    @cython.final
    @cython.locals(ts=cython.longlong)
    cdef stamp(self, long long high, long long low, Py_ssize_t p)
    @cython.locals(offset=cython.longlong, left=cython.longlong, caplen=cython.longlong, limit=cython.longlong)
    cdef bint load(self, long long total, int head) except? False
    @cython.locals(fact=CaptureFacts)
    cdef long long caplen_limit(self, long long interface) except? -1
    @cython.locals(p=Py_ssize_t)
    cdef bint other(self, long long kind, long long total) except? False
    cdef bint old_packet(self, Py_ssize_t p, long long total) except? False
    cdef bint simple_packet(self, Py_ssize_t p, long long total) except? False
    cdef bint resync(self, object what) except? False
    @cython.locals(scanned=cython.longlong)
    cdef bint search(self, long long offset, object what) except? False
    @cython.locals(kind=cython.longlong, big=cython.bint)
    cdef bint plausible(self) except? False
    @cython.locals(total=cython.longlong)
    cdef bint framed(self) except? False
