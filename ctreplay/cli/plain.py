"""Plain command lines of the replay, read without the option parser: its import takes longer than a small replay.

Whatever is not understood here, wrong values too, goes to the parser, which knows everything and says what is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ctreplay.cli.common import COMMANDS
from ctreplay.dataset import LEVELS

_FLAGS = {"--force": "force", "--strict": "strict", "--json": "as_json", "-q": "quiet", "--quiet": "quiet"}
_VALUES = {
    "-o": "output", "--output": "output", "-j": "jobs", "--jobs": "jobs", "--packets": "packets",
    "--sysctl-file": "sysctl_file",
}  # fmt: skip
_LISTS = {"--sysctl": "sysctl", "--helper": "helper"}


def plain_replay(argv: list[str]) -> dict[str, Any] | None:
    """Keyword arguments for `replaying.replay`, None when the parser has to look."""
    if argv[:1] == ["replay"]:
        argv = argv[1:]
    elif argv and argv[0] in COMMANDS:
        return None
    found: dict[str, Any] = {}
    captures: list[str] = []
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word in _FLAGS:
            found[_FLAGS[word]] = True
        elif option in _VALUES or option in _LISTS:
            if not equals:
                value = next(words, "")
            if not value or value[0] == "-":
                return None
            if option in _LISTS:
                found.setdefault(_LISTS[option], []).append(value)
            else:
                found[_VALUES[option]] = value
        elif word == "-" or (word and word[0] != "-"):
            captures.append(word)
        else:
            return None
    if not captures or found.get("packets", "notable") not in LEVELS:
        return None
    if "jobs" in found:
        jobs = found["jobs"]
        if not (jobs.isascii() and jobs.isdigit() and int(jobs[:9]) > 0 and len(jobs) < 9):
            return None
        found["jobs"] = int(jobs)
    for name in ("output", "sysctl_file"):
        if name in found:
            found[name] = Path(found[name])
    return {"captures": captures, **found}
