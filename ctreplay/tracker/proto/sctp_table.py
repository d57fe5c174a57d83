"""The SCTP machine as data: states, chunk types, the transition table."""

from __future__ import annotations

STATES = (
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
)

CHUNKS = {
    "INIT": 1, "INIT_ACK": 2, "ABORT": 6, "SHUTDOWN": 7, "SHUTDOWN_ACK": 8, "ERROR": 9, "COOKIE_ECHO": 10,
    "COOKIE_ACK": 11, "SHUTDOWN_COMPLETE": 14, "HEARTBEAT": 4, "HEARTBEAT_ACK": 5,
}  # fmt: skip

INVALID = 255
_SHORT = {"NO": 0, "CL": 1, "CW": 2, "CE": 3, "ES": 4, "SS": 5, "SR": 6, "SA": 7, "HS": 8, "iv": INVALID}

TRANSITIONS = {
    "original": {
        #                     NO CL CW CE ES SS SR SA HS
        "INIT":              "CL CL CW CE ES CL CL SA CW",
        "INIT_ACK":          "CL CL CW CE ES SS SR SA CL",
        "ABORT":             "CL CL CL CL CL CL CL CL CL",
        "SHUTDOWN":          "CL CL CW CE SS SS SR SA CL",
        "SHUTDOWN_ACK":      "SA CL CW CE ES SA SA SA SA",
        "ERROR":             "CL CL CW CE ES SS SR SA CL",
        "COOKIE_ECHO":       "CL CL CE CE ES SS SR SA CL",
        "COOKIE_ACK":        "CL CL CW ES ES SS SR SA CL",
        "SHUTDOWN_COMPLETE": "CL CL CW CE ES SS SR CL CL",
        "HEARTBEAT":         "HS CL CW CE ES SS SR SA HS",
        "HEARTBEAT_ACK":     "CL CL CW CE ES SS SR SA HS",
    },
    "reply": {
        "INIT":              "iv CL CW CE ES SS SR SA iv",
        "INIT_ACK":          "iv CW CW CE ES SS SR SA iv",
        "ABORT":             "iv CL CL CL CL CL CL CL iv",
        "SHUTDOWN":          "iv CL CW CE SR SS SR SA iv",
        "SHUTDOWN_ACK":      "iv CL CW CE ES SA SA SA iv",
        "ERROR":             "iv CL CW CL ES SS SR SA iv",
        "COOKIE_ECHO":       "iv CL CE CE ES SS SR SA iv",
        "COOKIE_ACK":        "iv CL CW ES ES SS SR SA iv",
        "SHUTDOWN_COMPLETE": "iv CL CW CE ES SS SR CL iv",
        "HEARTBEAT":         "iv CL CW CE ES SS SR SA HS",
        "HEARTBEAT_ACK":     "iv CL CW CE ES SS SR SA ES",
    },
}  # fmt: skip


def flat() -> bytearray:
    """The table as bytes: index ((direction × 16) + chunk type) × 9 + state; other chunks keep the state."""
    table = bytearray()
    for direction in ("original", "reply"):
        rows = {CHUNKS[name]: row.split() for name, row in TRANSITIONS[direction].items()}
        for chunk in range(16):
            if chunk in rows:
                table.extend(_SHORT[cell] for cell in rows[chunk])
            else:
                table.extend(range(9))
    return table
