"""ctreplay beside every flow tool that is installed: `python benchmarks/run.py [WORKLOAD...] [options]`.

Each round runs all tools one after another, in an order drawn anew (from a seed), after the capture was read once; so
what disturbs the machine, the tool before included, disturbs all of them, and ratios are taken within a round. Figures
are of whole processes with all their children. Writes results.json, results.md and chart.svg.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import measure
import workloads
from chart import chart
from tools import Tool, installed, peers, subjects

BUILD = Path(__file__).resolve().parent.parent / "build"
QUICK = 0.02


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def written(folder: Path) -> int:
    """Bytes of all files below `folder` except what the tool said on standard error."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name not in {"stderr", "captures"})


def one_run(tool: Tool, captures: list[Path], scratch: Path, limit: float) -> tuple[measure.Usage, int] | None:
    """A run in a fresh folder: what it used, bytes written; None when the tool cannot read this."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread:
            unread.bind(("127.0.0.1", 0))
            command = tool.command(captures, folder, unread.getsockname()[1])
            if command is None:
                return None
            used = measure.run(command, folder, limit)
        return used, written(folder)
    finally:
        shutil.rmtree(folder)


def compare(name: str, tools: list[Tool], options: argparse.Namespace) -> dict[str, Any]:
    """All rounds of one workload."""
    packets = workloads.ensure(options.work, [name], options.scale)[name]
    captures = workloads.captures(options.work, name)
    found: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    for turn in range(options.rounds):
        measure.warm(captures)
        for tool in random.Random(turn).sample(tools, len(tools)):
            if tool.name in skipped:
                continue
            result = one_run(tool, captures, options.scratch, options.limit)
            if result is None:
                skipped[tool.name] = "" if tool.only else "cannot read this"
                continue
            used, size = result
            if used.code or used.error or not (size or tool.silent):
                skipped[tool.name] = "failed: " + (used.error or "it wrote nothing")
                found.pop(tool.name, None)
                note(f"  {name} {turn + 1}/{options.rounds} {tool.name}: {skipped[tool.name]}")
                continue
            entry = found.setdefault(tool.name, {"command": tool.shown(), "written": size, "runs": []})
            entry["runs"].append(
                {"round": turn, "wall": used.wall, "user": used.user, "system": used.system, "peak": used.peak}
            )
            note(f"  {name} {turn + 1}/{options.rounds} {tool.name}: {used.wall:.3f} s, {used.peak / 1e6:.0f} MB")
            if used.wall > options.long:
                skipped[tool.name] = f"over {options.long:g} s: later rounds left out"
    base = {run["round"]: run["wall"] for run in found.get("ctreplay", {"runs": []})["runs"]}
    for entry in found.values():
        runs = entry["runs"]
        entry["wall"] = measure.spread([run["wall"] for run in runs])
        entry["cpu"] = measure.spread([run["user"] + run["system"] for run in runs])
        entry["peak"] = max(run["peak"] for run in runs)
        entry["packets_per_s"] = packets / entry["wall"]["median"]
        ratios = [run["wall"] / base[run["round"]] for run in runs if run["round"] in base]
        entry["ratio"] = median(ratios) if ratios else None
    return {
        "packets": packets,
        "bytes": workloads.size(options.work, name),
        "files": len(captures),
        "tools": found,
        "notes": {tool: text for tool, text in skipped.items() if text},
    }


def table(name: str, result: dict[str, Any]) -> str:
    """A workload's results as Markdown, fastest first."""
    files = f" in {result['files']} files" if result["files"] > 1 else ""
    lines = [
        f"### {name}",
        "",
        f"{result['packets']:,} packets, {result['bytes'] / 1e6:,.0f} MB{files}",
        "",
        "| tool | wall s, median (min – max) | CPU s | peak memory MB | packets/s | wall against ctreplay | runs |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for tool, entry in sorted(result["tools"].items(), key=lambda item: item[1]["wall"]["median"]):
        wall = entry["wall"]
        ratio = "" if entry["ratio"] is None else f"{entry['ratio']:.2f} ×"
        shown = f"**{tool}**" if tool == "ctreplay" else tool
        lines.append(
            f"| {shown} | {wall['median']:.2f} ({wall['min']:.2f} – {wall['max']:.2f}) | {entry['cpu']['median']:.2f} "
            f"| {entry['peak'] / 1e6:,.0f} | {entry['packets_per_s']:,.0f} | {ratio} | {len(entry['runs'])} |"
        )
    lines += [""] + [f"- {tool}: {text}" for tool, text in sorted(result["notes"].items())]
    return "\n".join(lines).rstrip() + "\n"


def report(results: dict[str, Any]) -> str:
    """All results as Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items() if " --" not in name)
    parts = [
        "## Results",
        "",
        f"`{results['command']}` on {measure.machine_line(results['machine'])}.",
        f"Scale {results['scale']:g}, {results['rounds']} rounds. {versions}.",
        "",
    ]
    parts += [table(name, result) for name, result in results["workloads"].items()]
    commands = {
        tool: entry["command"] for result in results["workloads"].values() for tool, entry in result["tools"].items()
    }
    parts += ["### Commands", "", "```sh"]
    return "\n".join([*parts, *commands.values(), "```", ""])


def main() -> int:
    # what does not matter to others
    places = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    places.add_argument("--nfstream", type=Path, default=BUILD / "nfstream/bin/python", help="Python that has NFStream")
    places.add_argument("--work", type=Path, help="folder for the captures (default build/workloads)")
    places.add_argument("-o", "--output", type=Path, default=BUILD / "benchmarks", help="folder for the results")
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[places],
        allow_abbrev=False,
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="default: all of workloads.py")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, help="share of the full size (default 1)")
    parser.add_argument("--quick", action="store_true", help=f"scale {QUICK:g} and three rounds, to see that it works")
    parser.add_argument("--tools", help="only these, comma separated (ctreplay always runs)")
    parser.add_argument("--long", type=float, default=20, help="a run of more seconds is not repeated (default 20)")
    parser.add_argument("--limit", type=float, default=900, help="a run of more seconds is stopped (default 900)")
    options = parser.parse_intermixed_args()
    if options.quick:
        options.rounds = min(options.rounds, 3)
    options.scale = options.scale or (QUICK if options.quick else 1.0)
    options.work = (options.work or BUILD / ("workloads" if options.scale == 1 else "workloads-small")).resolve()
    # tools run in folders of their own
    options.output = options.output.resolve()
    options.nfstream = options.nfstream.absolute()
    names = options.workloads or list(workloads.NAMES)
    unknown = sorted(set(names) - set(workloads.NAMES))
    if unknown or options.rounds < 1:
        parser.error(f"no such workload: {', '.join(unknown)}" if unknown else "--rounds must be at least 1")
    everyone = subjects() + peers(options.nfstream)
    if options.tools:
        chosen = {name.strip() for name in options.tools.split(",")}
        strange = sorted(chosen - {tool.name for tool in everyone})
        if strange:
            parser.error(f"no such tool: {', '.join(strange)}; there are {', '.join(tool.name for tool in everyone)}")
        everyone = [tool for tool in everyone if tool.name in chosen or tool.name == "ctreplay"]
    versions = installed(everyone, note)
    tools = [tool for tool in everyone if tool.name in versions]
    options.output.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/run.py", *places.parse_known_args()[1]]),
        "machine": measure.machine(),
        "versions": versions,
        "scale": options.scale,
        "rounds": options.rounds,
        "workloads": {},
    }
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.output) as scratch:
        options.scratch = Path(scratch)
        for name in names:
            results["workloads"][name] = compare(name, tools, options)
            (options.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
            (options.output / "results.md").write_text(report(results))
            print(table(name, results["workloads"][name]), flush=True)
    shown = next((name for name in ("mix", *names) if name in names and results["workloads"][name]["tools"]), None)
    if shown:
        (options.output / "chart.svg").write_text(chart(results, shown))
    note(f"results.json, results.md and chart.svg are in {options.output}")
    return 0 if all("ctreplay" in result["tools"] for result in results["workloads"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
