"""Instants as people write them: ISO 8601, epoch, an offset from the first packet, a packet."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

_SECOND = 1_000_000_000
_UNITS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": _SECOND, "m": 60 * _SECOND, "min": 60 * _SECOND,
    "h": 3600 * _SECOND, "d": 86400 * _SECOND,
}  # fmt: skip
_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:ns|us|µs|ms|min|s|m|h|d)"
_DURATION = re.compile(rf"(?:{_NUMBER}{_UNIT})+")
_PART = re.compile(rf"({_NUMBER})({_UNIT})")
_CLOCK = r"(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
_ZONE = r"\s*(Z|[+-]\d{2}:?(?:\d{2})?)?"
_ISO = re.compile(rf"(\d{{4}})-(\d{{2}})-(\d{{2}})(?:[T ]{_CLOCK})?{_ZONE}", re.I)
# without a time of day it would be a number of seconds
_BASIC = re.compile(rf"(\d{{4}})(\d\d)(\d\d)T(\d\d)(\d\d)(?:(\d\d)(?:[.,](\d{{1,9}}))?)?{_ZONE}", re.I)
_TIME = re.compile(rf"{_CLOCK}\s*(Z)?", re.I)
_EPOCH = re.compile(rf"({_NUMBER})(s|ms|us|µs|ns)?")
# an integer this large without a unit cannot be seconds any more (year 5138)
_TOO_LARGE_FOR_SECONDS = 10**11
_MAX = 0x7FFFFFFFFFFFFFFF
BEFORE_ALL = -_MAX
_LONGEST = 80
FORMS = "ISO 8601 (UTC unless it has an offset), epoch seconds or ns, +12.5s from the first packet, packet:4711 or end"


class InstantError(ValueError):
    """Text that is no instant; the message names the forms there are."""


@dataclass(frozen=True)
class Instant:
    """`kind`: ts (ns since the epoch), offset (ns from the first packet), clock (ns into its UTC day), packet, end.

    `clock` is what the clock shows there (ns since the epoch), as far as somebody has found out.
    """

    kind: str
    value: int = 0
    clock: int = 0

    def at(self, first_ts: int) -> int:
        """Nanoseconds since the epoch, for a capture whose first packet came at `first_ts`; not for packet and end."""
        if self.kind == "offset":
            return min(first_ts + self.value, _MAX)
        if self.kind == "clock":
            day = first_ts - first_ts % (86400 * _SECOND)
            return day + self.value
        return self.value


END = Instant("end")


@dataclass(frozen=True)
class Window:
    """What happens from one instant up to another, both included; None and the end are no bound.

    A packet that bounds it lies within, and so does what timers do because of its time; for that it has to be known
    where the clock stood (see `with_clocks`).
    """

    since: Instant | None = None
    up_to: Instant | None = None

    @property
    def packets(self) -> list[int]:
        """Numbers of the packets behind which its bounds lie, in order."""
        since = [self.since.value - 1] if self.since is not None and self.since.kind == "packet" else []
        up_to = [self.up_to.value] if self.up_to is not None and self.up_to.kind == "packet" else []
        return sorted(since + up_to)

    def with_clocks(self, clocks: dict[int, int]) -> Window:
        """The same, with what the clock showed after each of `packets` (ns since the epoch)."""
        since, up_to = self.since, self.up_to
        if since is not None and since.kind == "packet":
            since = replace(since, clock=clocks[since.value - 1])
        if up_to is not None and up_to.kind == "packet":
            up_to = replace(up_to, clock=clocks[up_to.value])
        return Window(since, up_to)

    def backwards(self, first_ts: int) -> bool:
        """Whether the second instant lies before the first."""
        since, up_to = self.since, self.up_to
        if since is None or up_to is None or up_to.kind == "end":
            return False
        if since.kind == up_to.kind == "packet":
            return up_to.value < since.value
        low, high = (one.clock if one.kind == "packet" else one.at(first_ts) for one in (since, up_to))
        return high < low

    def begun(self, ts: int, packet: int | None, first_ts: int) -> bool:
        """Whether what happens at `ts`, by `packet` (None: a timer), lies at the first instant or after it."""
        since = self.since
        if since is None or since.kind == "end":
            return True
        if since.kind == "packet":
            return ts > since.clock if packet is None else packet >= since.value
        return ts >= since.at(first_ts)

    def over(self, ts: int, packet: int | None, first_ts: int) -> bool:
        """Whether it lies after the second one."""
        up_to = self.up_to
        if up_to is None or up_to.kind == "end":
            return False
        if up_to.kind == "packet":
            return ts > up_to.clock if packet is None else packet > up_to.value
        return ts > up_to.at(first_ts)

    def holds(self, ts: int, packet: int | None, first_ts: int) -> bool:
        """Whether it lies between them."""
        return self.begun(ts, packet, first_ts) and not self.over(ts, packet, first_ts)


def scaled(number: str, unit: int) -> int:
    """A decimal number times `unit` ns, exactly; what is finer than a nanosecond is cut off."""
    whole, _, rest = number.partition(".")
    fraction = int(rest) * unit // 10 ** len(rest) if rest else 0
    return int(whole) * unit + fraction


def parse(text: str) -> Instant:
    """Raises InstantError."""
    text = text.strip()
    if text.lower() == "end":
        return END
    if len(text) > _LONGEST:
        raise InstantError(f"{text[:_LONGEST]}...: too long for an instant; write {FORMS}")
    if match := re.fullmatch(r"packet:(\d+)", text, re.I):
        number = int(match[1])
        if number < 1:
            raise InstantError(f"{text}: packets are numbered from 1")
        return Instant("packet", number)
    if text.startswith("+"):
        return Instant("offset", _fits(duration(text[1:]), text))
    if match := _EPOCH.fullmatch(text):
        digits, unit = match[1], match[2]
        if unit is None:
            unit = "ns" if "." not in digits and int(digits) >= _TOO_LARGE_FOR_SECONDS else "s"
        return Instant("ts", _fits(scaled(digits, _UNITS[unit]), text))
    if match := _ISO.fullmatch(text) or _BASIC.fullmatch(text):
        return Instant("ts", _fits(_iso(match, text), text))
    if match := _TIME.fullmatch(text):
        hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
        if hours > 23 or minutes > 59 or seconds > 59:
            raise InstantError(f"{text}: no such time of day")
        nanos = int((match[4] or "").ljust(9, "0"))
        return Instant("clock", ((hours * 60 + minutes) * 60 + seconds) * _SECOND + nanos)
    raise InstantError(f"{text!r} is no instant; write {FORMS}")


def duration(text: str) -> int:
    """`12.5s`, `250ms`, `1h30m`, plain seconds: nanoseconds. Raises InstantError."""
    if re.fullmatch(_NUMBER, text):
        return scaled(text, _SECOND)
    if not _DURATION.fullmatch(text):
        raise InstantError(f"{text!r} is no duration; write for example 12.5s, 250ms, 1h30m")
    return sum(scaled(number, _UNITS[unit]) for number, unit in _PART.findall(text))


def _iso(match: re.Match[str], text: str) -> int:
    year, month, day, hours, minutes, seconds, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hours or 0), int(minutes or 0), int(seconds or 0), tzinfo=UTC
        )
    except ValueError as exc:
        raise InstantError(f"{text}: {exc}") from None
    if zone and zone not in "Zz":
        sign = -1 if zone[0] == "-" else 1
        digits = zone[1:].replace(":", "").ljust(4, "0")
        moment -= sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * _SECOND + int((fraction or "").ljust(9, "0"))


def _fits(value: int, text: str) -> int:
    if not -_MAX <= value <= _MAX:
        raise InstantError(f"{text}: beyond the years that nanoseconds reach")
    return value


def show(ts: int) -> str:
    """UTC with as many digits of the second as it has: `2026-11-20 21:22:54.678997Z`."""
    seconds, nanos = divmod(ts, _SECOND)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    if nanos:
        digits = f"{nanos:09d}".rstrip("0")
        text += "." + digits.ljust(3 if len(digits) <= 3 else 6 if len(digits) <= 6 else 9, "0")
    return text + "Z"
