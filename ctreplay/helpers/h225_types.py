"""Types of H.225.0 (call signalling and RAS) on the way to addresses and lifetimes."""

from __future__ import annotations

from ctreplay.helpers.h245_types import MESSAGE, OPEN_CHANNEL
from ctreplay.helpers.per import (
    OID,
    Bool,
    Choice,
    Int,
    ListOf,
    Octets,
    Opened,
    Sequence,
    TrailedInt,
    flags,
    may,
    must,
    nothing,
)

_BYTE = Int(0, 255)
_WORD = Int(0, 65535)
_SEQUENCE_NUMBER = Int(1, 65535)
_LONG = Int(0, 0xFFFFFFFF)
_LIFETIME = TrailedInt(1, 0xFFFFFFFF)
_ID = Octets(16, 16)
_NAME = Octets(1, 128, 16)
# how many elements of a list the kernel's helper keeps
_FAST_START = ListOf(Opened(OPEN_CHANNEL), keep=30)
_CONTROL = ListOf(Opened(MESSAGE), keep=4)
_MOST_ADDRESSES = 10

_H221 = Sequence((must("country", _BYTE), must("extension", _BYTE), must("maker", _WORD)))
_NON_STANDARD = Sequence(
    (must("identifier", Choice((("object", OID), ("h221", _H221)))), must("data", Octets())), False
)
_ROUTE = Sequence(
    (
        must("network", Octets(4, 4)),
        must("port", _WORD),
        must("route", ListOf(Octets(4, 4))),
        must("routing", Choice(nothing("strict", "loose"))),
    )
)
ADDRESS = Choice(
    (
        ("ip4", Sequence((must("network", Octets(4, 4)), must("port", _WORD)), False)),
        ("source_route", _ROUTE),
        ("ipx", Sequence((must("node", Octets(6, 6)), must("net", Octets(4, 4)), must("port", Octets(2, 2))), False)),
        ("ip6", Sequence((must("network", Octets(16, 16)), must("port", _WORD)))),
        ("netbios", Octets(16, 16)),
        ("nsap", Octets(1, 20)),
        ("non_standard", _NON_STANDARD),
    )
)
_ADDRESSES = ListOf(ADDRESS, keep=_MOST_ADDRESSES)
_ALIASES = ListOf(Choice((("digits", Octets(1, 128, 4)), ("name", Octets(1, 256, 16)))))

_PLAIN = Sequence((may("non_standard", _NON_STANDARD),))
_VENDOR = Sequence((must("vendor", _H221), may("product", Octets(1, 256)), may("version", Octets(1, 256))))
_PROTOCOLS = ListOf(
    Choice(
        (
            ("non_standard", _NON_STANDARD),
            *((name, _PLAIN) for name in ("h310", "h320", "h321", "h322", "h323", "h324", "voice", "t120")),
        )
    )
)
_ENDPOINT = Sequence(
    (
        may("non_standard", _NON_STANDARD),
        may("vendor", _VENDOR),
        may("gatekeeper", _PLAIN),
        may("gateway", Sequence((may("protocol", _PROTOCOLS), may("non_standard", _NON_STANDARD)))),
        may("mcu", _PLAIN),
        may("terminal", _PLAIN),
        must("mc", Bool()),
        must("undefined", Bool()),
    ),
    known=2,
)
_SERVICES = Sequence((*flags(7), must("q954", Sequence(flags(2)))))
_CALL_TYPE = Choice(nothing("point_to_point", "one_to_n", "n_to_one", "n_to_n"))
_CALL_MODEL = Choice(nothing("direct", "gatekeeper"))
_GOAL = Choice(nothing("create", "join", "invite"))
_RELEASE = Choice(nothing(*(f"reason{i}" for i in range(12))))
_FACILITY = Choice(nothing("route_to_gatekeeper", "call_forwarded", "route_to_mc", "undefined"))
_MODE = Choice((("security", _NON_STANDARD), *nothing("none"), ("tls", None), ("ipsec", None)))

