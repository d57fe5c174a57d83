"""The namespace's rules: they log what conntrack decided and let nothing answer.

`ct id` and `ct expiration` travel in the packet mark, which nfnetlink_log reports. nft's own language refuses to put
an expiration into a mark, hence expressions through pyroute2's nftables socket.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from . import netlink as nl
from .errors import CannotVerify

TABLE = "ctreplay"
_GROUP = 0  # the group nf_conntrack_log_invalid uses, so that one socket keeps both in order
_OURS = "ctreplay "
_INET = 1
_PREROUTING, _INPUT, _OUTPUT = "prerouting", "input", "output"
_BEFORE_HELPERS = 299
_AFTER_CONFIRM = 2**31 - 1  # the confirm hook's own priority
_CT_STATE, _CT_DIRECTION, _CT_EXPIRATION, _CT_ID = 0, 1, 5, 23
_META_MARK, _META_L4PROTO, _REGISTER, _EQUAL = 3, 16, 1, 0
_TRANSPORT, _DESTINATION_PORT = 2, 2
_CT_HELPER = 3
_BATCH_BEGIN, _BATCH_END, _NEW_OBJECT = 16, 17, 18
_F_CREATE = 0x400
_MODULES = {"RAS": "h323", "Q.931": "h323"}  # of the others the module has the helper's name
_STATE_BITS = (("INVALID", 1), ("ESTABLISHED", 2), ("RELATED", 4), ("NEW", 8), ("UNTRACKED", 64))
BEFORE, AFTER = "before", "after"
_COPIED = 160  # bytes of each packet: enough to tell a fragment from the datagram it completes


def _expression(name: str, **fields: Any) -> dict[str, Any]:
    from pyroute2.nftables.expressions import genex

    found: dict[str, Any] = genex(name, fields)
    return found


def _ct(key: int) -> dict[str, Any]:
    return _expression("ct", dreg=_REGISTER, key=key)


def _equals(value: bytes) -> dict[str, Any]:
    return _expression("cmp", sreg=_REGISTER, op=_EQUAL, data={"attrs": [("NFTA_DATA_VALUE", value)]})


def _mark() -> dict[str, Any]:
    return _expression("meta", key=_META_MARK, sreg=_REGISTER)


def _log(prefix: str) -> dict[str, Any]:
    return _expression("log", group=_GROUP, prefix=_OURS + prefix)


def _helper_object(name: str, kernel_name: str, proto: int) -> None:
    """`ct helper NAME { type KERNEL_NAME protocol PROTO; }`, for which pyroute2 has no words."""
    sock = nl.NetfilterSocket()
    helper = nl.attr(1, kernel_name.encode() + b"\0") + nl.attr(3, bytes([proto]))
    body = nl.attr(1, TABLE.encode() + b"\0") + nl.attr(2, name.encode() + b"\0")
    body += nl.attr(3, struct.pack("!I", _CT_HELPER)) + nl.nest(4, helper)
    begin, seq, end = (sock.next_seq() for _ in range(3))
    flags = nl.NLM_F_ACK | _F_CREATE
    try:
        sock.acknowledged(
            nl.message(0, _BATCH_BEGIN, 0, begin, 0, b"", res_id=nl.SUBSYS_NFTABLES)
            + nl.message(nl.SUBSYS_NFTABLES, _NEW_OBJECT, flags, seq, _INET, body)
            + nl.message(0, _BATCH_END, 0, end, 0, b"", res_id=nl.SUBSYS_NFTABLES),
            seq,
        )
    except OSError as error:
        if not nl.is_gone(error):
            raise
        module = "nf_conntrack_" + _MODULES.get(kernel_name, kernel_name.replace("-", "_"))
        raise CannotVerify(f"this kernel has no helper {kernel_name}; load its module: modprobe {module}") from None
    finally:
        sock.close()


def install(helpers: Sequence[tuple[str, int, int]] = ()) -> None:
    """Create table, chains and rules; `helpers` are the kernel's name, protocol and port of those to assign.

    The order matters twice: of hooks with equal priority the one registered first runs last, so the chain behind the
    confirm hook exists before any `ct` expression pulls conntrack's hooks in; and the state is told of before a helper
    is assigned. Raises CannotVerify for a helper that the kernel does not have.
    """
    from pyroute2.nftables.main import NFTables

    with NFTables(nfgen_family=_INET) as nft:
        nft.table("add", name=TABLE)
        for name, hook, priority, policy in (
            ("after_confirm", _INPUT, _AFTER_CONFIRM, 0),
            ("nothing_leaves", _OUTPUT, -500, 0),
            ("decided", _PREROUTING, -150, 1),
        ):
            nft.chain(
                "add",
                table=TABLE,
                name=name,
                type="filter",
                policy=policy,
                hook=hook,
                priority=priority,
            )

        def rule(chain: str, *expressions: dict[str, Any]) -> None:
            nft.rule("add", table=TABLE, chain=chain, expressions=[expressions])

        rule("decided", _ct(_CT_ID), _mark())
        for state, bit in _STATE_BITS:
            test = (_ct(_CT_STATE), _equals(struct.pack("=I", bit)))
            if state in ("INVALID", "UNTRACKED"):
                rule("decided", *test, _log(state))
                continue
            for number, direction in enumerate(("original", "reply")):
                rule("decided", *test, _ct(_CT_DIRECTION), _equals(bytes([number])), _log(f"{state} {direction}"))
        objects: dict[tuple[str, int], str] = {}
        for kernel_name, proto, port in helpers:
            if (kernel_name, proto) not in objects:
                objects[kernel_name, proto] = f"helper{len(objects)}"
                _helper_object(objects[kernel_name, proto], kernel_name, proto)
            rule(
                "decided",
                _expression("meta", key=_META_L4PROTO, dreg=_REGISTER),
                _equals(bytes([proto])),
                _expression("payload", dreg=_REGISTER, base=_TRANSPORT, offset=_DESTINATION_PORT, len=2),
                _equals(struct.pack("!H", port)),
                _expression("objref", imm_type=_CT_HELPER, imm_name=objects[kernel_name, proto]),
            )
        if helpers:
            nft.chain(
                "add", table=TABLE, name="before_helpers", type="filter", policy=1, hook=_INPUT,
                priority=_BEFORE_HELPERS,
            )  # fmt: skip
            rule("before_helpers", _ct(_CT_EXPIRATION), _mark(), _log(BEFORE))
        rule("after_confirm", _ct(_CT_EXPIRATION), _mark(), _log(AFTER))


class Log:
    """The messages of nfnetlink_log: our rules' and nf_conntrack_log_invalid's."""

    _CONFIG = 1
    _MARK, _PAYLOAD, _PREFIX = 2, 9, 10
    _CMD_BIND, _CMD_PF_BIND = 1, 3

    def __init__(self) -> None:
        self.sock = nl.NetfilterSocket()
        self.head = b""
        for family in (2, 10):
            self._configure(family, nl.attr(1, bytes([self._CMD_PF_BIND])))
        self._configure(0, nl.attr(1, bytes([self._CMD_BIND])))
        self._configure(0, nl.attr(2, struct.pack("!IBx", _COPIED, 2)))
        self._configure(0, nl.attr(5, struct.pack("!I", 1)))  # do not queue

    def _configure(self, family: int, body: bytes) -> None:
        seq = self.sock.next_seq()
        self.sock.acknowledged(
            nl.message(nl.SUBSYS_ULOG, self._CONFIG, nl.NLM_F_ACK, seq, family, body, res_id=_GROUP), seq
        )

    def read(self) -> list[tuple[bool, str, int]]:
        """`(ours, prefix, mark)` of each message that has arrived, in order; `head` then holds the first bytes of the
        packet that the last one was about."""
        found = []
        while (buf := self.sock.receive_now()) is not None:
            for kind, _, _, start, end in nl.messages(buf):
                if kind != nl.SUBSYS_ULOG << 8:
                    continue
                fields = nl.attributes(buf, start + 4, end)
                prefix = buf[slice(*fields.get(self._PREFIX, (0, 1)))][:-1].decode("utf-8", "replace")
                mark = int.from_bytes(buf[slice(*fields.get(self._MARK, (0, 0)))], "big")
                self.head = buf[slice(*fields.get(self._PAYLOAD, (0, 0)))]
                ours = prefix.startswith(_OURS)
                found.append((ours, prefix.removeprefix(_OURS), mark))
        return found
