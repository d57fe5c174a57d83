"""A chart of one workload: `python benchmarks/chart.py results.json [WORKLOAD] > chart.svg`."""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

from measure import machine_line

WIDTH, LEFT, RIGHT = 820, 170, 210
TOP, ROW, BAR = 84, 30, 18
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 } .small { font-size: 11.5px; fill: #57606a }
.own { font-weight: 700 } .bar { fill: #9aa4b0 } .mine { fill: #0b7285 } .card { fill: #ffffff; stroke: #d0d7de }
.range { stroke: #57606a; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .bar { fill: #656c76 } .mine { fill: #22b8cf }
  .card { fill: #0d1117; stroke: #3d444d } .range { stroke: #9198a1 }
}
"""


def seconds(value: float) -> str:
    """Three digits that matter."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def chart(results: dict[str, Any], name: str) -> str:
    """Wall time of each tool as an SVG, fastest first; a thin line spans the fastest and the slowest run."""
    workload = results["workloads"][name]
    rows = sorted(workload["tools"].items(), key=lambda item: item[1]["wall"]["median"])
    longest = max(entry["wall"]["max"] for _, entry in rows)
    scale = (WIDTH - LEFT - RIGHT) / longest
    height = TOP + ROW * len(rows) + 52
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="Wall seconds by tool, workload {escape(name)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        '<text class="title" x="24" y="34">From capture to flow records: wall time, shorter is better</text>',
        f'<text class="small" x="24" y="56">Workload “{escape(name)}”: {workload["packets"]:,} packets, '
        f"{workload['bytes'] / 1e6:,.0f} MB, file in the page cache; median of rounds: {results['rounds']}. "
        "tcpdump only reads.</text>",
    ]
    for i, (tool, entry) in enumerate(rows):
        wall = entry["wall"]
        y = TOP + ROW * i
        middle = y + BAR / 2
        mine = tool.startswith("ctreplay")
        own = ' class="own"' if tool == "ctreplay" else ""
        length = max(wall["median"] * scale, 2)
        end = LEFT + max(wall["max"] * scale, 2)
        ratio = None if tool == "ctreplay" else entry["ratio"]
        against = "" if ratio is None else f"{ratio:.0f} × ctreplay" if ratio >= 10 else f"{ratio:.2f} × ctreplay"
        out += [
            f'<text{own} x="{LEFT - 12}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(tool)}</text>',
            f'<rect class="{"mine" if mine else "bar"}" x="{LEFT}" y="{y}" width="{length:.1f}" '
            f'height="{BAR}" rx="2"/>',
            f'<line class="range" x1="{LEFT + wall["min"] * scale:.1f}" x2="{LEFT + wall["max"] * scale:.1f}" '
            f'y1="{middle}" y2="{middle}"/>',
            f'<text{own} x="{end + 10:.1f}" y="{middle + 4.5:.1f}">{seconds(wall["median"])}'
            f'<tspan class="small" dx="10">{against}</tspan></text>',
        ]
    y = TOP + ROW * len(rows) + 16
    out += [
        f'<text class="small" x="24" y="{y}">{escape(results["command"])}</text>',
        f'<text class="small" x="24" y="{y + 18}">{escape(machine_line(results["machine"]))}</text>',
        "</svg>",
        "",
    ]
    return "\n".join(out)


def main() -> None:
    if len(sys.argv) not in {2, 3}:
        raise SystemExit(__doc__)
    results = json.loads(Path(sys.argv[1]).read_text())
    print(chart(results, sys.argv[2] if len(sys.argv) == 3 else next(iter(results["workloads"]))), end="")


if __name__ == "__main__":
    main()