_SETUP = Sequence(
    (
        must("protocol", OID),
        may("h245", ADDRESS),
        may("source_aliases", _ALIASES),
        must("source", _ENDPOINT),
        may("destination_aliases", _ALIASES),
        may("destination", ADDRESS),
        may("extra_info", _ALIASES),
        may("extra_references", ListOf(_WORD)),
        must("active_mc", Bool()),
        must("conference", _ID),
        must("goal", _GOAL),
        may("services", _SERVICES),
        must("call_type", _CALL_TYPE),
    ),
    more=((6, "fast_start", _FAST_START),),
    known=9,
    last=8,
)
_ANSWER = (must("protocol", OID), must("endpoint", _ENDPOINT), may("h245", ADDRESS))
_PROCEEDING = Sequence(_ANSWER, more=((4, "fast_start", _FAST_START),), known=9)
_ALERTING = Sequence(_ANSWER, more=((4, "fast_start", _FAST_START),), known=14)
_CONNECT = Sequence(
    (must("protocol", OID), may("h245", ADDRESS), must("endpoint", _ENDPOINT), must("conference", _ID)),
    more=((4, "fast_start", _FAST_START),),
    known=15,
)
_INFORMATION = Sequence((must("protocol", OID),), known=6)
_RELEASE_COMPLETE = Sequence((must("protocol", OID), may("reason", _RELEASE)), known=9)
_FACILITY_BODY = Sequence(
    (
        must("protocol", OID),
        may("alternative", ADDRESS),
        may("aliases", _ALIASES),
        may("conference", _ID),
        must("reason", _FACILITY),
    ),
    more=((6, "h245", ADDRESS), (7, "fast_start", _FAST_START)),
    known=16,
)
_UNREADABLE = Choice((("tokens", None),), False)
_PROGRESS = Sequence(
    (
        must("protocol", OID),
        must("endpoint", _ENDPOINT),
        may("h245", ADDRESS),
        must("call", Sequence((must("id", _ID),))),
        may("mode", _MODE),
        may("tokens", _UNREADABLE),
        may("crypto_tokens", _UNREADABLE),
        may("fast_start", _FAST_START),
    ),
    known=6,
)
USER_INFORMATION = Sequence(
    (
        must(
            "pdu",
            Sequence(
                (
                    must(
                        "body",
                        Choice(
                            (
                                ("setup", _SETUP),
                                ("proceeding", _PROCEEDING),
                                ("connect", _CONNECT),
                                ("alerting", _ALERTING),
                                ("information", _INFORMATION),
                                ("release", _RELEASE_COMPLETE),
                                ("facility", _FACILITY_BODY),
                            ),
                            more=((0, "progress", _PROGRESS),),
                        ),
                    ),
                    may("non_standard", _NON_STANDARD),
                ),
                more=((2, "control", _CONTROL),),
                known=3,
                last=2,
            ),
        ),
        may("user_data", Sequence((must("protocol", _BYTE), must("information", Octets(1, 131))))),
    ),
    needed=1,
)

_GATEKEEPER_CONFIRM = Sequence(
    (
        must("number", _SEQUENCE_NUMBER),
        must("protocol", OID),
        may("non_standard", _NON_STANDARD),
        may("gatekeeper", _NAME),
        must("ras", ADDRESS),
    ),
    needed=5,
)
_REGISTRATION_REQUEST = Sequence(
    (
        must("number", _SEQUENCE_NUMBER),
        must("protocol", OID),
        may("non_standard", _NON_STANDARD),
        must("discovery", Bool()),
        must("signal", _ADDRESSES),
        must("ras", _ADDRESSES),
        must("terminal", _ENDPOINT),
        may("aliases", _ALIASES),
        may("gatekeeper", _NAME),
        must("vendor", _VENDOR),
    ),
    more=((1, "lifetime", _LIFETIME),),
    known=2,
    last=1,
)
_REGISTRATION_CONFIRM = Sequence(
    (
        must("number", _SEQUENCE_NUMBER),
        must("protocol", OID),
        may("non_standard", _NON_STANDARD),
        must("signal", _ADDRESSES),
        may("aliases", _ALIASES),
        may("gatekeeper", _NAME),
        must("endpoint", _NAME),
    ),
    more=((1, "lifetime", _LIFETIME),),
    known=2,
    last=1,
)
_UNREGISTRATION_REQUEST = Sequence(
    (
        must("number", _SEQUENCE_NUMBER),
        must("signal", _ADDRESSES),
        may("aliases", _ALIASES),
        may("non_standard", _NON_STANDARD),
        may("endpoint", _NAME),
    ),
    needed=2,
)
_ADMISSION_CONFIRM = Sequence(
    (
        must("number", _SEQUENCE_NUMBER),
        must("bandwidth", _LONG),
        must("model", _CALL_MODEL),
        must("destination", ADDRESS),
        may("frequency", _SEQUENCE_NUMBER),
        may("non_standard", _NON_STANDARD),
    ),
    needed=4,
)
_LOCATION_CONFIRM = Sequence(
    (
        must("number", _SEQUENCE_NUMBER),
        must("signal", ADDRESS),
        must("ras", ADDRESS),
        may("non_standard", _NON_STANDARD),
    ),
    needed=3,
)
RAS_MESSAGE = Choice(
    (
        ("gatekeeper_request", None), ("gatekeeper_confirm", _GATEKEEPER_CONFIRM), ("gatekeeper_reject", None),
        ("registration_request", _REGISTRATION_REQUEST), ("registration_confirm", _REGISTRATION_CONFIRM),
        ("registration_reject", None), ("unregistration_request", _UNREGISTRATION_REQUEST),
        ("unregistration_confirm", None), ("unregistration_reject", None), ("admission_request", None),
        ("admission_confirm", _ADMISSION_CONFIRM), ("admission_reject", None), ("bandwidth_request", None),
        ("bandwidth_confirm", None), ("bandwidth_reject", None), ("disengage_request", None),
        ("disengage_confirm", None), ("disengage_reject", None), ("location_request", None),
        ("location_confirm", _LOCATION_CONFIRM), ("location_reject", None), ("info_request", None),
        ("info_response", None), ("non_standard", None), ("unknown_response", None),
    )
)  # fmt: skip
