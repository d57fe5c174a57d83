"""The helpers by name. Their parsers are imported with the first packet for them: most captures need none."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from ctreplay.helpers.control import Helper


@cache
def _found(module: str, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(importlib.import_module(f"ctreplay.helpers.{module}"), name)
    return found


def _of(module: str, name: str = "packet") -> Callable[..., Any]:
    """The function `name` of a module that is imported when it is called."""

    def call(*arguments: Any) -> Any:
        return _found(module, name)(*arguments)

    return call


AMANDA = Helper("amanda", _of("amanda"), ((4, 180),))
FTP = Helper("ftp", _of("ftp"), ((1, 300),))
H245 = Helper("H.245", _of("h323", "h245_packet"), ((18, 240),))
IRC = Helper("irc", _of("irc"), ((8, 300),), families=(4,))
NETBIOS_NS = Helper("netbios-ns", _of("broadcast"), ((1, 3),), families=(4,))
PPTP = Helper("pptp", _of("pptp"), ((2, 300),), families=(4,), gone=_of("pptp", "gone"))
Q931 = Helper("Q.931", _of("h323", "q931_packet"), ((20, 240),))
RAS = Helper("RAS", _of("h323", "ras_packet"), ((32, 240),))
SANE = Helper("sane", _of("sane"), ((1, 300),))
SIP = Helper("sip", _of("sip"), ((1, 180), (4, 180), (4, 180), (2, 180)))
SNMP = Helper("snmp", _of("broadcast"), ((1, 30),), families=(4,))
TFTP = Helper("tftp", _of("tftp"), ((1, 300),))
