cimport cython
from ctreplay.capture.facts cimport CaptureFacts
from ctreplay.capture.reader cimport Reader

cdef long long _BLOCK
cdef long long _CHUNK


@cython.locals(packets=cython.longlong, disordered=cython.bint, last=cython.longlong, low=cython.longlong,
               high=cython.longlong, count=cython.longlong, size=cython.longlong, steady=cython.bint,
               ts=cython.longlong, fact=CaptureFacts)
cpdef object walk(Reader reader, long long limit)
