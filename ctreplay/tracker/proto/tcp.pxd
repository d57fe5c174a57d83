cimport cython

cimport ctreplay.octets as octets
from ctreplay.decode.checksum cimport Checksum
from ctreplay.packet cimport Packet
from ctreplay.tracker.entry cimport Entry
from ctreplay.tracker.settings cimport Settings

cdef unsigned int _U32
cdef unsigned int _HALF
cdef unsigned int _QUARTER
cdef unsigned int _MIN_ACK_WINDOW
cdef int _MAX_SCALE
cdef unsigned int _ONLY_TIMESTAMPS
cdef long long _SECOND_120
cdef int _ACCEPT, _INVALID, _REPEAT, _WINDOW_IGNORE
cdef int _FIN, _SYN, _RST, _ACK
cdef int _CLASS_SYN, _CLASS_SYNACK, _CLASS_FIN, _CLASS_ACK, _CLASS_RST
cdef int _NONE, _SYN_SENT, _SYN_RECV, _ESTABLISHED, _FIN_WAIT, _LAST_ACK, _TIME_WAIT, _CLOSE, _SYN_SENT2
cdef int _TABLE_INVALID, _TABLE_IGNORE
cdef int _WSCALE, _SACK_PERM, _CLOSE_INIT, _LIBERAL, _UNACKED, _MAXACK, _CHALLENGE, _SIMULTANEOUS
cdef int _BOUNDS, _BOUND_LOW
cdef unsigned int _SEEN_REPLY, _ASSURED, _EV_ASSURED, _EV_PROTOINFO
cdef int _R_SHORT, _R_OFFSET, _R_CHECKSUM, _R_FLAGS, _R_NOT_OPENING, _R_LOOSE_OFF, _R_TRANSITION, _R_RST
cdef int _R_SEQ_HIGH, _R_ACK_HIGH, _R_SEQ_EDGE, _R_SEQ_LOW, _R_ACK_LOW, _R_IGNORED, _R_SYN_AGAIN, _R_CHALLENGE
cdef int _R_MIDSTREAM, _R_RESYNC, _R_RST_INEXACT, _R_LIBERAL


@cython.final
cdef class Side:
    cdef public unsigned int end
    cdef public unsigned int maxend
    cdef public unsigned int maxwin
    cdef public unsigned int maxack
    cdef public int scale
    cdef public int flags

    cdef int clear(self) except -1


@cython.final
cdef class Tcp:
    cdef public Settings s
    cdef public Checksum checksum
    cdef const unsigned char[::1] table
    cdef const unsigned char[::1] classes
    cdef public Side side0
    cdef public Side side1
    cdef public bint unreplied_rst

    @cython.locals(cls=int, syn=int, verdict=int)
    cdef int packet(self, Entry e, Packet p, long long now) except -1
    cdef int invalid(self, Packet p, int reason) except -1

    @cython.locals(a=Side, b=Side)
    cdef int load(self, Entry e) except -1

    @cython.locals(a=Side, b=Side)
    cdef int store(self, Entry e) except -1

    @cython.locals(a=Side, b=Side)
    cdef int opening(self, Entry e, Packet p, int cls) except -1

    @cython.locals(
        end="unsigned int", maxend="unsigned int", maxwin="unsigned int", maxack="unsigned int", scale=int, flags=int,
        peer_end="unsigned int", peer_maxend="unsigned int", peer_maxwin="unsigned int", peer_flags=int,
        length="unsigned int", room="unsigned int", behind="unsigned int", forward="unsigned int",
        window="unsigned int", edge="unsigned int",
    )
    cdef bint predicted(self, Entry e, Packet p) except? False

    @cython.locals(direction=int, old=int, new=int, snd=Side, rcv=Side, skip_window=bint, answer=int, verdict=int)
    cdef int judge(self, Entry e, Packet p, int cls, long long now) except -1

    @cython.locals(liberal=int)
    cdef int resync(self, Entry e, Side snd, Side rcv) except -1

    @cython.locals(seen=Side)
    cdef int ignored(self, Entry e, Packet p, int cls, int old) except -1

    @cython.locals(keep=int, established=bint)
    cdef int check_rst(self, Entry e, Packet p, Side peer, int old) except -2

    @cython.locals(
        flags=int, seq="unsigned int", end="unsigned int", win="unsigned int", ack="unsigned int", sack="unsigned int",
        window="unsigned int", ack_window="unsigned int", lowest_end="unsigned int", lowest_ack="unsigned int",
        overshoot="unsigned int", in_win=bint, swin="unsigned int",
    )
    cdef int in_window(self, Entry e, Packet p, int cls, Side snd, Side rcv) except -1
    cdef int remember(self, Entry e, Packet p, unsigned int seq, unsigned int ack, unsigned int end) except -1
    cdef int note_bounds(self, Packet p, Side snd, Side rcv, unsigned int lowest_end, unsigned int lowest_ack) except -1
    cdef int refuse(self, Packet p, Side snd, int reason, unsigned int margin, int verdict) except -1
    cdef int init_side(self, Packet p, Side snd, Side rcv, unsigned int end, unsigned int win) except -1

    @cython.locals(b="const unsigned char[::1]", o=int, left=int, kind=int, size=int)
    cdef int syn_options(self, Packet p, Side side) except -1

    @cython.locals(o=int, left=int)
    cdef unsigned int sack_edge(self, Packet p, unsigned int ack) except? 77

    @cython.locals(kind=int, size=int, i=int, right="unsigned int")
    cdef unsigned int sack_option(self, const unsigned char[::1] b, int o, int left, unsigned int edge) except? 77

    @cython.locals(left=cython.longlong)
    cdef int refuse_closing(self, Entry e, Packet p, int cls, long long now) except -1

    @cython.locals(timeout=cython.longlong)
    cdef int settle(self, Entry e, Packet p, int cls, int old, int new, Side snd) except -1

    @cython.locals(s=Settings, timeout=cython.longlong)
    cdef long long patience(self, Entry e, int cls, int state, int flags) except? 77


cdef bint before(unsigned int a, unsigned int b) noexcept
cdef bint after(unsigned int a, unsigned int b) noexcept
