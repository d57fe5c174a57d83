"""What the real conntrack program prints for a packet mix: `python -m tests.text.record OUT.json [SYSCTL=N ...]`.

With `expect` behind OUT.json it is a mix for helpers, and what it prints of expectations; needs the program nft too.

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

from tests.text.traffic import expecting, packets

_BUFFER = str(1 << 23)
_PAUSE_S = 0.0005
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


HELPERS = (("ftp", "tcp", 21), ("tftp", "udp", 69), ("sip", "udp", 5060), ("sip", "tcp", 5060), ("irc", "tcp", 6667))
EXPECTATION_DUMPS = {
    "ipv4": "-L expect -f ipv4",
    "ipv6": "-L expect -f ipv6",
    "flows": "-L",
}
EXPECTATION_EVENTS = {
    "plain": "-E expect",
    "timestamp": "-E expect -o timestamp",
    "flows": "-E",
}


def _assign_helpers() -> None:
    objects, rules = "", ""
    for name, proto, port in HELPERS:
        objects += f'ct helper {name}-{proto} {{ type "{name}" protocol {proto}; }}\n'
        rules += f'{proto} dport {port} ct helper set "{name}-{proto}"\n'
    chain = "chain assign { type filter hook prerouting priority -160\n" + rules + "}"
    text = "table inet helpers {\n" + objects + chain + "\n}\n"
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def record(sysctls: dict[str, int], expect: bool) -> dict[str, Any]:
    """Packets with their times, and what conntrack printed. Raises ctreplay.verify.errors.CannotVerify."""
    from ctreplay.verify import namespace, rules

    release = namespace.enter()
    tun = namespace.device()
    for name, value in ({"nf_conntrack_checksum": 0, "nf_conntrack_events": 1} | sysctls).items():
        namespace.sysctl(f"net.netfilter.{name}", value)
    rules.install()
    if expect:
        _assign_helpers()
    listeners = {}
    events_of, dumps_of = (EXPECTATION_EVENTS, EXPECTATION_DUMPS) if expect else (EVENTS, DUMPS)
    for name, arguments in events_of.items():
        listeners[name] = subprocess.Popen(
            # for expectations the program takes no size of its buffer
            ["conntrack", *([] if "expect" in arguments else ["-b", _BUFFER]), *arguments.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    time.sleep(0.5)
    sent = []
    for packet in expecting() if expect else packets():
        sent.append((time.time_ns(), packet.hex()))
        os.write(tun, packet)
        # the listeners lose what they do not read in time
        time.sleep(_PAUSE_S)
    time.sleep(0.3)
    dumps = {}
    for name, arguments in dumps_of.items():
        moment = time.time_ns()
        done = subprocess.run(["conntrack", *arguments.split()], capture_output=True, text=True, check=True)
        dumps[name] = {"at": moment, "arguments": arguments, "lines": done.stdout.splitlines(), "said": done.stderr}
    moment = time.time_ns()
    proc = Path("/proc/net/nf_conntrack_expect" if expect else "/proc/net/nf_conntrack")
    if proc.exists():
        dumps["proc"] = {"at": moment, "arguments": "", "lines": proc.read_text().splitlines(), "said": ""}
    events = {}
    for name, process in listeners.items():
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=10)
        if "ENOBUFS" in said or "No buffer space" in said:
            sys.exit(f"conntrack has lost events: {events_of[name]}")
        events[name] = {"arguments": events_of[name], "lines": out.splitlines()}
    stats = subprocess.run(["conntrack", "-S"], capture_output=True, text=True, check=True).stdout
    count = subprocess.run(["conntrack", "-C"], capture_output=True, text=True, check=True).stdout
    version = subprocess.run(["conntrack", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "kernel": release,
        "program": version,
        "sysctls": sysctls,
        "helpers": [f"{name}={port}/{proto}" for name, proto, port in HELPERS] if expect else [],
        "packets": sent,
        "dumps": dumps,
        "events": events,
        "stats": stats.splitlines(),
        "count": count.strip(),
    }


if __name__ == "__main__":
    words = [word for word in sys.argv[2:] if word != "expect"]
    os.environ["TZ"] = "UTC"
    given = (pair.split("=") for pair in words)
    found = record({name: int(value) for name, value in given}, "expect" in sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")
