"""The TCP machine as data: states, packet classes, the transition table (default timeouts: `sysctl`).

Whatever affects the state machine and fits in a table is here and nowhere else; the exceptions to it are the named
steps in `ctreplay.tracker.proto.tcp`.
"""

from __future__ import annotations

STATES = (
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
)

CLASSES = ("NONE", "SYN", "SYNACK", "FIN", "ACK", "RST")

INVALID = 254
IGNORE = 255

_SHORT = {
    "NO": 0, "SS": 1, "SR": 2, "ES": 3, "FW": 4, "CW": 5, "LA": 6, "TW": 7, "CL": 8, "S2": 9,
    "iv": INVALID, "ig": IGNORE,
}  # fmt: skip

# columns: the current state in the order of STATES; rows: packet class, in the original and in the reply direction
TRANSITIONS = {
    "original": {
        #          NO SS SR ES FW CW LA TW CL S2
        "SYN":    "SS SS ig ig ig ig ig SS SS S2",
        "SYNACK": "iv iv SR iv iv iv iv iv iv SR",
        "FIN":    "iv iv FW FW LA LA LA TW CL iv",
        "ACK":    "ES iv ES ES CW CW TW TW CL iv",
        "RST":    "iv CL CL CL CL CL CL CL CL CL",
    },
    "reply": {
        "SYN":    "iv S2 iv iv iv iv iv SS iv S2",
        "SYNACK": "iv SR ig ig ig ig ig ig ig SR",
        "FIN":    "iv iv FW FW LA LA LA TW CL iv",
        "ACK":    "iv ig SR ES CW CW TW TW CL ig",
        "RST":    "iv CL CL CL CL CL CL CL CL CL",
    },
}  # fmt: skip

# of FIN 1, SYN 2, RST 4, ACK 16, URG 32 only these sets are legal
LEGAL_FLAGS = frozenset({0x02, 0x22, 0x12, 0x04, 0x14, 0x11, 0x31, 0x10, 0x30})


def transition(direction: str, packet_class: str, state: str) -> int:
    """The table's answer as a state number, `INVALID` or `IGNORE`."""
    if packet_class == "NONE":
        return INVALID
    return _SHORT[TRANSITIONS[direction][packet_class].split()[STATES.index(state)]]


def flat() -> bytearray:
    """The table as bytes: index ((direction × 6) + class) × 10 + state."""
    return bytearray(
        transition(direction, packet_class, state)
        for direction in ("original", "reply")
        for packet_class in CLASSES
        for state in STATES
    )


def flag_classes() -> bytearray:
    """For each value of the flags byte its packet class, or 0 (NONE) when the combination is illegal."""
    table = bytearray(256)
    for flags in range(256):
        if flags & 0x37 in LEGAL_FLAGS:
            if flags & 0x04:
                name = "RST"
            elif flags & 0x02:
                name = "SYNACK" if flags & 0x10 else "SYN"
            elif flags & 0x01:
                name = "FIN"
            else:
                name = "ACK"
            table[flags] = CLASSES.index(name)
    return table
