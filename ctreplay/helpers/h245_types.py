"""Types of H.245 (Multimedia system control) on the way to the addresses of a logical channel."""

from __future__ import annotations

from ctreplay.helpers.per import OID, Bool, Choice, Int, ListOf, Null, Octets, Sequence, flags, may, must, nothing

_BYTE = Int(0, 255)
_WORD = Int(0, 65535)
_CHANNEL = Int(1, 65535)
_FRAMES = Int(1, 256)
_LONG = Int(0, 0xFFFFFFFF)

NON_STANDARD = Sequence(
    (
        must(
            "identifier",
            Choice(
                (
                    ("object", OID),
                    ("h221", Sequence((must("country", _BYTE), must("extension", _BYTE), must("maker", _WORD)), False)),
                ),
                False,
            ),
        ),
        must("data", Octets()),
    ),
    False,
)

_IP4 = Sequence((must("network", Octets(4, 4)), must("port", _WORD)))
_IP6 = Sequence((must("network", Octets(16, 16)), must("port", _WORD)))
_SOURCE_ROUTE = Sequence(
    (
        must("routing", Choice(nothing("strict", "loose"), False)),
        must("network", Octets(4, 4)),
        must("port", _WORD),
        must("route", ListOf(Octets(4, 4))),
    )
)
_IPX = Sequence((must("node", Octets(6, 6)), must("net", Octets(4, 4)), must("port", Octets(2, 2))))
_UNICAST = Choice(
    (("ip4", _IP4), ("ipx", _IPX), ("ip6", _IP6), ("netbios", Octets(16, 16)), ("source_route", _SOURCE_ROUTE))
)
_MULTICAST = Choice((("ip4", _IP4), ("ip6", _IP6)))
ADDRESS = Choice((("unicast", _UNICAST), ("multicast", _MULTICAST)))

_RATES = (
    may("video_bit_rate", Int(0, 1073741823)),
    may("vbv_buffer_size", Int(0, 262143)),
    may("samples_per_line", Int(0, 16383)),
    may("lines_per_frame", Int(0, 16383)),
    may("picture_rate", Int(0, 15)),
    may("luminance_sample_rate", _LONG),
)
_PICTURE = Int(1, 32)
_VIDEO = Choice(
    (
        ("non_standard", NON_STANDARD),
        (
            "h261",
            Sequence(
                (
                    may("qcif", Int(1, 4)),
                    may("cif", Int(1, 4)),
                    must("trade_off", Bool()),
                    must("bit_rate", Int(1, 19200)),
                    must("still", Bool()),
                ),
                known=1,
            ),
        ),
        ("h262", Sequence((*flags(11), *_RATES), known=1)),
        (
            "h263",
            Sequence(
                (
                    may("sqcif", _PICTURE),
                    may("qcif", _PICTURE),
                    may("cif", _PICTURE),
                    may("cif4", _PICTURE),
                    may("cif16", _PICTURE),
                    must("bit_rate", Int(1, 192400)),
                    *flags(5),
                    may("hrd_b", Int(0, 524287)),
                    may("bpp_max_kb", _WORD),
                ),
                known=8,
            ),
        ),
        ("is11172", Sequence((*flags(1), *_RATES), known=1)),
    )
)
_AUDIO = Choice(
    (
        ("non_standard", NON_STANDARD),
        *((name, _FRAMES) for name in ("g711a64", "g711a56", "g711u64", "g711u56", "g722_64", "g722_56", "g722_48")),
        ("g7231", Sequence((must("frames", _FRAMES), must("silence", Bool())), False)),
        *((name, _FRAMES) for name in ("g728", "g729", "g729a")),
        ("is11172", Sequence((*flags(8), must("bit_rate", Int(1, 448))))),
        ("is13818", Sequence((*flags(20), must("bit_rate", Int(1, 1130))))),
    )
)
_DATA_PROTOCOL = Choice(
    (
        ("non_standard", NON_STANDARD),
        *nothing("v14", "v42", "hdlc", "h310_separate", "h310_single", "transparent"),
    ),
    more=((3, "separate_lan_stack", Null()),),
)
_T84 = Sequence(
    (
        must("protocol", _DATA_PROTOCOL),
        must("profile", Choice((("unrestricted", Null()), ("restricted", Sequence(flags(19)))), False)),
    ),
    False,
)
_DATA = Sequence(
    (
        must(
            "application",
            Choice(
                (
                    ("non_standard", NON_STANDARD),
                    ("t120", _DATA_PROTOCOL),
                    ("dsm_cc", _DATA_PROTOCOL),
                    ("user_data", _DATA_PROTOCOL),
                    ("t84", _T84),
                    ("t434", _DATA_PROTOCOL),
                    ("h224", _DATA_PROTOCOL),
                    ("nlpid", Sequence((must("protocol", _DATA_PROTOCOL), must("data", Octets())), False)),
                    ("dsvd", Null()),
                    ("h222_partitioning", _DATA_PROTOCOL),
                )
            ),
        ),
        must("bit_rate", _LONG),
    )
)
_DATA_TYPE = Choice(
    (
        ("non_standard", NON_STANDARD),
        ("null", Null()),
        ("video", _VIDEO),
        ("audio", _AUDIO),
        ("data", _DATA),
        ("encryption", Choice((("non_standard", NON_STANDARD), ("h233", Null())))),
    )
)

_H2250 = Sequence(
    (
        may("non_standard", ListOf(NON_STANDARD)),
        must("session", _BYTE),
        may("associated_session", Int(1, 255)),
        may("media", ADDRESS),
        may("media_guaranteed", Bool()),
        may("control", ADDRESS),
        may("control_guaranteed", Bool()),
        may("silence", Bool()),
        may("destination", Sequence((must("mcu", Int(0, 192)), must("terminal", Int(0, 192))))),
        may("payload_type", Int(96, 127)),
        may("packetization", Choice(nothing("h261a"))),
    ),
    needed=6,
)
_H2250_ACK = Sequence(
    (
        may("non_standard", ListOf(NON_STANDARD)),
        may("session", Int(1, 255)),
        may("media", ADDRESS),
        may("control", ADDRESS),
        may("payload_type", Int(96, 127)),
    ),
    known=2,
)
_H222 = Sequence(
    (
        must("resource", _WORD),
        must("sub_channel", Int(0, 8191)),
        may("pcr_pid", Int(0, 8191)),
        may("program", Octets()),
        may("stream", Octets()),
    )
)
_H223 = Sequence(
    (
        must(
            "adaptation",
            Choice(
                (
                    ("non_standard", NON_STANDARD),
                    *nothing("al1_framed", "al1_not_framed", "al2_without_numbers", "al2_with_numbers"),
                    ("al3", Sequence((must("octets", Int(0, 2)), must("buffer", Int(0, 16777215))), False)),
                )
            ),
        ),
        must("segmentable", Bool()),
    )
)
_HDLC = Sequence(
    (must("crc", Choice(nothing("crc8", "crc16", "crc32"))), must("n401", Int(1, 4095)), must("loopback", Bool()))
)
_ERM = Sequence((must("window", Int(1, 127)), must("recovery", Choice(nothing("rej", "srej", "msrej")))))
_V76 = Sequence(
    (
        must("hdlc", _HDLC),
        must("suspend_resume", Choice(nothing("none", "with_address", "without_address"))),
        must("uih", Bool()),
        must("mode", Choice((("erm", _ERM), ("unerm", Null())))),
        must("v75", Sequence((must("audio_header", Bool()),))),
    )
)
_FORWARD_MULTIPLEX = Choice((("h222", _H222), ("h223", _H223), ("v76", _V76)), more=((0, "h2250", _H2250),))
_REVERSE_MULTIPLEX = Choice((("h223", _H223), ("v76", _V76)), more=((0, "h2250", _H2250),))
_ACK_MULTIPLEX = Choice((("h222", _H222),), more=((0, "h2250", _H2250),))

_SEPARATE_STACK = Sequence(
    (
        may("distribution", Choice(nothing("unicast", "multicast"))),
        must(
            "address",
            Choice(
                (
                    (
                        "q2931",
                        Sequence(
                            (
                                must("address", Choice((("number", Octets(1, 16, 4)), ("nsap", Octets(1, 20))))),
                                may("subaddress", Octets(1, 20)),
                            )
                        ),
                    ),
                    ("e164", Octets(1, 128, 4)),
                    ("local", ADDRESS),
                )
            ),
        ),
        must("conference", Bool()),
        may("reference", Octets(1, 255)),
    ),
    known=1,
)

OPEN_CHANNEL = Sequence(
    (
        must("number", _CHANNEL),
        must(
            "forward",
            Sequence(
                (may("port", _WORD), must("data_type", _DATA_TYPE), must("multiplex", _FORWARD_MULTIPLEX)), known=2
            ),
        ),
        may("reverse", Sequence((must("data_type", _DATA_TYPE), may("multiplex", _REVERSE_MULTIPLEX)), known=2)),
    ),
    more=((0, "stack", _SEPARATE_STACK),),
    known=1,
    last=0,
)
OPEN_CHANNEL_ACK = Sequence(
    (
        must("number", _CHANNEL),
        may(
            "reverse",
            Sequence((must("number", _CHANNEL), may("port", _WORD), may("multiplex", _ACK_MULTIPLEX)), known=1),
        ),
    ),
    more=(
        (0, "stack", _SEPARATE_STACK),
        (1, "forward", Choice((("h2250", _H2250_ACK),))),
    ),
    known=2,
    last=1,
)

_REQUEST = Choice(
    (
        ("non_standard", None),
        ("master_slave", None),
        ("capabilities", None),
        ("open", OPEN_CHANNEL),
        ("close", None),
        ("close_request", None),
        ("multiplex", None),
        ("multiplex_request", None),
        ("mode", None),
        ("round_trip", None),
        ("loop", None),
    ),
    more=tuple((i, f"addition{i}", None) for i in range(4)),
)
_RESPONSE = Choice(
    (
        ("non_standard", None),
        ("master_slave_ack", None),
        ("master_slave_reject", None),
        ("capabilities_ack", None),
        ("capabilities_reject", None),
        ("open_ack", OPEN_CHANNEL_ACK),
        *((f"other{i}", None) for i in range(13)),
    ),
    more=tuple((i, f"addition{i}", None) for i in range(5)),
)
MESSAGE = Choice((("request", _REQUEST), ("response", _RESPONSE), ("command", None), ("indication", None)))
