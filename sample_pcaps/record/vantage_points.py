"""Captures from the wrong place: begun late, one direction, both sides of a NAT, cut, offloaded, tagged."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from captures import merge_to_pcapng
from lab import CLIENT, IFF_TAP, SERVER, Lab, Node, in_background
from registry import sample
from tcp_tools import connected, pause, reset, say


def _web(lab: Lab, body: bytes, port: int = 80, conns: int = 100) -> None:
    """Serve `body` to every request on this port, one after the other."""
    listener = lab.server.listen(SERVER, port)
    head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def serve() -> None:
        for _ in range(conns):
            conn, _ = listener.accept()
            conn.recv(4096)
            conn.sendall(head + body)
            conn.close()

    in_background(serve)


@sample
def midstream(out: Path) -> None:
    with Lab() as lab:
        pairs = [connected(lab, port, 53000 + port) for port in (8001, 8002, 8003, 8004, 8005)]
        for here, there in pairs:
            say(here, there, b"before the recording\n")
            say(there, here, b"unseen answer\n")
        caller, callee = lab.client.udp(CLIENT, 4000), lab.server.udp(SERVER, 4000)
        caller.sendto(b"unseen", (SERVER, 4000))
        with lab.capture(lab.router, "inside", out / "midstream.pcap"):
            for n in range(3):
                say(pairs[0][0], pairs[0][1], f"request {n}\n".encode())
                say(pairs[0][1], pairs[0][0], f"answer {n}\n".encode())
                say(pairs[1][1], pairs[1][0], f"notification {n}\n".encode())
                callee.sendto(b"frame", (CLIENT, 4000))
                pause(0.3)
                caller.sendto(b"ack", (SERVER, 4000))
                pause(0.5)
            pairs[2][0].close()
            pause()
            pairs[2][1].close()
            pause()
            reset(pairs[3][1])
            with contextlib.suppress(OSError):
                pairs[3][0].recv(1)
            pairs[4][0].setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            pairs[4][0].setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            pairs[4][0].setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            pause(3.2)


@sample
def asymmetric(out: Path) -> None:
    with Lab() as lab:
        lab.link(lab.server, "back", lab.client, "back", 9)
        lab.server.ip("addr", "add", "10.9.0.1/24", "dev", "back")
        lab.client.ip("addr", "add", "10.9.0.2/24", "dev", "back")
        lab.server.ip("route", "add", "10.1.0.0/24", "via", "10.9.0.2")
        lab.client.run("ping", "-c", "1", "10.9.0.1")
        _web(lab, b"asymmetric\n" * 300)
        dns = lab.server.udp(SERVER, 53)
        with (
            lab.capture(lab.router, "inside", out / "asymmetric_forward.pcap"),
            lab.capture(lab.server, "back", out / "asymmetric_return.pcap", only="ip"),
        ):
            for _ in range(3):
                lab.client.run("curl", "-s", f"http://{SERVER}/")
            lab.client.run("ping", "-c", "3", "-i", "0.3", SERVER)
            asker = lab.client.udp(CLIENT, 54000)
            asker.sendto(b"question", (SERVER, 53))
            _, peer = dns.recvfrom(100)
            dns.sendto(b"answer", peer)
            pause()


@sample
def two_interfaces(out: Path) -> None:
    with Lab() as lab:
        lab.router.rules("postrouting", 'oifname "outside" masquerade', nat=True)
        _web(lab, b"natted\n" * 500)
        echo = lab.server.udp(SERVER, 7)

        def serve() -> None:
            while True:
                data, peer = echo.recvfrom(2000)
                echo.sendto(data, peer)

        in_background(serve)
        sides = [("inside", lab.tmp / "inside.pcap"), ("outside", lab.tmp / "outside.pcap")]
        with (
            lab.capture(lab.router, "inside", sides[0][1]),
            lab.capture(lab.router, "outside", sides[1][1], "--time-stamp-precision=nano"),
        ):
            for _ in range(2):
                lab.client.run("curl", "-s", f"http://{SERVER}/")
            sock = lab.client.udp(CLIENT, 55000)
            for n in range(5):
                sock.sendto(b"%d" % n, (SERVER, 7))
                sock.recv(100)
                pause(0.6)
            lab.client.run("ping", "-c", "3", "-i", "0.3", SERVER)
        merge_to_pcapng(out / "two_interfaces.pcapng", sides)


@sample
def snaplen_cut(out: Path) -> None:
    with Lab() as lab:
        _web(lab, b"only the headers of this are recorded\n" * 800)
        with lab.capture(lab.router, "inside", out / "snaplen_cut.pcap", "-s", "60"):
            lab.client.run("curl", "-s", f"http://{SERVER}/")
            lab.client.run("ping", "-c", "2", "-i", "0.3", "-s", "200", SERVER)
            lab.client.udp(CLIENT, 55001).sendto(b"anybody there?" * 10, (SERVER, 9))
            pause(0.3)


@sample
def offload(out: Path) -> None:
    with Lab(offload=True) as lab:
        _web(lab, b"large segments\n" * 8000)
        with lab.capture(lab.client, "eth0", out / "offload.pcap"):
            lab.client.run("curl", "-s", "-o", "/dev/null", f"http://{SERVER}/")
            lab.client.run("curl", "-s", "-o", "/dev/null", "-d", "x" * 60_000, f"http://{SERVER}/", check=False)


@sample
def truncated(out: Path) -> None:
    path = out / "truncated.pcap"
    with Lab() as lab:
        _web(lab, b"hello\n" * 100)
        with lab.capture(lab.router, "inside", path):
            lab.client.run("curl", "-s", f"http://{SERVER}/", f"http://{SERVER}/")
    path.write_bytes(path.read_bytes()[:-40])


def _tagger(node: Node, trunk: str, tags: bytes, address: str) -> None:
    """A tap device whose frames cross the trunk with `tags` put in and taken off."""
    tap = node.tun("vlan0", address, IFF_TAP)
    wire = node.packet(trunk)
    inner = tags[4:]

    def outbound() -> None:
        while frame := os.read(tap, 2000):
            wire.send(frame[:12] + tags + frame[12:])

    def inbound() -> None:
        while True:
            # the kernel takes the outermost tag off before a packet socket sees the frame
            frame, (_, _, kind, _, _) = wire.recvfrom(2000)
            if kind != socket.PACKET_OUTGOING:
                os.write(tap, frame[:12] + frame[12 + len(inner) :])

    for work in (outbound, inbound):
        in_background(work)


def _tagged(path: Path, tags: bytes) -> None:
    with Lab() as lab:
        _tagger(lab.client, "eth0", tags, "10.100.0.10")
        _tagger(lab.router, "inside", tags, "10.100.0.1")
        lab.client.ip("route", "replace", "default", "via", "10.100.0.1")
        _web(lab, b"tagged\n" * 300)
        with lab.capture(lab.router, "inside", path):
            lab.client.run("curl", "-s", f"http://{SERVER}/")
            lab.client.run("ping", "-c", "3", "-i", "0.3", SERVER)


@sample
def vlan(out: Path) -> None:
    _tagged(out / "vlan.pcap", bytes.fromhex("81000064"))


@sample
def vlan_qinq(out: Path) -> None:
    _tagged(out / "vlan_qinq.pcap", bytes.fromhex("88a800c881000064"))
