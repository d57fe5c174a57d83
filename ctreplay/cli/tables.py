"""The table of a replay that stands still, and how it is written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ctreplay.cli.common import json_text
from ctreplay.cli.origin import instant, journey

if TYPE_CHECKING:
    from ctreplay.text.flow import Flow
    from ctreplay.timetravel.origin import Origin


def table_at(origin: Origin, at: str) -> tuple[list[Flow], str]:
    """Live entries at an instant, oldest first, and where the clock stood (empty for the end)."""
    moment = instant(at)

    def work(travel: Any) -> tuple[list[Flow], str]:
        travel.to(moment)
        return snapshot(origin, travel), "" if moment.kind == "end" else f"at {travel.describe()}"

    return journey(origin, work)


def snapshot(origin: Origin, travel: Any) -> list[Flow]:
    """The live entries of a replay that stands still."""
    from ctreplay.text.flow import table

    return table(
        travel.engine.tracker.table.entries(),
        travel.now,
        accounting=bool(origin.sysctls["nf_conntrack_acct"]),
        timestamps=bool(origin.sysctls["nf_conntrack_timestamp"]),
    )


def write_table(flows: list[Flow], options: set[str]) -> None:
    """Entries on stdout in the form asked for."""
    out = sys.stdout
    if "json" in options:
        write_json([_object(flow) for flow in flows])
    elif "xml" in options:
        from ctreplay.text.xml import FOOTER, HEADER, xml

        out.write(HEADER + "\n")
        out.writelines(xml(flow, options) + "\n" for flow in flows)
        out.write(FOOTER + "\n")
    elif "save" in options:
        from ctreplay.text.save import save

        out.writelines(save(flow) + "\n" for flow in flows)
    elif "proc" in options:
        from ctreplay.text.line import proc

        out.writelines(proc(flow) + "\n" for flow in flows)
    else:
        from ctreplay.text.line import line

        out.writelines(line(flow, options) + "\n" for flow in flows)


def _object(flow: Flow) -> dict[str, Any]:
    from ctreplay.text.objects import flow_object

    return flow_object(flow)


def write_json(objects: list[dict[str, Any]]) -> None:
    """A JSON list with an object per line."""
    if not objects:
        sys.stdout.write("[]\n")
        return
    sys.stdout.write("[\n" + ",\n".join(json_text(one) for one in objects) + "\n]\n")
