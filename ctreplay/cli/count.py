"""`ctreplay count`: how many entries the table held (`conntrack -C`)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ctreplay.cli.filtering import with_filters
from ctreplay.cli.origin import Captures, Helpers, Json, Sources, SysctlFile, Sysctls, When, open_origin

if TYPE_CHECKING:
    from ctreplay.text.filters import Filters


@with_filters
def count(
    sources: Sources,
    at: When = "end",
    json: Json = False,
    sysctl: Sysctls = None,
    sysctl_file: SysctlFile = None,
    helper: Helpers = None,
    capture: Captures = None,
    *,
    filters: Filters,
) -> None:
    """How many entries the table held at any moment."""
    from ctreplay.cli.tables import table_at

    origin = open_origin(sources, sysctl, sysctl_file, capture, helper)
    flows, _ = table_at(origin, at)
    number = sum(1 for flow in flows if filters(flow))
    sys.stdout.write(f'{{"entries": {number}}}\n' if json else f"{number}\n")
