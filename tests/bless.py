"""Goldens of the query library: a capture, a query, the table it must give.

    python -m tests.bless            write all expected tables anew
    python -m tests.bless NAME...    only these
    python -m tests.bless --list     names and questions

A golden is a folder tests/goldens/NAME with case.json (capture, query, packets, params, sysctls) and expected.csv.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GOLDENS = ROOT / "tests" / "goldens"


def cases() -> dict[str, dict[str, Any]]:
    """All goldens by name."""
    return {
        folder.parent.name: json.loads(folder.read_text(encoding="utf-8"))
        for folder in sorted(GOLDENS.glob("*/case.json"))
    }


def replay(case: dict[str, Any], folder: Path) -> list[Path]:
    """Datasets of a case; `runs` gives the sysctls of each when there are several."""
    import ctreplay

    found = []
    for number, sysctls in enumerate(case.get("runs", [case.get("sysctls", {})])):
        target = folder / f"run{number}.ctreplay"
        ctreplay.replay(
            [ROOT / "sample_pcaps" / name for name in case["captures"]],
            target,
            sysctls=sysctls,
            packets=case.get("packets", "all"),
        )
        found.append(target)
    return found


def table(case: dict[str, Any], datasets: list[Path]) -> str:
    """The result as CSV, free of folder names."""
    from ctreplay.cli.output import Format, _text
    from ctreplay.sql.execute import query_named
    from ctreplay.sql.library import load

    result = query_named(datasets, load(case["query"]), case.get("params", {}))
    out = io.StringIO()
    _text(result, Format.csv, out, 0)
    result.close()
    return out.getvalue().replace(f"{ROOT}/", "")


def actual(case: dict[str, Any]) -> str:
    """What the case gives now."""
    with tempfile.TemporaryDirectory(prefix="ctreplay-golden-") as folder:
        return table(case, replay(case, Path(folder)))


def main(arguments: list[str]) -> int:
    """Write expected.csv; how many changed is said on stderr."""
    known = cases()
    if arguments == ["--list"]:
        for name, case in known.items():
            print(f"{name:40} {case['query']:28} {', '.join(case['captures'])}")
        return 0
    unknown = [name for name in arguments if name not in known]
    if unknown:
        print(f"no golden named {', '.join(unknown)}", file=sys.stderr)
        return 2
    changed = 0
    for name in arguments or known:
        path = GOLDENS / name / "expected.csv"
        before = path.read_text(encoding="utf-8") if path.exists() else None
        now = actual(known[name])
        if now != before:
            path.write_text(now, encoding="utf-8")
            changed += 1
            print(
                f"{name}: {'changed' if before is not None else 'new'}, {now.count(chr(10)) - 1} rows", file=sys.stderr
            )
    print(f"{changed} of {len(arguments or known)} goldens written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
