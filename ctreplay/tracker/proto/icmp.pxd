cimport cython

from ctreplay.decode.checksum cimport Checksum
from ctreplay.decode.network cimport Network
from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry
from ctreplay.tracker.settings cimport Settings
from ctreplay.tracker.table cimport Table

cdef int _GO_ON, _REJECT, _UNTRACKED, _ATTACHED
cdef int _RELATED
cdef int _ICMP, _ICMPV6, _LINK_LOCAL, _HOP_LIMIT, _REDIRECTED_HEADER
cdef int _R_SHORT, _R_CHECKSUM, _R_TYPE, _R_QUOTE, _R_NO_ENTRY, _R_DESTINATION, _R_REDIRECT, _R_UNTRACKED, _R_ERROR


@cython.final
cdef class Icmp:
    cdef public Settings s
    cdef public Checksum checksum
    cdef public Network network
    cdef public Table table
    cdef public Packet inner
    cdef public Packet probe

    cdef int reject(self, Packet p, int reason) except -1
    cdef int check(self, Packet p) except -1

    @cython.locals(kind=int, total=int)
    cdef int v4(self, Packet p) except -1

    @cython.locals(kind=int)
    cdef int v6(self, Packet p) except -1

    @cython.locals(o=int)
    cdef int redirect(self, Packet p) except -1

    @cython.locals(inner=Packet, probe=Packet, e=Entry)
    cdef int error(self, Packet p, int o) except -1

    @cython.locals(kind=int)
    cdef bint invert(self, int proto, int sport, int dport, Packet into) noexcept
