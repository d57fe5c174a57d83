cimport cython


@cython.final
cdef class Settings:
    cdef public long long[::1] tcp
    cdef public long long[::1] sctp
    cdef public long long retrans_timeout
    cdef public long long unacked_timeout
    cdef public long long udp
    cdef public long long udp_stream
    cdef public long long icmp
    cdef public long long icmpv6
    cdef public long long generic
    cdef public long long gre
    cdef public long long gre_stream
    cdef public long long frag6_timeout
    cdef public long long frag4_timeout
    cdef public long long frag_max_dist
    cdef public long long frag_memory
    cdef public int loose
    cdef public int be_liberal
    cdef public int ignore_invalid_rst
    cdef public int max_retrans
    cdef public int checksum
    cdef public long long max_entries
    cdef public long long buckets
