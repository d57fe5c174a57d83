"""Which helpers there are, on which ports, and how `--helper` names them.

A helper is only ever assigned explicitly: the kernel assigns none without a rule. `--helper ftp=21,2121/tcp` stands for
`tcp dport { 21, 2121 } ct helper set "ftp"` in the prerouting chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ctreplay.helpers.control import Helper
from ctreplay.helpers.kinds import AMANDA, FTP, IRC, NETBIOS_NS, PPTP, Q931, RAS, SANE, SIP, SNMP, TFTP

_TCP = 6
_UDP = 17
_L4 = {"tcp": _TCP, "udp": _UDP}
_L4_NAMES = {_TCP: "tcp", _UDP: "udp"}

Assignments = dict[tuple[int, int], Helper]

# option name: (helper, protocol, usual port) for each variant
HELPERS: dict[str, tuple[tuple[Helper, int, int], ...]] = {
    "ftp": ((FTP, _TCP, 21),),
    "tftp": ((TFTP, _UDP, 69),),
    "sip": ((SIP, _UDP, 5060), (SIP, _TCP, 5060)),
    "irc": ((IRC, _TCP, 6667),),
    "amanda": ((AMANDA, _UDP, 10080),),
    "sane": ((SANE, _TCP, 6566),),
    "pptp": ((PPTP, _TCP, 1723),),
    "h323": ((RAS, _UDP, 1719), (Q931, _TCP, 1720)),
    "ras": ((RAS, _UDP, 1719),),
    "q931": ((Q931, _TCP, 1720),),
    "netbios-ns": ((NETBIOS_NS, _UDP, 137),),
    "snmp": ((SNMP, _UDP, 161),),
}
# the usual ports whose control traffic is watched when no helper is on
OBSERVED = ("ftp", "tftp", "sip", "irc", "amanda", "sane", "pptp", "h323")


class HelperError(ValueError):
    """An unknown helper or an impossible port; the message says what to write instead."""


def parse(options: Iterable[str]) -> Assignments:
    """Assignments of `--helper` options: `all`, `NAME` or `NAME=PORT[/tcp|/udp],...`; the first to name a port has it.

    Raises HelperError.
    """
    found: Assignments = {}
    for option in options:
        for one in option.split():
            for key, helper in _one(one):
                found.setdefault(key, helper)
    return found


def _one(option: str) -> list[tuple[tuple[int, int], Helper]]:
    name, equals, ports = option.partition("=")
    name = name.strip().lower()
    if name == "all":
        if equals:
            raise HelperError("--helper all takes no ports; name the helper: --helper ftp=2121")
        return [((proto, port), helper) for variants in HELPERS.values() for helper, proto, port in variants]
    if name not in HELPERS:
        import difflib

        near = difflib.get_close_matches(name, [*HELPERS, "all"], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(HELPERS)} and all"
        raise HelperError(f"unknown helper {name!r}: {hint}")
    variants = HELPERS[name]
    if not equals:
        return [((proto, port), helper) for helper, proto, port in variants]
    found = []
    for text in ports.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:/(tcp|udp))?\s*", text)
        if match is None or not 0 < int(match[1]) < 65536:
            raise HelperError(f"helper {name}: bad port {text!r}: write PORT, PORT/tcp or PORT/udp, 1 to 65535")
        proto = _L4[match[2]] if match[2] else variants[0][1]
        fitting = [helper for helper, l4, _ in variants if l4 == proto]
        if not fitting:
            takes = ", ".join(sorted({_L4_NAMES[l4] for _, l4, _ in variants}))
            raise HelperError(f"helper {name} does not run on {_L4_NAMES[proto]}, only on {takes}")
        found.append(((proto, int(match[1])), fitting[0]))
    return found


def describe(assignments: Assignments) -> list[dict[str, object]]:
    """For run.json: helper, protocol and port of each assignment."""
    return [
        {"helper": helper.name, "protocol": _L4_NAMES[proto], "port": port}
        for (proto, port), helper in sorted(assignments.items(), key=lambda item: (item[1].name, item[0]))
    ]


def options(described: Sequence[Mapping[str, object]]) -> list[str]:
    """The `--helper` options that assign what `describe` has written. Raises HelperError."""
    if described and list(described) == describe(parse(["all"])):
        return ["all"]
    names = {helper.name: name for name, variants in HELPERS.items() for helper, _, _ in variants}
    if strange := [str(one["helper"]) for one in described if one["helper"] not in names]:
        raise HelperError(f"the dataset was made with a helper that this version does not know: {strange[0]!r}")
    return [f"{names[str(one['helper'])]}={one['port']}/{one['protocol']}" for one in described]


def observed() -> Assignments:
    """What is watched, without effect on tracking, when no helper is assigned."""
    return parse(OBSERVED)
