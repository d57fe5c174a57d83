"""Writing the chosen packets as pcapng or pcap."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, BinaryIO

from ctreplay import reasons
from ctreplay.capture.write import PcapngWriter, PcapWriter
from ctreplay.extract.choose import ExtractError
from ctreplay.extract.frames import Frames

_MEANINGS = {name: meaning for name, _, meaning in reasons.TABLE}


def remark(row: dict[str, Any]) -> str:
    """What ctreplay decided about a packet, in one line."""
    words = [f"ctreplay: packet {row['packet']}"]
    conn = row["conn_id"] or row["tuple_conn_id"]
    if conn:
        words.append(f"connection {conn}" + (f" {row['direction']}" if row["direction"] else ""))
    if row["ctstate"]:
        words.append(row["ctstate"])
    if row["reason"]:
        meaning = _MEANINGS.get(row["reason"])
        words.append(f"{row['reason']} ({meaning})" if meaning else row["reason"])
    if row["margin"]:
        words.append(f"by {row['margin']} bytes")
    if row["state"]:
        words.append(f"state {row['state']}")
    if row["timeout_s"] is not None:
        words.append(f"timeout {row['timeout_s']} s")
    return ", ".join(words)


def save(
    file: BinaryIO,
    rows: Iterable[dict[str, Any]],
    frames: Frames,
    captures: dict[int, dict[str, Any]],
    *,
    pcapng: bool,
    annotate: bool,
    comment: str,
) -> int:
    """Write the packets in order; how many. `captures` holds the rows of captures.parquet by number.

    Raises ExtractError (link types that one pcap file cannot hold, a capture that changed), OSError.
    """
    count = 0
    if not pcapng:
        listed = list(rows)
        kinds = {captures[row["capture"]]["linktype"] for row in listed}
        if len(kinds) > 1:
            names = ", ".join(sorted({captures[row["capture"]]["linktype_name"] for row in listed}))
            raise ExtractError(f"a pcap file holds one link type, these packets have {names}; write .pcapng")
        plain = PcapWriter(file, kinds.pop() if kinds else 1)
        for row in listed:
            try:
                plain.write(row["ts"], frames.read(row), row["wirelen"])
            except ValueError as exc:
                raise ExtractError(f"packet {row['packet']}: {exc}") from None
            count += 1
        return count
    writer = PcapngWriter(file, comment=comment)
    numbers: dict[int, int] = {}
    for row in rows:
        capture = captures[row["capture"]]
        number = numbers.get(row["capture"])
        if number is None:
            number = numbers[row["capture"]] = writer.interface(
                capture["linktype"],
                name=capture["interface_name"] or "",
                description=f"{os.path.basename(capture['path'])}",
                snaplen=capture["snaplen"],
            )
        try:
            writer.write(
                number, row["ts"], frames.read(row), row["wirelen"], comments=[remark(row)] if annotate else ()
            )
        except ValueError as exc:
            raise ExtractError(f"packet {row['packet']}: {exc}") from None
        count += 1
    if not numbers:
        writer.interface(1)
    return count
