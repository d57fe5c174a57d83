"""conntrack's filters: which entries to show."""

from __future__ import annotations

import difflib
import ipaddress
import socket
from collections.abc import Callable, Iterable

from ctreplay.text.flow import GRE, ICMP, WITH_PORTS, Flow
from ctreplay.tracker import codes

Test = Callable[[Flow], bool]
_PROTOCOLS = {name: number for number, name in codes.PROTOCOLS.items()} | {"dccp": 33, "esp": 50, "ah": 51, "igmp": 2}
_STATUS = {
    "EXPECTED": 0x1, "SEEN_REPLY": 0x2, "ASSURED": 0x4, "CONFIRMED": 0x8, "SRC_NAT": 0x10, "DST_NAT": 0x20,
    "FIXED_TIMEOUT": 0x400, "HELPER": 0x2000, "OFFLOAD": 0x4000, "HW_OFFLOAD": 0x8000,
}  # fmt: skip
_ALL_STATES = frozenset(codes.STATES)


class FilterError(ValueError):
    """A filter that means nothing; the message says what to write."""


class Filters:
    """Tests that an entry must all pass; `add` takes option names without dashes, as conntrack spells them."""

    def __init__(self) -> None:
        self.tests: list[Test] = []

    def __call__(self, flow: Flow) -> bool:
        return all(test(flow) for test in self.tests)

    def add(self, option: str, value: str) -> None:
        """Raises FilterError."""
        self.tests.append(_MAKERS[option](option, value))


def _fail(option: str, value: str, what: str) -> FilterError:
    dashes = "-" if len(option) == 1 else "--"
    return FilterError(f"{dashes}{option} {value}: {what}")


