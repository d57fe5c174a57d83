"""What the real conntrack program prints for a packet mix: `python -m tests.text.record OUT.json [SYSCTL=N ...]`.

The packets run through this machine's kernel in a private network namespace without any way out; needs root.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.text.traffic import packets

DUMPS = {
    "plain": "-L",
    "extended": "-L -o extended",
    "id": "-L -o id",
    "ktimestamp": "-L -o ktimestamp",
    "extended,id": "-L -o extended,id",
    "xml": "-L -o xml",
    "xml,ktimestamp": "-L -o xml,ktimestamp",
    "save": "-L -o save",
    "ipv6": "-L -f ipv6",
    "udp": "-L -p udp",
    "assured": "-L -u ASSURED",
    "seen_reply": "-L -u SEEN_REPLY",
    "source": "-L -s 10.9.0.2",
    "network": "-L -d 10.9.0.0/16",
    "port": "-L -p tcp --dport 80 --sport 3002",
    "state": "-L -p tcp --state TIME_WAIT",
    "reply": "-L -r 10.9.1.2",
    "icmp": "-L -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7",
    "mark": "-L -m 0",
}
EVENTS = {
    "plain": "-E",
    "id": "-E -o id",
    "extended": "-E -o extended",
    "timestamp": "-E -o timestamp",
    "ktimestamp": "-E -o ktimestamp",
    "xml": "-E -o xml",
    "save": "-E -o save",
    "destroy": "-E -e DESTROY",
    "new": "-E -e NEW",
    "updates": "-E -e UPDATES",
    "tcp": "-E -p tcp --dport 80",
}


def record(sysctls: dict[str, int]) -> dict[str, Any]:
    """Packets with their times, and what conntrack printed. Raises ctreplay.verify.errors.CannotVerify."""
    from ctreplay.verify import namespace, rules

    release = namespace.enter()
    tun = namespace.device()
    for name, value in ({"nf_conntrack_checksum": 0, "nf_conntrack_events": 1} | sysctls).items():
        namespace.sysctl(f"net.netfilter.{name}", value)
    rules.install()
    listeners = {}
    for name, arguments in EVENTS.items():
        listeners[name] = subprocess.Popen(
            ["conntrack", *arguments.split()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    time.sleep(0.5)
    sent = []
    for packet in packets():
        sent.append((time.time_ns(), packet.hex()))
        os.write(tun, packet)
    time.sleep(0.3)
    dumps = {}
    for name, arguments in DUMPS.items():
        moment = time.time_ns()
        done = subprocess.run(["conntrack", *arguments.split()], capture_output=True, text=True, check=True)
        dumps[name] = {"at": moment, "arguments": arguments, "lines": done.stdout.splitlines(), "said": done.stderr}
    moment = time.time_ns()
    proc = Path("/proc/net/nf_conntrack")
    if proc.exists():
        dumps["proc"] = {"at": moment, "arguments": "", "lines": proc.read_text().splitlines(), "said": ""}
    events = {}
    for name, process in listeners.items():
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
        events[name] = {"arguments": EVENTS[name], "lines": out.splitlines()}
    stats = subprocess.run(["conntrack", "-S"], capture_output=True, text=True, check=True).stdout
    count = subprocess.run(["conntrack", "-C"], capture_output=True, text=True, check=True).stdout
    version = subprocess.run(["conntrack", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "kernel": release,
        "program": version,
        "sysctls": sysctls,
        "packets": sent,
        "dumps": dumps,
        "events": events,
        "stats": stats.splitlines(),
        "count": count.strip(),
    }


if __name__ == "__main__":
    given = dict(pair.split("=") for pair in sys.argv[2:])
    os.environ["TZ"] = "UTC"
    found = record({name: int(value) for name, value in given.items()})
    Path(sys.argv[1]).write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")
