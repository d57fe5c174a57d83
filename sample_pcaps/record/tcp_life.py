"""Ordinary TCP lives and how they end: keep-alive, idle timeouts, late packets, tuple reuse."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from backports import zstd
from captures import stretch
from lab import CLIENT, SERVER, Lab, in_background
from registry import sample
from tcp_tools import ACK, PUSH, RESET, Tap, connected, inject, pause, reset, say, tcp_packet

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


def _answer(conn: socket.socket, requests: int) -> None:
    for _ in range(requests):
        while not conn.recv(4096).endswith(b"\r\n\r\n"):
            pass
        conn.sendall(_OK)


@sample
def http_keepalive_reset(out: Path) -> None:
    with Lab() as lab:
        listener = lab.server.listen(SERVER, 80)

        def serve() -> None:
            for answers, end in ((2, "close"), (2, "reset"), (1, "close"), (1, "idle")):
                conn, _ = listener.accept()
                _answer(conn, answers)
                if end == "close":
                    conn.recv(4096)
                elif end == "reset":
                    conn.recv(4096)
                    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                else:
                    time.sleep(6)
                conn.close()

        in_background(serve)
        url = f"http://{SERVER}"
        with lab.capture(lab.router, "inside", out / "http_keepalive_reset.pcap"):
            lab.client.run("curl", "-s", f"{url}/a", f"{url}/b")
            pause(0.2)
            lab.client.run("curl", "-s", "--retry", "0", f"{url}/a", f"{url}/b", f"{url}/c", check=False)
            pause(0.2)
            with lab.client.inside():
                web = HTTPConnection(SERVER, 80, timeout=5)
                web.request("GET", "/idle")
                web.getresponse().read()
            time.sleep(6.5)
            with contextlib.suppress(OSError, HTTPException):
                web.request("POST", "/too-late", body=b"x" * 200)
                web.getresponse()
            web.close()


@sample
def idle_timeout(out: Path) -> None:
    with Lab() as lab:
        for node in (lab.client, lab.server):
            node.sysctl("net.ipv4.tcp_timestamps", 0)
            node.sysctl("net.ipv4.tcp_retries2", 5)
        lab.router.rules(
            "forward",
            "ct state established,related accept",
            "ct state new tcp flags & (syn|ack) == syn accept",
            'tcp dport { 5433, 5435 } iifname "inside" reject with tcp reset',
            policy="drop",
        )
        lab.router.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
        lab.router.sysctl("net.netfilter.nf_conntrack_tcp_timeout_established", 3)
        path = out / "idle_timeout.pcap"
        with lab.capture(lab.router, "inside", path):
            pairs = {}

            def open_and_ask(port: int) -> None:
                here, there = pairs[port] = connected(lab, port, 40000 + port)
                say(here, there, b"select 1;\n")
                say(there, here, b"1 row\n")

            open_and_ask(5432)
            here, there = pairs[5432]
            time.sleep(2.2)
            say(here, there, b"select 2;\n")
            say(there, here, b"1 row\n")
            here.close()
            pause()
            there.close()
            for port in (5433, 5434, 5435):
                open_and_ask(port)
            time.sleep(4.5)
            here, _ = pairs[5433]
            here.sendall(b"select 3;\n")
            pause(0.1)
            here.close()
            here, there = pairs[5435]
            there.sendall(b"notify\n")
            pause(0.3)
            here.sendall(b"listen;\n")
            pause(0.1)
            here.close()
            here, _ = pairs[5434]
            here.settimeout(15)
            here.sendall(b"select 4;\n")
            with contextlib.suppress(OSError):
                here.recv(10)
            here.close()
        stretch(path, 2.0, 340, at_most_s=2.6)
        stretch(path, 4.0, 400, at_most_s=5)


@sample
def idle_close_peaks(out: Path) -> None:
    with Lab() as lab:
        for node in (lab.client, lab.server):
            node.sysctl("net.ipv4.tcp_timestamps", 0)
        for last in (12, 13):
            lab.client.ip("addr", "add", f"10.1.0.{last}/24", "dev", "eth0")
            lab.router.ip("neigh", "replace", f"10.1.0.{last}", "lladdr", "02:00:00:00:01:01", "dev", "inside")
        path = out / "idle_close_peaks.pcap"
        with lab.capture(lab.router, "inside", path):
            groups: dict[int, list[tuple[socket.socket, socket.socket]]] = {8080: [], 8081: []}
            for port, count in ((8080, 9), (8081, 5)):
                listener = lab.server.listen(SERVER, port)
                for n in range(count):
                    here = lab.client.tcp(f"10.1.0.{(10, 12, 13)[n % 3]}", 41000 + n)
                    here.connect((SERVER, port))
                    there, _ = listener.accept()
                    groups[port].append((here, there))
                    here.sendall(b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
                    there.recv(4096)
                    there.sendall(_OK)
                    here.recv(4096)
            pause(1.0)
            for here, there in groups[8081]:
                there.close()
                here.recv(1)
                here.close()
            pause(5)
            for here, there in groups[8080]:
                there.close()
                here.recv(1)
                here.close()
        stretch(path, 4, 50)
        stretch(path, 0.8, 10, at_most_s=3)


@sample
def keepalives(out: Path) -> None:
    with Lab() as lab:
        for node in (lab.client, lab.server):
            node.sysctl("net.ipv4.tcp_timestamps", 0)
        path = out / "keepalives.pcap"
        with lab.capture(lab.router, "inside", path):
            pairs = [connected(lab, port, 42000 + port) for port in (22, 23, 24)]
            for (here, there), prober in zip(pairs, (0, 1, 0), strict=True):
                say(here, there, b"hello\n")
                side = (here, there)[prober]
                side.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for option, value in (
                    (socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3)
                ):  # fmt: skip
                    side.setsockopt(socket.IPPROTO_TCP, option, value)
            lab.router.rules("forward", "tcp sport 24 drop")
            time.sleep(13)
            for here, there in pairs[:2]:
                here.close()
                pause(0.1)
                there.close()
        stretch(path, 0.9, 60)


@sample
def late_packets(out: Path) -> None:
    with Lab() as lab:
        for node in (lab.client, lab.server):
            node.sysctl("net.ipv4.tcp_timestamps", 0)
        path = out / "late_packets.pcap"
        tap = Tap(lab.server)
        with lab.capture(lab.router, "inside", path):
            here, there = connected(lab, 8000, 43000)
            say(here, there, b"send me everything\n")
            here.shutdown(socket.SHUT_WR)
            pause()
            say(there, here, b"first part\n" * 20)
            time.sleep(1.9)
            say(there, here, b"second part\n" * 20)
            there.close()
            pause()
            here.close()
            pause(0.3)
            here, there = connected(lab, 8001, 43001)
            say(here, there, b"question\n")
            before = tap.next_from(SERVER, 8001, CLIENT, 43001)
            say(there, here, b"answer\n")
            there.close()
            pause()
            here.close()
            time.sleep(3)
            inject(
                lab.server,
                tcp_packet((SERVER, 8001), (CLIENT, 43001), PUSH | ACK, before.seq, before.ack, data=b"answer\n"),
            )
        stretch(path, 1.5, 90, at_most_s=2.5)
        stretch(path, 2.6, 200, at_most_s=5)


@sample
def tuple_reuse(out: Path) -> None:
    with Lab() as lab:
        lab.client.sysctl("net.ipv4.tcp_tw_reuse", 1)
        with lab.capture(lab.router, "inside", out / "tuple_reuse.pcap"):

            def again(port: int) -> None:
                here, there = connected(lab, port, 44000)
                say(here, there, b"second life\n")
                here.close()
                pause()
                there.close()
                pause(0.2)

            here, there = connected(lab, 6001, 44000)
            say(here, there, b"first life\n")
            there.close()
            pause()
            here.close()
            pause(1.2)
            again(6001)

            here, _ = connected(lab, 6002, 44000)
            lab.client.rules("output", "tcp flags & rst == rst drop")
            reset(here)
            lab.client.nft("flush ruleset")
            pause(0.5)
            again(6002)

            here, there = connected(lab, 6003, 44000)
            reset(there)
            here.close()
            pause(0.5)
            again(6003)

            here, there = connected(lab, 6004, 44000)
            reset(here)
            pause(0.5)
            again(6004)

            here, there = connected(lab, 6005, 44000)
            say(here, there, b"first life\n")
            here.close()
            pause()
            there.close()
            pause(1.5)
            again(6005)


@sample
def table_pressure(out: Path) -> None:
    with Lab() as lab:
        for node in (lab.client, lab.server):
            node.sysctl("net.ipv4.tcp_timestamps", 0)
            node.sysctl("net.core.somaxconn", 4096)
        lab.server.rules("input", "tcp dport 81 drop")
        hosts = [CLIENT, "10.1.0.12", "10.1.0.13", "10.1.0.14"]
        for host in hosts[1:]:
            lab.client.ip("addr", "add", f"{host}/24", "dev", "eth0")
            lab.router.ip("neigh", "replace", host, "lladdr", "02:00:00:00:01:01", "dev", "inside")
        web = lab.server.listen(SERVER, 80, 4096)
        dns = lab.server.udp(SERVER, 53)
        kept: list[socket.socket] = []  # server ends that stay open; nobody may collect them
        staying: list[socket.socket] = []  # client ends that stay open
        query = b"\x01\x00\x00\x01" + bytes(6) + b"\x04test\x00\x00\x01\x00\x01"

        def serve_web() -> None:
            while True:
                conn, (_, port) = web.accept()
                conn.recv(100)
                conn.sendall(b"ok\n")
                if port >= 50000:
                    kept.append(conn)
                else:
                    conn.close()

        def serve_dns() -> None:
            dns.settimeout(None)
            while True:
                asked, peer = dns.recvfrom(600)
                dns.sendto(asked[:2] + b"\x81\x80" + asked[4:], peer)

        def burst(number: int) -> None:
            host = hosts[number]
            for n in range(155):
                stays = n < 3 and number < 3
                sock = lab.client.tcp(host, (50000 if stays else 20000) + n)
                sock.connect((SERVER, 80))
                sock.sendall(b"GET /\n")
                sock.recv(10)
                if stays:
                    staying.append(sock)
                else:
                    sock.recv(1)
                    sock.close()
                if n < 150:
                    udp = lab.client.udp(host, 30000 + n)
                    udp.sendto(bytes([number, n]) + query, (SERVER, 53))
                    udp.recv(600)
                    udp.close()
                if n < 75:
                    syn = lab.client.tcp(host, 40000 + n)
                    syn.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        syn.connect((SERVER, 81))
                time.sleep(0.01)

        in_background(serve_web)
        in_background(serve_dns)
        path = out / "table_pressure.pcap"
        lab.client.sysctl("net.ipv4.tcp_syn_retries", 1)
        with lab.capture(lab.router, "inside", path):
            threads = [threading.Thread(target=burst, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for sock in staying:
                sock.sendall(b"still here\n")
            pause()
        packed = zstd.compress(path.read_bytes(), 19)
        (out / "table_pressure.pcap.zst").write_bytes(packed)