def _near(value: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(value, names, 1, 0.5)
    return f"; did you mean {found[0]}?" if found else ""


def protocol(option: str, value: str) -> Test:
    wanted = set()
    for name in value.lower().split(","):
        name = {"icmp6": "icmpv6", "ipv6-icmp": "icmpv6", "udp-lite": "udplite"}.get(name.strip(), name.strip())
        digits = name.lstrip("0")
        if name.isascii() and name.isdigit() and len(digits) < 4 and int(digits or "0") < 256:
            wanted.add(int(digits or "0"))
        elif name in _PROTOCOLS:
            wanted.add(_PROTOCOLS[name])
        else:
            try:
                wanted.add(socket.getprotobyname(name))
            except (OSError, UnicodeEncodeError):
                raise _fail(
                    option, value, f"no such protocol; {', '.join(_PROTOCOLS)} or a number{_near(name, _PROTOCOLS)}"
                ) from None
    return lambda flow: flow.proto in wanted


def _network(option: str, value: str) -> Callable[[str], bool]:
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        raise _fail(option, value, "neither an address nor a network such as 10.0.0.0/8") from None
    if network.num_addresses == 1:
        text = str(network.network_address)
        return lambda address: address == text
    version, mask, base = network.version, int(network.netmask), int(network.network_address)
    known: dict[str, bool] = {}

    def inside(address: str) -> bool:
        answer = known.get(address)
        if answer is None:
            one = ipaddress.ip_address(address)
            answer = known[address] = one.version == version and int(one) & mask == base
        return answer

    return inside


def address(pick: Callable[[Flow], tuple[str, ...]]) -> Callable[[str, str], Test]:
    def make(option: str, value: str) -> Test:
        inside = _network(option, value)
        return lambda flow: any(inside(one) for one in pick(flow))

    return make


def _ranges(option: str, value: str) -> Callable[[int], bool]:
    found = []
    for part in value.split(","):
        low, dash, high = part.strip().partition("-")
        if not low:
            raise _fail(option, value, "write a port, a range such as 8000-8999, or several with commas")
        try:
            pair = (_number(low), _number(high if dash else low))
        except ValueError:
            try:
                port = socket.getservbyname(part.strip())
            except (OSError, UnicodeEncodeError):
                raise _fail(option, value, "neither a port, a range such as 8000-8999, nor a service") from None
            pair = (port, port)
        if min(pair) < 0 or max(pair) > 65535:
            raise _fail(option, value, "ports run from 0 to 65535")
        if pair[0] > pair[1]:
            raise _fail(option, value, f"a range begins with its lower end: {pair[1]}-{pair[0]}")
        found.append(pair)
    return lambda port: any(low <= port <= high for low, high in found)


def _number(text: str) -> int:
    return int(text, 0 if text.lower().startswith("0x") else 10)


def part(pick: Callable[[Flow], tuple[int, ...]], protocols: tuple[int, ...]) -> Callable[[str, str], Test]:
    def make(option: str, value: str) -> Test:
        inside = _ranges(option, value)
        return lambda flow: flow.proto in protocols and any(inside(one) for one in pick(flow))

    return make


def state(option: str, value: str) -> Test:
    wanted = set()
    for name in value.upper().replace("-", "_").split(","):
        if name.strip() not in _ALL_STATES:
            raise _fail(
                option, value, f"no such state{_near(name, _ALL_STATES)}; {', '.join(dict.fromkeys(codes.STATES))}"
            )
        wanted.add(name.strip())
    return lambda flow: flow.state in wanted


def status(option: str, value: str) -> Test:
    bits, unset = 0, 0
    given = [name.strip() for name in value.upper().split(",")]
    for name in given:
        if name == "UNSET":
            # beside others it adds nothing, as in conntrack, which refuses it alone
            if set(given) == {"UNSET"}:
                unset |= _STATUS["SEEN_REPLY"] | _STATUS["ASSURED"]
        elif name == "UNREPLIED":
            unset |= _STATUS["SEEN_REPLY"]
        elif name in _STATUS:
            bits |= _STATUS[name]
        else:
            names = [*_STATUS, "UNSET", "UNREPLIED"]
            raise _fail(option, value, f"no such status; {', '.join(names)}{_near(name, names)}")
    return lambda flow: flow.status & bits == bits and not flow.status & unset


def mark(option: str, value: str) -> Test:
    text, slash, mask_text = value.partition("/")
    try:
        wanted, mask = _number(text.strip()), _number(mask_text.strip()) if slash else 0xFFFFFFFF
    except ValueError:
        raise _fail(option, value, "write MARK or MARK/MASK, decimal or 0x…") from None
    return lambda flow: (flow.mark or 0) & mask == wanted & mask


def family(option: str, value: str) -> Test:
    number = {"ipv4": 4, "inet": 4, "4": 4, "ip": 4, "ipv6": 6, "inet6": 6, "6": 6, "ip6": 6}.get(value.lower())
    if number is None:
        raise _fail(option, value, "write ipv4 or ipv6")
    return lambda flow: flow.family == number


def whole(
    pick: Callable[[Flow], int], protocols: tuple[int, ...] = (), limit: int = 65535
) -> Callable[[str, str], Test]:
    def make(option: str, value: str) -> Test:
        try:
            wanted = _number(value.strip())
        except ValueError:
            raise _fail(option, value, "not a whole number") from None
        if not 0 <= wanted <= limit:
            raise _fail(option, value, f"from 0 to {limit}")
        return lambda flow: (not protocols or flow.proto in protocols) and pick(flow) == wanted

    return make


def nat(source: bool, destination: bool) -> Callable[[str, str], Test]:
    def make(_option: str, _value: str) -> Test:
        def test(flow: Flow) -> bool:
            changed_source = flow.reply_dst != flow.src or (flow.proto in WITH_PORTS and flow.rdport != flow.sport)
            changed_destination = flow.reply_src != flow.dst or (flow.proto in WITH_PORTS and flow.rsport != flow.dport)
            return (source and changed_source) or (destination and changed_destination)

        return test

    return make


_MAKERS: dict[str, Callable[[str, str], Test]] = {
    "p": protocol,
    "s": address(lambda f: (f.src,)),
    "d": address(lambda f: (f.dst,)),
    "r": address(lambda f: (f.reply_src,)),
    "q": address(lambda f: (f.reply_dst,)),
    "host": address(lambda f: (f.src, f.dst, f.reply_src, f.reply_dst)),
    "sport": part(lambda f: (f.sport,), WITH_PORTS),
    "dport": part(lambda f: (f.dport,), WITH_PORTS),
    "reply-port-src": part(lambda f: (f.rsport,), WITH_PORTS),
    "reply-port-dst": part(lambda f: (f.rdport,), WITH_PORTS),
    "port": part(lambda f: (f.sport, f.dport, f.rsport, f.rdport), WITH_PORTS),
    "srckey": part(lambda f: (f.sport,), (GRE,)),
    "dstkey": part(lambda f: (f.dport,), (GRE,)),
    "icmp-type": whole(lambda f: f.dport >> 8, ICMP, 255),
    "icmp-code": whole(lambda f: f.dport & 255, ICMP, 255),
    "icmp-id": whole(lambda f: f.sport, ICMP),
    "state": state,
    "u": status,
    "m": mark,
    "f": family,
    "w": whole(lambda f: f.zone),
    "id": whole(lambda f: f.conn_id, (), 1 << 62),
    "n": nat(True, False),
    "g": nat(False, True),
    "j": nat(True, True),
}
