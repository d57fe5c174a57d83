from ctreplay.capture.record cimport Record
from ctreplay.tracker.entry cimport Entry


cdef class Packet(Record):
    cdef public int fault
    cdef public bint padded
    cdef public bint ported
    cdef public int family
    cdef public int proto
    cdef public unsigned long long src_hi
    cdef public unsigned long long src_lo
    cdef public unsigned long long dst_hi
    cdef public unsigned long long dst_lo
    cdef public int l3
    cdef public int l3_len
    cdef public int l4
    cdef public int l4_len
    cdef public int l4_cap
    cdef public int l4_fault
    cdef public int tuple_fault
    cdef public int hop_limit
    cdef public int cut
    cdef public int frag
    cdef public int frag_more
    cdef public int frag_off
    cdef public int frag_pos
    cdef public unsigned int frag_id
    cdef public int sport
    cdef public int dport
    cdef public int zone
    cdef public unsigned int hash
    cdef public int flags
    cdef public unsigned int seq
    cdef public unsigned int ack
    cdef public int window
    cdef public int doff
    # verdict
    cdef public Entry entry
    cdef public int ctstate
    cdef public int direction
    cdef public int reason
    cdef public int note
    cdef public bint refreshed
    cdef public bint account
    cdef public int bounds
    cdef public unsigned int bound_seq_low
    cdef public unsigned int bound_seq_high
    cdef public unsigned int bound_ack_low
    cdef public unsigned int bound_ack_high
    cdef public unsigned int seg_end
    cdef public long long margin
    cdef public long long timeout_ns

    cpdef int copy_record(self, Record other) except -1
