"""Aligned PER encoder for the types of `ctreplay.helpers.per`, and random values of them: the reader's counterpart."""

from __future__ import annotations

import random
from typing import Any

from ctreplay.helpers import per


class Out:
    """Bits written so far."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def put(self, value: int, n: int) -> None:
        self.bits += [value >> i & 1 for i in reversed(range(n))]

    def align(self) -> None:
        self.bits += [0] * (-len(self.bits) % 8)

    def octets(self, data: bytes) -> None:
        self.align()
        for byte in data:
            self.put(byte, 8)

    def length(self, n: int) -> None:
        self.octets(bytes([n]) if n < 128 else bytes([0x80 | n >> 8, n & 255]))

    def ranged(self, value: int, low: int, high: int) -> None:
        span, value = high - low, value - low
        if span < 255:
            self.put(value, span.bit_length())
        elif span < 65536:
            self.octets(value.to_bytes(1 if span == 255 else 2, "big"))
        else:
            size = max(1, (value.bit_length() + 7) // 8)
            self.put(size - 1, ((span.bit_length() + 7) // 8 - 1).bit_length())
            self.octets(value.to_bytes(size, "big"))

    def done(self) -> bytes:
        self.align()
        text = "".join(map(str, self.bits))
        return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:] if text else b""


def write(kind: Any, value: Any, out: Out) -> None:
    if isinstance(kind, per.Bool):
        out.put(value, 1)
    elif isinstance(kind, per.Int):
        out.ranged(value, kind.low, kind.high)
    elif isinstance(kind, per.Octets):
        if kind.high is None:
            out.length(len(value))
            out.octets(value)
            return
        if kind.low != kind.high:
            out.ranged(len(value) * 8 // kind.width, kind.low, kind.high)
        if kind.low == kind.high and kind.high * kind.width <= 16:
            out.put(int.from_bytes(value, "big"), kind.low * kind.width)
        else:
            out.octets(value)
    elif isinstance(kind, per.ListOf):
        out.length(len(value))
        for one in value:
            write(kind.kind, one, out)
    elif isinstance(kind, per.Opened):
        content = encode(kind.kind, value)
        out.length(len(content))
        out.octets(content)
    elif isinstance(kind, per.Sequence):
        more = [(n, value[name], k) for n, name, k in kind.more if name in value]
        more += [(n, content, None) for n, content in value.get("", {}).items()]
        if kind.extensible:
            out.put(bool(more), 1)
        for name, _, optional in kind.fields:
            if optional:
                out.put(name in value, 1)
        for name, k, _ in kind.fields:
            if name in value:
                write(k, value[name], out)
        if more:
            more.sort(key=lambda item: item[0])
            count = more[-1][0] + 1
            out.put(count - 1, 7)
            out.put(sum(1 << count - 1 - n for n, _, _ in more), count)
            for _, item, k in more:
                content = item if k is None else encode(k, item)
                out.length(len(content))
                out.octets(content)
    elif isinstance(kind, per.Choice):
        name, item = value
        for n, extra, k in kind.more:
            if extra == name:
                out.put(1, 1)
                out.put(n, 7)
                content = encode(k, item)
                out.length(len(content))
                out.octets(content)
                return
        if kind.extensible:
            out.put(0, 1)
        number = [n for n, _ in kind.kinds].index(name)
        out.ranged(number, 0, len(kind.kinds) - 1)
        write(kind.kinds[number][1], item, out)


def encode(kind: Any, value: Any) -> bytes:
    """Octets of a whole value (an empty one is a zero octet, X.691 10.1.3)."""
    out = Out()
    write(kind, value, out)
    return out.done() or b"\0"


def random_value(rng: random.Random, kind: Any, rich: float = 0.4) -> Any:
    """A value of the type; optional parts with probability `rich`."""
    if isinstance(kind, per.Null):
        return None
    if isinstance(kind, per.Bool):
        return rng.random() < 0.5
    if isinstance(kind, per.Int):
        return rng.choice((kind.low, kind.high, rng.randint(kind.low, kind.high)))
    if isinstance(kind, per.Octets):
        count = rng.randrange(6) if kind.high is None else rng.randint(kind.low, min(kind.high, kind.low + 6))
        data = rng.randbytes((count * kind.width + 7) // 8)
        if count * kind.width % 8:
            data = data[:-1] + bytes([data[-1] & 0xF0])
        return data
    if isinstance(kind, per.ListOf):
        return [random_value(rng, kind.kind, rich) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    if isinstance(kind, per.Opened):
        return random_value(rng, kind.kind, rich)
    if isinstance(kind, per.Sequence):
        fields = [(name, k) for name, k, optional in kind.fields if not optional or rng.random() < rich]
        fields += [(name, k) for _, name, k in kind.more if rng.random() < rich]
        return {name: random_value(rng, k, rich) for name, k in fields if readable(k)}
    kinds = [(name, k) for name, k in kind.kinds if k is not None and readable(k)]
    kinds += [(name, k) for _, name, k in kind.more if k is not None]
    name, k = rng.choice(kinds)
    return name, random_value(rng, k, rich)


def kept(kind: Any, value: Any) -> Any:
    """What the reader keeps of a value: lists are cut."""
    if isinstance(kind, per.ListOf):
        return [kept(kind.kind, one) for one in value[: kind.keep]]
    if isinstance(kind, per.Opened):
        return kept(kind.kind, value)
    if isinstance(kind, per.Sequence):
        kinds = {name: k for name, k, _ in kind.fields} | {name: k for _, name, k in kind.more}
        if kind.needed:
            kinds = {name: k for name, k, _ in kind.fields[: kind.needed]}
            value = {name: one for name, one in value.items() if name in kinds}
        return {name: kept(kinds[name], one) for name, one in value.items()}
    if isinstance(kind, per.Choice):
        kinds = dict(kind.kinds) | {name: k for _, name, k in kind.more}
        return value[0], kept(kinds[value[0]], value[1])
    return value


def readable(kind: Any) -> bool:
    """Whether the type has any described value."""
    return not isinstance(kind, per.Choice) or any(k is not None for _, k in kind.kinds) or bool(kind.more)
