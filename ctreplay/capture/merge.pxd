cimport cython
from ctreplay.capture.facts cimport CaptureFacts
from ctreplay.capture.reader cimport Reader
from ctreplay.capture.record cimport Record, Source

cdef int _RESTARTS


cdef class CaptureSet(Source):
    cdef public object files
    cdef public object inputs
    cdef public object skipped
    cdef public object repeated
    cdef public object captures
    cdef public object hasher
    cdef public object damage
    cdef list heap
    cdef public bint sorting
    cdef int restarts
    cdef Reader current
    cdef public long long late
    cdef public long long delivered
    cdef long long last_ts
    cdef public int active
    cdef public int held_files
    cdef bint ready
    cdef Py_ssize_t size

    @cython.locals(reader=Reader, i=Py_ssize_t)
    cpdef begin(self)
    cdef bint before(self, Reader a, Reader b) except? False
    @cython.locals(reader=Reader, other=Reader, child=Py_ssize_t)
    cdef sift(self, Py_ssize_t i)
    cdef drop(self)
    @cython.locals(reader=Reader, opened=Reader)
    cdef bint settle(self) except? False
    cpdef bint advance(self, Record rec) except? False
    cdef bint another(self, Record rec) except? False
    @cython.locals(reader=Reader, fact=CaptureFacts)
    cdef bint deliver(self, Record rec) except? False
