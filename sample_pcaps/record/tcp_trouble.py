"""TCP going wrong: loss, closed windows, floods, scans, packets outside the window."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from pathlib import Path

from lab import CLIENT, SERVER, Lab, in_background
from registry import sample
from tcp_tools import ACK, PUSH, RST, SYN, Tap, connected, inject, pause, reset, say, tcp_packet


def _drain(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


@sample
def retransmissions(out: Path) -> None:
    with Lab() as lab:
        lab.client.sysctl("net.ipv4.tcp_retries2", 5)
        lab.router.rules(
            "forward",
            "tcp dport 9001 ip length > 200 numgen inc mod 11 == 6 drop",
            "tcp sport 9002 ip length > 200 numgen inc mod 9 == 5 drop",
        )
        with lab.capture(lab.router, "inside", out / "retransmissions.pcap"):
            here, there = connected(lab, 9001, 45001)
            in_background(lambda: _drain(there))
            here.sendall(b"u" * 120_000)
            here.shutdown(socket.SHUT_WR)
            pause(0.6)
            there.close()
            here.recv(1)
            here.close()
            down, source = connected(lab, 9002, 45002)
            in_background(lambda: source.sendall(b"d" * 60_000))
            got = 0
            while got < 60_000:
                got += len(down.recv(65536))
            source.close()
            down.recv(1)
            down.close()
            here, there = connected(lab, 9003, 45003)
            say(here, there, b"before the cable was cut\n")
            lab.router.rules("forward", "tcp dport 9003 drop")
            here.sendall(b"after\n")
            here.settimeout(15)
            with contextlib.suppress(OSError):
                here.recv(1)
            here.close()


@sample
def zero_window(out: Path) -> None:
    with Lab() as lab, lab.capture(lab.router, "inside", out / "zero_window.pcap"):
        for port, patience in ((7001, 3.0), (7002, 7.0)):
            listener = lab.server.listen(SERVER, port)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            here = lab.client.tcp(CLIENT, 46000)
            here.connect((SERVER, port))
            there, _ = listener.accept()
            here.settimeout(10)
            sender = threading.Thread(target=_send_all, args=(here, b"z" * 30_000))
            sender.start()
            time.sleep(patience)
            if port == 7001:
                got = 0
                while got < 30_000:
                    got += len(there.recv(65536))
                sender.join()
                here.close()
                pause()
                there.close()
            else:
                here.settimeout(0.1)
                here.shutdown(socket.SHUT_RDWR)
                sender.join()
                reset(here)
            listener.close()


def _send_all(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(data)


@sample
def half_open(out: Path) -> None:
    with Lab() as lab:
        lab.server.rules("input", "tcp dport 81 drop")
        lab.client.sysctl("net.ipv4.tcp_syn_retries", 2)
        lab.server.sysctl("net.ipv4.tcp_synack_retries", 2)
        lab.server.listen(SERVER, 82)
        lab.client.rules("output", "tcp dport 82 tcp flags & rst == rst drop")
        with lab.capture(lab.router, "inside", out / "half_open.pcap"):
            inject(lab.client, tcp_packet((CLIENT, 47082), (SERVER, 82), SYN, 1_000_000))
            for target in ((SERVER, 81), (SERVER, 83), ("198.51.100.77", 80)):
                sock = lab.client.tcp(CLIENT, 47100 + target[1])
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.connect(target)
            for _ in range(4):
                retry = lab.client.tcp(CLIENT, 47090)
                retry.settimeout(0.5)
                with contextlib.suppress(OSError):
                    retry.connect((SERVER, 81))
                retry.close()
                time.sleep(1.5)


@sample
def syn_flood(out: Path) -> None:
    chance = random.Random(64)
    sources = [f"100.{chance.randint(64, 127)}.{chance.randint(0, 255)}.{chance.randint(1, 254)}" for _ in range(400)]
    with Lab() as lab:
        lab.router.ip("route", "add", "blackhole", "100.64.0.0/10")
        lab.client.rules("output", "tcp sport 1024-9999 tcp flags & rst == rst drop")
        lab.server.sysctl("net.ipv4.tcp_synack_retries", 0)
        listener = lab.server.listen(SERVER, 80, 4096)

        def serve() -> None:
            while True:
                conn, _ = listener.accept()
                conn.recv(1000)
                conn.sendall(b"HTTP/1.0 200 OK\r\n\r\nok\n")
                conn.close()

        in_background(serve)
        with lab.capture(lab.router, "outside", out / "syn_flood.pcap"):
            raw = lab.client.raw_ip()
            for n in range(1200):
                source = CLIENT if n % 8 == 0 else sources[n % len(sources)]
                port = 1024 + n if source == CLIENT else chance.randint(1024, 65535)
                packet = tcp_packet((source, port), (SERVER, 80), SYN, chance.getrandbits(32))
                raw.sendto(packet, (SERVER, 0))
                time.sleep(0.001)
                if n in (300, 900):
                    lab.client.run("curl", "-s", f"http://{SERVER}/")


@sample
def port_scan(out: Path) -> None:
    with Lab() as lab:
        lab.server.rules("input", "tcp dport 135-144 drop")
        lab.server.sysctl("net.ipv4.icmp_ratelimit", 0)
        for port in (22, 80, 143 - 33):
            lab.server.listen(SERVER, port)
        common = ("-n", "-Pn", "--max-retries", "1", "-T4", "--privileged", "-oN", "/dev/null", SERVER)
        with lab.capture(lab.router, "inside", out / "port_scan.pcap"):
            lab.client.run("nmap", "-sS", "-p", "1-150", *common)
            lab.client.run("nmap", "-sT", "-p", "70-89", *common)
            for kind in ("-sF", "-sN", "-sX", "-sA"):
                lab.client.run("nmap", kind, "-p", "20-25,78-83", *common)
            lab.client.run("nmap", "-sU", "-p", "53,67,69,111,123,137,161,500,514,1900,4500,5353", *common)


@sample
def invalid_window(out: Path) -> None:
    with Lab() as lab:
        lab.client.sysctl("net.ipv4.tcp_rmem", "4096 32768 32768")
        lab.client.sysctl("net.ipv4.tcp_window_scaling", 0)
        tap = Tap(lab.server)
        with lab.capture(lab.router, "inside", out / "invalid_window.pcap"):

            def send(port: int, flags: int, seq_off: int, ack_off: int = 0, data: bytes = b"") -> None:
                at = before[port]
                seq, ack = at.seq + seq_off, at.ack + ack_off
                packet = tcp_packet((SERVER, port), (CLIENT, 48000), flags, seq, ack, data=data, win=at.win)
                inject(lab.server, packet)

            pairs = {}
            for port in (5001, 5002, 5003, 5004):
                here, there = pairs[port] = connected(lab, port, 48000)
                say(here, there, b"hello\n")
                say(there, here, b"hello yourself\n" * 8)
            say(pairs[5004][1], pairs[5004][0], b"x" * 100_000)
            before = {port: tap.next_from(SERVER, port, CLIENT, 48000) for port in pairs}
            window = tap.next_from(CLIENT, 48000, SERVER, 5003).win
            send(5001, ACK, 0, 500_000)
            send(5001, PUSH | ACK, 0, 500_000, b"bytes you never asked for\n")
            send(5002, RST, 700_000_000)
            send(5002, RST | ACK, 4_000)
            send(5003, PUSH | ACK, window + 10, 0, b"!" * 500)
            send(5003, PUSH | ACK, 9_000_000, 0, b"!" * 100)
            send(5004, PUSH | ACK, -95_000, 0, b"x" * 1000)
            for here, there in pairs.values():
                say(here, there, b"still alive\n")
                here.close()
                pause()
                there.close()


@sample
def invalid_then_rst(out: Path) -> None:
    service = "203.0.113.80"
    with Lab() as lab:
        lab.router.rules("prerouting", f"ip daddr {service} tcp dport 80 dnat to {SERVER}:8080", nat=True)
        tap = Tap(lab.server)
        listener = lab.server.listen(SERVER, 8080)
        with lab.capture(lab.router, "outside", out / "invalid_then_rst.pcap"):
            for port in (49001, 49002):
                here = lab.client.tcp(CLIENT, port)
                here.connect((service, 80))
                there, _ = listener.accept()
                say(here, there, b"GET /big HTTP/1.1\r\n\r\n")
                say(there, here, b"chunk " * 200)
                if port == 49002:
                    at = tap.next_from(SERVER, 8080, CLIENT, port)
                    source, to, seq = (SERVER, 8080), (CLIENT, port), at.seq + 2_000_000
                    stray = tcp_packet(source, to, PUSH | ACK, seq, at.ack, data=b"chunk ", win=at.win)
                    inject(lab.server, stray)
                    # the RST's sequence number is the stray packet's ACK: exactly what the backend expects
                    pause(0.2)
                    with contextlib.suppress(ConnectionResetError):
                        there.recv(1)
                    there.close()
                    here.sendall(b"GET /more HTTP/1.1\r\n\r\n")
                    with contextlib.suppress(ConnectionResetError):
                        here.recv(1)
                    here.close()
                else:
                    here.close()
                    pause()
                    there.close()
