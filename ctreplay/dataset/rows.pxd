cimport cython

cimport ctreplay.octets as octets
from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry
from ctreplay.tracker.occupancy cimport Occupancy
from ctreplay.tracker.sink cimport Change, Sink

cdef long long _SECOND
cdef int _TRANSITIONS, _CONNECTIONS, _PACKETS, _SECONDS
cdef int _TCP, _SCTP, _STATELESS
cdef unsigned int _SEEN_REPLY


cdef class Rows:
    cdef public object fresh
    cdef public dict columns
    cdef public int n
    cdef public int limit
    cdef public long long flushed

    cdef int hand(self, object flush, str table) except -1


@cython.final
cdef class TransitionRows(Rows):
    cdef long long[::1] conn_id
    cdef signed char[::1] direction
    cdef signed char[::1] event
    cdef signed char[::1] marks
    cdef signed char[::1] new_state
    cdef unsigned int[::1] new_status
    cdef signed char[::1] old_state
    cdef unsigned int[::1] old_status
    cdef long long[::1] packet
    cdef long long[::1] timeout
    cdef long long[::1] ts
    cdef signed char[::1] why

@cython.final
cdef class ConnectionRows(Rows):
    cdef public dict extra
    cdef long long[::1] conn_id
    cdef unsigned short[::1] dport
    cdef unsigned char[::1] dst
    cdef long long[::1] end_ts
    cdef signed char[::1] family
    cdef long long[::1] first_ts
    cdef long long[::1] last_packet
    cdef long long[::1] last_ts
    cdef long long[::1] left
    cdef unsigned int[::1] mark
    cdef signed char[::1] midstream
    cdef long long[::1] orig_bytes
    cdef long long[::1] orig_packets
    cdef unsigned char[::1] proto
    cdef unsigned short[::1] rdport
    cdef long long[::1] reply_bytes
    cdef long long[::1] reply_packets
    cdef unsigned short[::1] rsport
    cdef unsigned short[::1] sport
    cdef unsigned char[::1] src
    cdef signed char[::1] state
    cdef unsigned int[::1] status
    cdef signed char[::1] why
    cdef unsigned short[::1] zone

@cython.final
cdef class PacketRows(Rows):
    cdef unsigned int[::1] ack
    cdef unsigned int[::1] ack_high
    cdef unsigned int[::1] ack_low
    cdef signed char[::1] bounds
    cdef signed char[::1] ported
    cdef signed char[::1] family
    cdef long long[::1] caplen
    cdef unsigned short[::1] capture
    cdef long long[::1] conn_id
    cdef signed char[::1] ctstate
    cdef signed char[::1] direction
    cdef unsigned short[::1] dport
    cdef unsigned char[::1] dst
    cdef short[::1] flags
    cdef long long[::1] frame
    cdef long long[::1] length
    cdef long long[::1] margin
    cdef long long[::1] offset
    cdef long long[::1] packet
    cdef unsigned int[::1] payload
    cdef short[::1] proto
    cdef short[::1] reason
    cdef signed char[::1] refreshed
    cdef unsigned int[::1] seq
    cdef unsigned int[::1] seq_end
    cdef unsigned int[::1] seq_high
    cdef unsigned int[::1] seq_low
    cdef unsigned short[::1] sport
    cdef unsigned char[::1] src
    cdef signed char[::1] state
    cdef long long[::1] timeout
    cdef long long[::1] ts
    cdef long long[::1] tuple_conn_id
    cdef unsigned short[::1] window
    cdef long long[::1] wirelen


@cython.final
cdef class Summary:
    cdef long long[::1] protos
    cdef long long[::1] states
    cdef long long[::1] whys
    cdef public long long unreplied
    cdef public long long midstream
    cdef public long long one_sided
    cdef public long long tcp

    cdef int add(self, Entry e, int state, int why) except -1


@cython.final
cdef class SecondRows(Rows):
    cdef long long[::1] cells


cdef class RowSink(Sink):
    cdef public object flush
    cdef public TransitionRows transitions
    cdef public ConnectionRows connections
    cdef public PacketRows packets
    cdef public SecondRows seconds
    cdef public Summary summary

    @cython.locals(r=SecondRows, i=int, at=int, k=int)
    cpdef int second(self, Occupancy o) except -1

    @cython.locals(r=TransitionRows, i=int, shift=int)
    cpdef int transition(self, Change change) except -1

    @cython.locals(r=ConnectionRows, i=int, state=int)
    cpdef int connection(self, Entry e, int why, long long end_ts, long long left) except -1

    @cython.locals(r=PacketRows, i=int, e=Entry, left=cython.longlong)
    cpdef int packet(self, Packet p, Packet w, int reason, Entry tuple_entry, long long now) except -1

    @cython.locals(r=PacketRows)
    cdef int addresses(self, Packet p, int i) except -1


cdef int state_code(Entry e) noexcept
