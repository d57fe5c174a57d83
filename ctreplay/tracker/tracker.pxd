cimport cython

from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry
from ctreplay.tracker.limit cimport Limit
from ctreplay.tracker.occupancy cimport Occupancy
from ctreplay.tracker.proto.datagram cimport Datagram
from ctreplay.tracker.proto.icmp cimport Icmp
from ctreplay.tracker.proto.sctp cimport Sctp
from ctreplay.tracker.proto.tcp cimport Tcp
from ctreplay.tracker.sink cimport Change, Sink
from ctreplay.tracker.table cimport Table, by_age
from ctreplay.tracker.timers cimport Timers

cdef long long _SECOND, _NEVER
cdef int _REASONS
cdef int _INVALID_VERDICT, _REPEAT
cdef int _NEW, _ESTABLISHED, _RELATED, _INVALID, _UNTRACKED
cdef unsigned int _EXPECTED_BIT, _SEEN_REPLY, _CONFIRMED, _DYING
cdef unsigned int _EV_NEW, _EV_RELATED, _EV_DESTROY, _EV_REPLY, _EV_PROTOINFO
cdef int _EVENT_NEW, _EVENT_UPDATE, _EVENT_DESTROY
cdef int _TCP, _UDP, _ICMP, _ICMPV6, _SCTP, _UDPLITE, _GRE, _TCP_SYN_SENT2
cdef int _ICMP_REJECT, _ICMP_UNTRACKED, _ICMP_ATTACHED
cdef int _W_TIMEOUT, _W_RESET, _W_REOPENED, _W_CAPTURE_END, _W_MIDSTREAM, _W_RESYNC, _W_SIMULTANEOUS, _W_EXPECTED, _W_EARLY_DROP, _W_GC
cdef int _R_NOT_INVERTIBLE, _R_TABLE_FULL, _R_REOPENED, _R_MIDSTREAM, _R_RESYNC, _R_EXPECTED, _R_HELPER_DROPPED


@cython.final
cdef class Tracker:
    cdef public Sink sink
    cdef public Table table
    cdef public Timers timers
    cdef public Occupancy occupancy
    cdef public Change change
    cdef public Tcp tcp
    cdef public Datagram datagram
    cdef public Sctp sctp
    cdef public Icmp icmp
    cdef public Limit limit
    cdef public object helpers
    cdef public unsigned char[::1] watch
    cdef public unsigned char[::1] expecting
    cdef public long long next_expectation
    cdef public int gre_keys
    cdef public long long n_dropped_by_helper
    cdef public long long[::1] reason_counts
    cdef public long long n_invalid
    cdef public long long n_error
    cdef public long long n_dropped
    cdef public long long n_early_drop
    cdef public long long n_processed
    cdef public long long now
    cdef public bint started
    cdef public Entry tuple_entry

    @cython.locals(e=Entry)
    cpdef int advance(self, long long ts) except -1
    cdef int second(self, long long now) except -1
    cpdef int process(self, Packet p) except -1
    cdef int invalid(self, Packet p, int reason) except -1

    @cython.locals(reopened=bint, e=Entry, old_state=int, old_status="unsigned int", verdict=int)
    cdef int track(self, Packet p) except -1

    @cython.locals(answer=int, e=Entry)
    cdef bint icmp_settled(self, Packet p) except? True
    cdef int judged_invalid(self, Entry e, Packet p, int old_state, unsigned int old_status) except -1

    @cython.locals(proto=int)
    cdef int judge(self, Entry e, Packet p) except -1
    cdef int account(self, Entry e, Packet p) except -1

    @cython.locals(e=Entry)
    cdef Entry create(self, Packet p)

    @cython.locals(victims=list, e=Entry)
    cdef bint make_room(self, Packet p) except? False

    cdef int confirm(self, Entry e, Packet p, int old_state, unsigned int old_status) except -1

    @cython.locals(c=Change)
    cdef int deliver(self, Entry e, Packet p, unsigned int old_status) except -1

    cdef int refused(self, Entry e, Packet p, int old_state, unsigned int old_status) except -1
    cdef int changed(self, Entry e, int old_state, unsigned int old_status) except -1

    @cython.locals(state=int, has_state=bint, c=Change)
    cpdef int destroy(self, Entry e, long long ts, int why, long long packet, int direction) except -1

    cpdef int set_deadline(self, Entry e, long long deadline) except -1

    @cython.locals(parts=list, e=Entry)
    cpdef int finish(self) except -1
