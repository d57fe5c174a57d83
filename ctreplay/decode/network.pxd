cimport cython

cimport ctreplay.octets as octets
from ctreplay.packet cimport Packet

cdef int _OK
cdef int _IP_VERSION
cdef int _IP_HEADER
cdef int _IP_LENGTH
cdef int _IPV6_ADDRESS
cdef int _IPV6_OPTIONS
cdef int _L4_NOT_FOUND
cdef int _TUPLE_MISSING
cdef int _GRE_NOT_PPP
cdef unsigned long long _V4_MAPPED
cdef int _U16
cdef int _TCP
cdef int _UDP
cdef int _ICMP
cdef int _ICMPV6
cdef int _SCTP
cdef int _UDPLITE
cdef int _GRE
cdef int _GRE_PPP
cdef int _MAX_PADDED
cdef int _MAX_PAYLOAD
cdef int _PAD1
cdef int _PADN
cdef int _ROUTER_ALERT
cdef int _CALIPSO
cdef int _IOAM
cdef int _JUMBO
cdef int _MAX_OPTIONS
cdef int _MAX_PADDING


@cython.final
cdef class Network:
    cdef public object scratch
    cdef public Packet padded
    cdef public Packet whole

    @cython.locals(left=int, version=int, fault=int, lengthless=bint)
    cpdef int parse(self, Packet pkt) except -1

    @cython.locals(left=int)
    cpdef int reassembled(self, Packet pkt) except -1

    @cython.locals(o=int, ihl=int, total=int, fragment=int)
    cdef int ipv4(self, Packet pkt, int left) except -1

    @cython.locals(o=int, payload=int, nxt=int, total=int, end=int)
    cdef int ipv6(self, Packet pkt, int left) except -1

    @cython.locals(o=int, size=cython.longlong, jumbo=cython.longlong)
    cdef int all_there_is(self, Packet pkt, int left) except? -1

    @cython.locals(o=int, end=int)
    cdef int dropped_on_receipt(self, Packet pkt, int left) except -1

    @cython.locals(stop=int, at=int, padding=int, count=int, kind=int, size=int, i=int)
    cdef bint options_refused(self, Packet pkt, int o, int end, int payload) except -1

    @cython.locals(word=int, size=int)
    cdef int chain(self, Packet pkt, int nxt, int o, int end) except -1

    @cython.locals(proto=int)
    cdef bint needs_padding(self, Packet pkt) except -1

    @cython.locals(total=int, begin=int, i=int, whole=Packet, source="const unsigned char[::1]", target="unsigned char[::1]")
    cdef Packet pad(self, Packet pkt, int left)

    @cython.locals(end=int)
    cpdef int quoted(self, Packet inner, Packet outer, int o) except -1

    @cython.locals(o=int, cap=int, proto=int)
    cpdef int transport(self, Packet pkt) except -1
