"""UDP, ICMP, IPv6, fragments, SCTP, GRE, multicast."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import dpkt
from captures import stretch
from lab import CLIENT, CLIENT6, IFF_TUN, NEIGHBOUR, SERVER, SERVER6, Lab, Node, in_background
from registry import sample
from tcp_tools import inject, ipv4, pause


def _echo(lab: Lab, host: str, port: int) -> None:
    sock = lab.server.udp(host, port)
    sock.settimeout(None)

    def serve() -> None:
        while True:
            data, peer = sock.recvfrom(70000)
            sock.sendto(data, peer)

    in_background(serve)


@sample
def udp_stream(out: Path) -> None:
    with Lab() as lab:
        _echo(lab, SERVER, 7)
        path = out / "udp_stream.pcap"
        with lab.capture(lab.router, "inside", path):
            once, stream, paused, burst = (lab.client.udp(CLIENT, port) for port in (56001, 56002, 56003, 56004))
            once.sendto(b"query", (SERVER, 7))
            once.recv(100)
            oneway, late = lab.client.udp(CLIENT, 56005), lab.client.udp(CLIENT, 56006)
            answerer = lab.server.udp(SERVER, 8)
            lab.server.udp(SERVER, 9)
            for n in range(20):
                stream.sendto(b"frame %d" % n, (SERVER, 7))
                stream.recv(100)
                if n % 4 == 0:
                    oneway.sendto(b"syslog line", (SERVER, 9))
                    late.sendto(b"hello?", (SERVER, 8))
                if n > 12 and n % 2:
                    answerer.sendto(b"here I am", (CLIENT, 56006))
                time.sleep(0.25)
            for n in range(20):
                burst.sendto(b"%d" % n, (SERVER, 7))
            paused.sendto(b"before", (SERVER, 7))
            paused.recv(100)
            time.sleep(2.8)
            paused.sendto(b"after", (SERVER, 7))
            paused.recv(100)
        stretch(path, 2.5, 40)


@sample
def udp_stale_entry(out: Path) -> None:
    with Lab() as lab:
        _echo(lab, SERVER, 514)
        path = out / "udp_stale_entry.pcap"
        with lab.capture(lab.router, "inside", path):
            old = lab.client.udp(CLIENT, 57001)
            for n in range(19):
                if n == 3:
                    lab.router.rules("forward", "udp dport 57001 drop")
                old.sendto(b"metric %d" % n, (SERVER, 514))
                time.sleep(2)
            new = lab.client.udp(CLIENT, 57002)
            new.sendto(b"metric", (SERVER, 514))
            new.recv(100)
        stretch(path, 1, 20)


@sample
def ping_unreachable(out: Path) -> None:
    with Lab() as lab:
        for node in (lab.server, lab.router):
            node.sysctl("net.ipv4.icmp_ratelimit", 0)
        lab.router.rules("forward", "meta l4proto { tcp, udp } th dport 1000 reject with icmp type admin-prohibited")
        lab.server.rules("input", "ip saddr 10.1.0.77 drop")
        lab.client.ip("addr", "add", "10.1.0.77/24", "dev", "eth0")
        with lab.capture(lab.router, "inside", out / "ping_unreachable.pcap", only="ip"):
            lab.client.run("ping", "-c", "3", "-i", "0.3", SERVER)
            lab.client.run("ping", "-c", "2", "-i", "0.3", "-W", "1", "-I", "10.1.0.77", SERVER, check=False)
            for port in (9, 1000):
                sock = lab.client.udp(CLIENT, 58000 + port)
                sock.sendto(b"anybody there?", (SERVER, port))
                pause(0.1)
            lab.client.run("curl", "-s", "-m", "1", f"http://{SERVER}:1000/", check=False)
            lab.client.run("traceroute", "-n", "-q", "2", "-m", "4", "-w", "1", SERVER, check=False)
            lab.client.run("traceroute", "-n", "-I", "-q", "1", "-m", "4", "-w", "1", SERVER, check=False)
            lab.client.run("ping", "-c", "1", "-W", "4", "198.51.100.77", check=False)
            lab.router.ip("link", "set", "outside", "mtu", "1200")
            lab.server.ip("link", "set", "eth0", "mtu", "1200")
            lab.client.run("ping", "-c", "2", "-i", "0.3", "-W", "1", "-M", "do", "-s", "1300", SERVER, check=False)
            lab.client.run("ping", "-c", "1", "-M", "want", "-s", "1300", SERVER, check=False)


@sample
def ipv6_mixed(out: Path) -> None:
    with Lab(ipv6=True) as lab:
        for node in (lab.server, lab.router):
            node.sysctl("net.ipv6.icmp.ratelimit", 0)
        listener = lab.server.listen(SERVER6, 80)

        def serve() -> None:
            while True:
                conn, *_ = listener.accept()
                conn.recv(1000)
                conn.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"hello over IPv6\n" * 200)
                conn.close()

        in_background(serve)
        _echo(lab, SERVER6, 7)
        with lab.capture(lab.router, "inside", out / "ipv6_mixed.pcap", only="ip6"):
            lab.client.ip("neigh", "flush", "dev", "eth0")
            lab.router.ip("neigh", "flush", "dev", "inside")
            lab.client.run("curl", "-s", f"http://[{SERVER6}]/")
            lab.client.run("curl", "-s", f"http://[{SERVER6}]:81/", check=False)
            sock = lab.client.udp(CLIENT6, 59000)
            for n in range(4):
                sock.sendto(b"%d" % n, (SERVER6, 7))
                sock.recv(100)
                pause(0.8)
            lab.client.run("ping", "-c", "3", "-i", "0.3", SERVER6)
            lab.client.udp(CLIENT6, 59001).sendto(b"anybody there?", (SERVER6, 9))
            lab.client.run("traceroute", "-6", "-n", "-q", "1", "-m", "3", "-w", "1", SERVER6, check=False)
            lab.client.run("ping", "-c", "1", "-W", "1", "2001:db8:99::1", check=False)
            lab.router.ip("link", "set", "outside", "mtu", "1300")
            lab.server.ip("link", "set", "eth0", "mtu", "1300")
            lab.client.run("ping", "-c", "3", "-i", "0.4", "-W", "1", "-M", "do", "-s", "1400", SERVER6, check=False)
            lab.client.run("ping", "-c", "1", "-M", "want", "-s", "1400", SERVER6, check=False)
            lab.client.ip("link", "set", "eth0", "down")
            lab.client.ip("link", "set", "eth0", "up")
            time.sleep(1.5)


@sample
def fragments(out: Path) -> None:
    with Lab(ipv6=True) as lab:
        _echo(lab, SERVER, 7)
        _echo(lab, SERVER6, 7)
        with lab.capture(lab.router, "inside", out / "fragments.pcap", only="ip or ip6"):
            for here, there in ((CLIENT, SERVER), (CLIENT6, SERVER6)):
                sock = lab.client.udp(here, 60000)
                for size in (4000, 1600):
                    sock.sendto(b"f" * size, (there, 7))
                    sock.recv(5000)
                lab.client.run("ping", "-c", "2", "-i", "0.3", "-s", "3000", there)
            lab.sockets += [lab.client.udp(CLIENT, 60000 + number) for number in (1, 2)]
            for number, order in enumerate(((2, 1, 0), (0, 0, 1, 2), (0, 1)), 1):
                datagram = dpkt.udp.UDP(sport=60000 + number, dport=7, data=b"r" * 3000)
                datagram.ulen = len(datagram)
                whole = ipv4(CLIENT, SERVER, datagram, dpkt.ip.IP_PROTO_UDP)
                for index in order:
                    part = whole[20:][index * 1480 : (index + 1) * 1480]
                    more = dpkt.ip.IP_MF if (index + 1) * 1480 < len(whole) - 20 else 0
                    piece = dpkt.ip.IP(
                        src=whole[12:16],
                        dst=whole[16:20],
                        p=dpkt.ip.IP_PROTO_UDP,
                        id=7000 + number,
                        ttl=64,
                        data=part,
                    )
                    piece._flags_offset = more | index * 185
                    piece.len = len(piece)
                    inject(lab.client, bytes(piece))
                pause(0.3)


@sample
def lan(out: Path) -> None:
    with Lab(neighbour=True) as lab:
        for key in ("all", "inside"):
            lab.router.sysctl(f"net.ipv4.conf.{key}.send_redirects", 1)
            lab.client.sysctl(f"net.ipv4.conf.{key if key == 'all' else 'eth0'}.accept_redirects", 1)
        lab.client.ip("route", "add", f"{NEIGHBOUR}/32", "via", "10.1.0.1")
        answers = lab.neighbour.udp(NEIGHBOUR, 7)

        def serve() -> None:
            while True:
                data, peer = answers.recvfrom(2000)
                answers.sendto(data, peer)

        in_background(serve)
        with lab.capture(lab.client, "eth0", out / "icmp_redirect.pcap"):
            lab.client.run("ping", "-c", "3", "-i", "0.4", NEIGHBOUR)
            sock = lab.client.udp(CLIENT, 61000)
            sock.sendto(b"via the router or not", (NEIGHBOUR, 7))
            sock.recv(100)
        with lab.capture(lab.client, "eth0", out / "broadcast_multicast.pcap"):
            sock = lab.client.udp(CLIENT, 61001)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for target in ("10.1.0.255", "255.255.255.255"):
                sock.sendto(b"who is there?", (target, 6667))
                pause(0.1)
            for group, port in (("224.0.0.251", 5353), ("239.255.255.250", 1900)):
                member = lab.neighbour.udp("", port)
                joined = socket.inet_aton(group) + socket.inet_aton(NEIGHBOUR)
                member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
                asker = lab.client.udp(CLIENT, 50000 + port)
                asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(CLIENT))
                for _ in range(2):
                    asker.sendto(b"service?", (group, port))
                    _, peer = member.recvfrom(100)
                    answers.sendto(b"here", peer)
                    asker.recv(100)
                    pause(0.5)


@sample
def sctp(out: Path) -> None:
    with Lab() as lab:
        lab.server.spawn("/usr/lib/usrsctp/echo_server", "0", "0")
        time.sleep(0.5)
        with lab.capture(lab.router, "inside", out / "sctp.pcap"):
            for port in (7, 19):
                lines = "(sleep 0.5; for n in 1 2 3; do echo line $n; sleep 0.5; done)"
                script = f"{lines} | timeout 6 /usr/lib/usrsctp/client {SERVER} {port} 0 0 0"
                lab.client.run("sh", "-c", script, check=False)


def _gre_endpoint(node: Node, local: str, remote: str, inner: str) -> None:
    """A GRE tunnel in user space: a tun device on one side, protocol 47 on the other."""
    tun = node.tun("gre1", inner, IFF_TUN)
    wire = node.socket(socket.AF_INET, socket.SOCK_RAW, 47)
    wire.bind((local, 0))
    head = bytes.fromhex("00000800")

    def outbound() -> None:
        while packet := os.read(tun, 2000):
            wire.sendto(head + packet, (remote, 0))

    def inbound() -> None:
        while packet := wire.recv(2000):
            outer = (packet[0] & 15) * 4
            if packet[outer : outer + 4] == head:
                os.write(tun, packet[outer + 4 :])

    in_background(outbound)
    in_background(inbound)


@sample
def gre(out: Path) -> None:
    with Lab() as lab:
        _gre_endpoint(lab.client, CLIENT, SERVER, "172.16.0.1")
        with lab.capture(lab.router, "inside", out / "gre.pcap"):
            lab.server.rules("input", "ip protocol gre drop")
            lab.client.run("ping", "-c", "2", "-i", "0.4", "-W", "1", "172.16.0.2", check=False)
            lab.server.nft("flush ruleset")
            _gre_endpoint(lab.server, SERVER, CLIENT, "172.16.0.2")
            lab.client.run("ping", "-c", "3", "-i", "0.4", "172.16.0.2")
            listener = lab.server.listen("172.16.0.2", 80)

            def serve() -> None:
                conn, _ = listener.accept()
                conn.recv(1000)
                conn.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"through the tunnel\n" * 150)
                conn.close()

            in_background(serve)
            lab.client.run("curl", "-s", "http://172.16.0.2/")
