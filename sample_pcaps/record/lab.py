"""Namespaces without an uplink: client - router - server, recorded on the router by tcpdump.

    client eth0 10.1.0.10 ── inside 10.1.0.1  router  outside 198.51.100.1 ── eth0 198.51.100.20 server

The same with 2001:db8:1::/64 and 2001:db8:2::/64 when `ipv6` is asked for. Everything is removed again
when the `with` block ends, whatever happened in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

CLIENT, ROUTER_IN, ROUTER_OUT, SERVER = "10.1.0.10", "10.1.0.1", "198.51.100.1", "198.51.100.20"
CLIENT6, ROUTER_IN6, ROUTER_OUT6, SERVER6 = (
    "2001:db8:1::10",
    "2001:db8:1::1",
    "2001:db8:2::1",
    "2001:db8:2::20",
)
NEIGHBOUR = "10.1.0.11"
PREFIX = "ctrec-"
_CLONE_NEWNET = 0x40000000
IFF_TUN, IFF_TAP = 1, 2
_TUNSETIFF, _IFF_NO_PI = 0x400454CA, 0x1000
_SOFTWARE_ONLY = ("tx off", "rx off", "sg off", "tso off", "gso off", "gro off")

_libc = ctypes.CDLL(None, use_errno=True)


def sh(*command: str, check: bool = True) -> str:
    """Run a command, return its output; raise with both streams when it fails and `check` is set."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def remove_stale_namespaces() -> None:
    """Delete namespaces a killed recorder left behind (their name holds its process id)."""
    for line in sh("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith(PREFIX) and not Path(f"/proc/{name.split('-')[1]}").exists():
            _remove_namespace(name)


def _remove_namespace(name: str) -> None:
    with contextlib.suppress(OSError):
        here = os.stat(f"/run/netns/{name}").st_ino
        for entry in Path("/proc").glob("[0-9]*/ns/net"):
            with contextlib.suppress(OSError):
                if entry.stat().st_ino == here:
                    os.kill(int(entry.parts[2]), signal.SIGKILL)
    # no pipes: the kernel may hold this program's descriptors for as long as the namespace takes to go
    subprocess.run(["ip", "netns", "del", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


class Node:
    """One namespace: sockets opened here live in it, whichever thread uses them later."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab = lab
        self.name = name
        self._tables = 0
        self.netns = f"{PREFIX}{os.getpid()}-{name}"
        sh("ip", "netns", "add", self.netns)
        self.ip("link", "set", "lo", "up")
        for key in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{key}.disable_ipv6", 0 if lab.ipv6 else 1)
            self.sysctl(f"net.ipv6.conf.{key}.accept_dad", 0)
            self.sysctl(f"net.ipv4.conf.{key}.rp_filter", 0)

    def ip(self, *args: str) -> str:
        return sh("ip", "-n", self.netns, *args)

    def sysctl(self, key: str, value: object) -> None:
        with self.inside():
            Path("/proc/sys", key.replace(".", "/")).write_text(f"{value}\n")

    def nft(self, rules: str) -> None:
        done = subprocess.run(
            ["ip", "netns", "exec", self.netns, "nft", "-f", "-"],
            input=rules,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"nft in {self.name}: {done.stderr}")

    def rules(self, hook: str, *rules: str, nat: bool = False, policy: str = "accept") -> None:
        """One nftables chain with these IPv4 rules; several calls make several tables."""
        priority = {"prerouting": -100, "postrouting": 100}.get(hook, 0)
        kind = "nat" if nat else "filter"
        self._tables += 1
        self.nft(
            f"table ip t{self._tables} {{\nchain c {{\n"
            f"type {kind} hook {hook} priority {priority}; policy {policy};\n" + "\n".join(rules) + "\n}\n}\n"
        )

    def run(self, *command: str, check: bool = True) -> str:
        return sh("ip", "netns", "exec", self.netns, *command, check=check)

    def spawn(self, *command: str, ready: Callable[[], bool] | None = None) -> subprocess.Popen[str]:
        """Start a program here; it is ended with the lab. `ready` is polled for up to 5 s."""
        log = (self.lab.tmp / f"{Path(command[0]).name}.{len(self.lab.processes)}.log").open("w")
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.netns, *command],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.lab.processes.append(process)
        deadline = time.monotonic() + 5
        while ready is not None and not ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not become ready: {Path(log.name).read_text()}")
            time.sleep(0.05)
        return process

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in this namespace for the duration of the block."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        here = os.open(f"/run/netns/{self.netns}", os.O_RDONLY)
        try:
            _setns(here)
            yield
        finally:
            _setns(before)
            os.close(before)
            os.close(here)

    def socket(self, family: int, kind: int, proto: int = 0) -> socket.socket:
        with self.inside():
            made = socket.socket(family, kind, proto)
        self.lab.sockets.append(made)
        return made

    def tcp(self, host: str = "", port: int = 0) -> socket.socket:
        """A TCP socket bound to host:port, with a time limit of 20 s on every call."""
        sock = self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(20)
        sock.bind((host, port))
        return sock

    def udp(self, host: str = "", port: int = 0) -> socket.socket:
        sock = self.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(5)
        sock.bind((host, port))
        return sock

    def listen(self, host: str, port: int, backlog: int = 512) -> socket.socket:
        sock = self.tcp(host, port)
        sock.listen(backlog)
        return sock

    def raw_ip(self) -> socket.socket:
        """Sends ready-made IPv4 packets."""
        return self.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def packet(self, interface: str, protocol: int = 0x0003) -> socket.socket:
        """Sends and receives whole frames on one interface."""
        sock = self.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        sock.bind((interface, protocol))
        return sock

    def tun(self, name: str, address: str, flags: int) -> int:
        """A tun (flags IFF_TUN) or tap (IFF_TAP) device with this address; returns its descriptor."""
        with self.inside():
            device = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), flags | _IFF_NO_PI))
        self.lab.devices.append((self, name, device))
        if flags == IFF_TAP:  # tun devices have no address, those of tap devices are random
            self.ip("link", "set", name, "address", f"02:00:00:00:0a:{len(self.lab.devices):02x}")
        self.ip("addr", "add", f"{address}/24", "dev", name)
        self.ip("link", "set", name, "up", "mtu", "1400")
        return device

    def listening(self, port: int, kind: str = "t") -> Callable[[], bool]:
        """A test for `spawn`: does something listen on this port?"""
        return lambda: f":{port} " in self.run("ss", f"-Hln{kind}")


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Lab:
    """client, router, server (and a neighbour of the client on the same switch, when asked for)."""

    def __init__(self, ipv6: bool = False, offload: bool = False, neighbour: bool = False) -> None:
        """`offload` keeps the veths' offloads on; `neighbour` puts a switch before the client."""
        self.ipv6, self.offload, self.with_neighbour = ipv6, offload, neighbour
        self.nodes: list[Node] = []
        self.processes: list[subprocess.Popen[str]] = []
        self.sockets: list[socket.socket] = []
        self.devices: list[tuple[Node, str, int]] = []
        self._tmp = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.tmp = Path(self._tmp.name)
        self.tmp.chmod(0o755)

    def __enter__(self) -> Lab:
        try:
            self._build()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tear_down()

    def node(self, name: str) -> Node:
        made = Node(self, name)
        self.nodes.append(made)
        return made

    def link(self, a: Node, a_if: str, b: Node, b_if: str, number: int) -> None:
        """A veth pair; the MAC addresses are 02:00:00:00:<number>:01 and :02."""
        a.ip("link", "add", a_if, "address", f"02:00:00:00:{number:02x}:01", "type", "veth",
             "peer", "name", b_if, "netns", b.netns, "address", f"02:00:00:00:{number:02x}:02")  # fmt: skip
        for node, interface in ((a, a_if), (b, b_if)):
            if not self.offload:
                for words in _SOFTWARE_ONLY:
                    node.run("ethtool", "-K", interface, *words.split(), check=False)
            node.ip("link", "set", interface, "up")

    def _build(self) -> None:
        self.client, self.router, self.server = (self.node(name) for name in ("client", "router", "server"))
        if self.with_neighbour:
            switch = self.node("switch")
            self.neighbour = self.node("neighbour")
            switch.ip("link", "add", "lan", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
            for node, name, port, number in (
                (self.client, "eth0", "p1", 1),
                (self.router, "inside", "p2", 3),
                (self.neighbour, "eth0", "p3", 4),
            ):  # fmt: skip
                self.link(node, name, switch, port, number)
                switch.ip("link", "set", port, "master", "lan")
            switch.ip("link", "set", "lan", "up")
            self.neighbour.ip("addr", "add", f"{NEIGHBOUR}/24", "dev", "eth0")
            self.neighbour.ip("route", "add", "default", "via", ROUTER_IN)
        else:
            self.link(self.client, "eth0", self.router, "inside", 1)
        self.link(self.server, "eth0", self.router, "outside", 2)
        self.router.sysctl("net.ipv4.ip_forward", 1)
        for node, interface, address, peer, peer_mac in (
            (self.client, "eth0", CLIENT, ROUTER_IN, "02:00:00:00:01:02"),
            (self.router, "inside", ROUTER_IN, CLIENT, "02:00:00:00:01:01"),
            (self.router, "outside", ROUTER_OUT, SERVER, "02:00:00:00:02:01"),
            (self.server, "eth0", SERVER, ROUTER_OUT, "02:00:00:00:02:02"),
        ):
            node.ip("addr", "add", f"{address}/24", "dev", interface)
            if not self.with_neighbour:
                node.ip("neigh", "replace", peer, "lladdr", peer_mac, "dev", interface)
        self.client.ip("route", "add", "default", "via", ROUTER_IN)
        self.server.ip("route", "add", "default", "via", ROUTER_OUT)
        if self.ipv6:
            self.router.sysctl("net.ipv6.conf.all.forwarding", 1)
            for node, interface, address in (
                (self.client, "eth0", CLIENT6), (self.router, "inside", ROUTER_IN6),
                (self.router, "outside", ROUTER_OUT6), (self.server, "eth0", SERVER6),
            ):  # fmt: skip
                node.ip("addr", "add", f"{address}/64", "dev", interface, "nodad")
            self.client.ip("route", "add", "default", "via", ROUTER_IN6)
            self.server.ip("route", "add", "default", "via", ROUTER_OUT6)
            time.sleep(2)  # router solicitations and multicast reports of freshly raised interfaces

    def _tear_down(self) -> None:
        for node, name, device in self.devices:
            sh("ip", "-n", node.netns, "link", "del", name, check=False)
            os.close(device)
        for sock in self.sockets:
            if sock.type == socket.SOCK_STREAM:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in accept()
            sock.close()
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
        for node in self.nodes:
            _remove_namespace(node.netns)
        self._tmp.cleanup()

    @contextlib.contextmanager
    def capture(self, node: Node, interface: str, path: Path, *options: str, only: str = "") -> Iterator[None]:
        """tcpdump on `interface` while the block runs, into `path` (whole packets unless `options` differ).

        `only` is a capture filter. The block's traffic gets 0.3 s to arrive before tcpdump is stopped.
        """
        with path.open("wb") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", node.netns, "tcpdump", "-i", interface, "-Z", "root", "-U",
                 "--immediate-mode", "-w", "-", *options, *only.split()],
                stdout=out, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            self.processes.append(process)
            assert process.stderr is not None
            said = process.stderr.readline()
            while said and "listening on" not in said:
                said = process.stderr.readline()
            if not said:
                raise RuntimeError(f"tcpdump did not start on {interface}")
            time.sleep(0.2)
            yield
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            process.wait(5)
            report = process.stderr.read()
            if "0 packets dropped by kernel" not in report:
                raise RuntimeError(f"the capture is incomplete: {report}")


def in_background(work: Callable[[], None]) -> threading.Thread:
    """Run `work` in a thread that ends quietly when the lab closes its sockets."""

    def guarded() -> None:
        with contextlib.suppress(OSError):
            work()

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread
