"""The tools that `run.py` compares, and the command with which each does its work.

Every flow tool reads the capture and writes its flow records to a file, names not resolved. Two exceptions, which are
yardsticks: tcpdump only reads (`-w /dev/null`), gzip and zstd only decompress. softflowd writes no files, so its
records go as NetFlow 9 to a socket that nobody reads. Compressed captures reach tools that read none through a pipe.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

UNPACK = {".gz": "gzip -dc", ".zst": "zstd -dcq"}
IN, OUT, PORT = "{in}", "{out}", "{port}"

NFSTREAM = "import sys, nfstream; nfstream.NFStreamer(source=sys.argv[1]).to_csv(path=sys.argv[2])"


@dataclass(frozen=True)
class Tool:
    """`argv` holds IN where the capture goes, OUT for the folder of what it writes.

    `several` says how it takes many captures: "args", "folder", "list" (a file that names them) or "" (not at all).
    `pipe` is the name of standard input as a capture. `only` restricts it to captures of that suffix.
    """

    name: str
    argv: tuple[str, ...]
    version: tuple[str, ...]
    several: str = ""
    pipe: str = "-"
    unpacks: tuple[str, ...] = ()
    only: str = ""
    silent: bool = False
    listed: tuple[str, ...] = field(default=())

    def command(self, captures: Sequence[Path], out: Path, port: int) -> list[str] | None:
        """What to execute; None when the tool cannot read these captures. Writes what the command needs to `out`."""
        first = captures[0]
        suffix = first.suffix
        if self.only and suffix != self.only:
            return None
        many = len(captures) > 1
        if many and not self.several:
            return None
        argv = self.listed if many and self.several == "list" else self.argv
        if many and self.several == "list":
            (out / "captures").write_text("".join(f"{path}\n" for path in captures))
            given = [str(out / "captures")]
        elif many and self.several == "args":
            given = [str(path) for path in captures]
        else:
            given = [str(first.parent if many else first)]
        piped = suffix in UNPACK and suffix not in self.unpacks
        if piped and not self.pipe:
            return None
        words: list[str] = []
        for word in argv:
            if word == IN:
                words += [self.pipe] if piped else given
            else:
                words.append(word.replace(OUT, str(out)).replace(PORT, str(port)))
        if piped:
            return ["sh", "-c", f"{UNPACK[suffix]} {shlex.quote(str(first))} | {shlex.join(words)}"]
        return words

    def shown(self) -> str:
        """The command with CAPTURE, OUT and PORT in their places."""
        argv = [word.replace(IN, "CAPTURE").replace(OUT, "OUT").replace(PORT, "PORT") for word in self.argv]
        return shlex.join([Path(argv[0]).name, *argv[1:]])


def ctreplay() -> list[str]:
    """The command of the ctreplay beside this Python."""
    beside = Path(sys.executable).parent / "ctreplay"
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "ctreplay"]


def subjects() -> list[Tool]:
    """ctreplay as it comes, and with the options whose price is of interest."""
    base = (*ctreplay(), "replay", IN, "-o", f"{OUT}/dataset")
    usage = subprocess.run([*ctreplay(), "replay", "--help"], capture_output=True, text=True, check=True).stdout
    wanted = [("ctreplay", ()), ("ctreplay --packets all", ("--packets", "all"))]
    if "--jobs" in usage:
        wanted += [(f"ctreplay --jobs {n}", ("--jobs", str(n))) for n in (1, 2)]
    wanted.append(("ctreplay bounded", ("--sysctl", "nf_conntrack_max=65536")))
    version = (*ctreplay(), "--version")
    return [
        Tool(name, (*base, *options), version, several="folder", unpacks=(".gz", ".zst")) for name, options in wanted
    ]


def peers(nfstream: Path) -> list[Tool]:
    """The others; `nfstream` is the Python of the virtual environment that has NFStream."""
    return [
        Tool("tcpdump", ("tcpdump", "-n", "-r", IN, "-w", "/dev/null"), ("tcpdump", "--version"), "list", silent=True,
             listed=("tcpdump", "-n", "-V", IN, "-w", "/dev/null")),
        Tool("softflowd", ("softflowd", "-r", IN, "-d", "-v", "9", "-n", "127.0.0.1:" + PORT), ("softflowd", "-h")),
        Tool("argus", ("argus", "-r", IN, "-w", f"{OUT}/flows.argus"), ("argus", "-h"), "args"),
        Tool("nfpcapd", ("nfpcapd", "-r", IN, "-w", OUT), ("nfpcapd", "-V"), pipe=""),
        Tool("tcptrace", ("tcptrace", "-n", "-u", IN), ("tcptrace", "-v"), "args", unpacks=(".gz",), pipe="stdin"),
        Tool("NFStream", (str(nfstream), "-c", NFSTREAM, IN, f"{OUT}/flows.csv"),
             (str(nfstream), "-c", "from importlib import metadata; print(metadata.version('nfstream'))"), pipe=""),
        Tool("tshark conv", ("tshark", "-n", "-r", IN, "-q", "-z", "conv,tcp", "-z", "conv,udp"), ("tshark", "-v"),
             unpacks=(".gz", ".zst")),
        Tool("gzip -dc", ("sh", "-c", "exec gzip -dc \"$0\" >/dev/null", IN), ("gzip", "--version"), only=".gz",
             unpacks=(".gz",), silent=True),
        Tool("zstd -dc", ("sh", "-c", "exec zstd -dcq \"$0\" >/dev/null", IN), ("zstd", "--version"), only=".zst",
             unpacks=(".zst",), silent=True),
    ]  # fmt: skip


def version(tool: Tool) -> str | None:
    """The version a tool tells, None when it is not installed."""
    if shutil.which(tool.version[0]) is None:
        return None
    told = subprocess.run(tool.version, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)*", f"{told.stdout}\n{told.stderr}")
    # a Python without the package fails here, while some tools print their usage and exit with 1
    if found is None or "ModuleNotFoundError" in told.stderr or "PackageNotFoundError" in told.stderr:
        return None
    return found.group()


def installed(tools: Sequence[Tool], report: Callable[[str], None]) -> dict[str, str]:
    """Versions of the tools that are there; `report` hears of the others."""
    found = {}
    for tool in tools:
        number = version(tool)
        if number is None:
            report(f"{tool.name} is not installed: left out")
        else:
            found[tool.name] = number
    return found
