cimport cython

from ctreplay.tracker.extension cimport Extension


@cython.final
cdef class Entry:
    # 240 bytes in four cache lines, in the order of use: what a lookup compares and every packet reads, what every packet
    # changes, what only TCP keeps, what only IPv6, birth and death touch
    cdef public Entry next
    cdef public unsigned long long src_lo
    cdef public unsigned long long dst_lo
    cdef public unsigned short sport
    cdef public unsigned short dport
    cdef public unsigned short rsport
    cdef public unsigned short rdport
    cdef public unsigned int hash
    cdef public unsigned char family
    cdef public unsigned char proto
    cdef public unsigned short zone
    cdef public long long deadline
    cdef public unsigned short status
    cdef public unsigned char events
    cdef public unsigned char retrans
    cdef public unsigned char state
    cdef public unsigned char in_table
    cdef public unsigned char dying
    cdef public unsigned char midstream
    cdef public long long queued
    cdef public Extension ext
    cdef public unsigned int orig_packets
    cdef public unsigned int reply_packets
    cdef public long long orig_bytes
    cdef public long long reply_bytes
    cdef public long long last_ts
    cdef public long long last_packet
    cdef public unsigned int end0
    cdef public unsigned int maxend0
    cdef public unsigned int maxwin0
    cdef public unsigned int maxack0
    cdef public unsigned int end1
    cdef public unsigned int maxend1
    cdef public unsigned int maxwin1
    cdef public unsigned int maxack1
    cdef public unsigned char scale0
    cdef public unsigned char scale1
    cdef public unsigned char tflags0
    cdef public unsigned char tflags1
    cdef public unsigned short last_win
    cdef public unsigned char last_dir
    cdef public unsigned char last_index
    cdef public unsigned int last_seq
    cdef public unsigned int last_ack
    cdef public unsigned int last_end
    cdef public unsigned char last_wscale
    cdef public unsigned char last_flags
    cdef public unsigned char told
    cdef public int slot
    cdef public unsigned int mark
    cdef public unsigned long long src_hi
    cdef public unsigned long long dst_hi
    cdef public long long first_ts
    cdef public long long conn_id
    cdef public Entry timer_next
    cdef public Entry timer_prev
