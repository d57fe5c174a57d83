"""What is known about one capturing interface of one file: how it was recorded and what was read from it."""

from __future__ import annotations

from .linktypes import linktype_name

_NS = 1_000_000_000
_INT64_MAX = 0x7FFF_FFFF_FFFF_FFFF
_TICKS_MULTIPLY = 0
_TICKS_DIVIDE = 1
_TICKS_SHIFT = 2
_TICKS_EXACT = 3
_TICKS_INVALID = -0x7FFF_FFFF_FFFF_FFFF


class CaptureFacts:
    """One interface of one capture file (a classic pcap file has one).

    `index` is what `Record.capture` holds. Counters cover the records delivered so far; `min_ts` and `max_ts`
    are nanoseconds and only mean something when `packets` is not 0 (see `first_ts`, `last_ts`).
    `kernel_received` and `kernel_drops` (by the interface and by the system) come from pcapng interface
    statistics, None where the file has none.
    """

    __slots__ = (
        "byte_order",
        "captured_bytes",
        "compression",
        "factor",
        "format",
        "index",
        "interface_id",
        "interface_name",
        "kernel_drops",
        "kernel_received",
        "linktype",
        "max_backstep_ns",
        "max_ts",
        "min_ts",
        "mode",
        "offset_ns",
        "offset_s",
        "packets",
        "path",
        "reordered",
        "resolution",
        "snaplen",
        "ticks_limit",
        "truncated",
        "tsresol",
        "version",
        "wire_bytes",
    )  # fmt: skip

    def __init__(self, path: str, index: int) -> None:
        self.path = path
        self.index = index
        self.format = ""
        self.byte_order = "little"
        self.compression: str | None = None
        self.version = ""
        self.interface_id = 0
        self.interface_name: str | None = None
        self.linktype = 0
        self.snaplen = 0
        self.resolution = ""
        self.kernel_received: int | None = None
        self.kernel_drops: int | None = None
        self.reordered = 0
        self.max_backstep_ns = 0
        self.reset()
        self.set_resolution(6, 0)

    def reset(self) -> None:
        """Forget what was delivered (before the same file is read again)."""
        self.packets = 0
        self.captured_bytes = 0
        self.wire_bytes = 0
        self.truncated = 0
        self.min_ts = 0
        self.max_ts = 0

    @property
    def linktype_name(self) -> str:
        """The LINKTYPE_ name without its prefix, or the number as text."""
        return linktype_name(self.linktype)

    @property
    def first_ts(self) -> int | None:
        """Earliest timestamp delivered (ns since the epoch), None without packets."""
        return self.min_ts if self.packets else None

    @property
    def last_ts(self) -> int | None:
        """Latest timestamp delivered (ns since the epoch), None without packets."""
        return self.max_ts if self.packets else None

    def set_resolution(self, tsresol: int, offset_s: int) -> None:
        """Take `if_tsresol` (top bit: power of two, else of ten) and `if_tsoffset` (seconds)."""
        self.tsresol = tsresol
        self.offset_s = offset_s
        self.offset_ns = offset_s * _NS if abs(offset_s) < _INT64_MAX // _NS else 0
        exponent = tsresol & 0x7F
        if tsresol & 0x80:
            self.resolution = f"2^-{exponent} s"
            # the fraction times 10^9 has to fit in 64 bits
            self.mode = _TICKS_SHIFT if exponent <= 33 else _TICKS_EXACT
            self.factor = exponent
            self.ticks_limit = min((_INT64_MAX // _NS - 1) << exponent, _INT64_MAX) if exponent <= 33 else 0
        elif exponent <= 9:
            names = {0: "1 s", 3: "1 ms", 6: "1 us", 9: "1 ns"}
            self.resolution = names.get(exponent, f"10^-{exponent} s")
            self.mode = _TICKS_MULTIPLY
            self.factor = 10 ** (9 - exponent)
            self.ticks_limit = _INT64_MAX // self.factor
        else:
            self.resolution = f"10^-{exponent} s"
            self.mode = _TICKS_DIVIDE if exponent <= 27 else _TICKS_EXACT
            self.factor = 10 ** (exponent - 9) if exponent <= 27 else 1
            self.ticks_limit = _INT64_MAX
        if self.offset_ns == 0 and offset_s:
            self.mode = _TICKS_EXACT

    def to_ns(self, high: int, low: int) -> int:
        """Timestamp words of a block → ns since the epoch (floor), or _TICKS_INVALID beyond 64-bit
        nanoseconds.
        """
        if high > 0x7FFFFFFF:
            return self.to_ns_exact(high, low)
        ticks = (high << 32) | low
        if self.mode == _TICKS_MULTIPLY:
            if ticks > self.ticks_limit:
                return _TICKS_INVALID
            ns = ticks * self.factor
        elif self.mode == _TICKS_DIVIDE:
            ns = ticks // self.factor
        elif self.mode == _TICKS_SHIFT and ticks <= self.ticks_limit:
            seconds = ticks >> self.factor
            ns = seconds * _NS + (((ticks - (seconds << self.factor)) * _NS) >> self.factor)
        else:
            return self.to_ns_exact(high, low)
        if self.offset_ns != 0:
            if self.offset_ns > 0 and ns > _INT64_MAX - self.offset_ns:
                return _TICKS_INVALID
            ns += self.offset_ns
        return ns

    def to_ns_exact(self, high: object, low: object) -> int:
        """`to_ns` with unbounded integers, for resolutions and values that do not fit 64-bit arithmetic."""
        ticks = (int(high) << 32) | int(low)  # type: ignore[call-overload]
        exponent = self.tsresol & 0x7F
        if self.tsresol & 0x80:
            exact = (ticks * 10**9) >> exponent
        else:
            exact = ticks * 10**9 // 10**exponent
        exact += self.offset_s * 10**9
        return exact if -(2**63) + 1 < exact < 2**63 else -(2**63) + 1
