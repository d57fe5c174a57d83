"""Record the sample captures again: `python sample_pcaps/record [NAME...]` (as root; all without a name).

Needs Linux with network namespaces and, from Debian: iproute2 nftables tcpdump ethtool curl vsftpd
dnsmasq-base sip-tester tftpd-hpa tftp-hpa nmap traceroute iputils-ping libusrsctp-examples;
from PyPI: dpkt backports.zstd.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import other_protocols  # noqa: F401  (registers its samples)
import servers_and_helpers  # noqa: F401
import tcp_life  # noqa: F401
import tcp_trouble  # noqa: F401
import vantage_points  # noqa: F401
from captures import packets_in
from lab import remove_stale_namespaces
from registry import SAMPLES

FOLDER = Path(__file__).resolve().parent.parent
README = FOLDER / "README.md"
BEGIN, END = "<!-- samples: written by record -->\n", "<!-- end of samples -->\n"


def write_readme() -> None:
    """Renew the table between the markers from the registry and the files themselves."""
    rows = ["| file | packets | what it shows | how it was recorded | queries |\n|---|---:|---|---|---|\n"]
    for sample in sorted(SAMPLES.values()):
        for name, shows in sample.files.items():
            count = packets_in(FOLDER / name)
            queries = ", ".join(sample.queries)
            rows.append(f"| `{name}` | {count} | {shows} | {sample.how} | {queries} |\n")
    before, rest = README.read_text().split(BEGIN)
    README.write_text(before + BEGIN + "".join(rows) + END + rest.split(END)[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="record", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="samples to record (default: all)")
    parser.add_argument("--list", action="store_true", help="name the samples and stop")
    parser.add_argument("--readme", action="store_true", help="only renew the table in README.md")
    chosen = parser.parse_args()
    if chosen.list:
        print("\n".join(sorted(SAMPLES)))
        return 0
    if chosen.readme:
        write_readme()
        return 0
    if unknown := set(chosen.names) - set(SAMPLES):
        parser.error(f"no such sample: {', '.join(sorted(unknown))} (--list names them)")
    if os.geteuid() != 0:
        parser.error("recording needs root: it creates network namespaces")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    remove_stale_namespaces()
    failed = []
    for name in chosen.names or sorted(SAMPLES):
        sample, started = SAMPLES[name], time.monotonic()
        with tempfile.TemporaryDirectory() as made:
            # a process each: its threads and sockets cannot disturb the next sample
            child = multiprocessing.get_context("fork").Process(target=sample.record, args=(Path(made),))
            child.start()
            try:
                child.join()
            finally:
                if child.is_alive():
                    child.terminate()
                    child.join()
                remove_stale_namespaces()
            if child.exitcode != 0:
                failed.append(name)
                print(f"{name}: FAILED", file=sys.stderr)
                continue
            for file in sample.files:
                (FOLDER / file).write_bytes((Path(made) / file).read_bytes())
        counts = ", ".join(f"{file} {packets_in(FOLDER / file)} packets" for file in sample.files)
        print(f"{name}: {counts} ({time.monotonic() - started:.0f} s)", flush=True)
    if not failed:
        write_readme()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
