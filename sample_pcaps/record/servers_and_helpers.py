"""Protocols whose second connection is announced inside the first (FTP, TFTP, SIP, IRC), and DNS."""

from __future__ import annotations

import gzip
import lzma
import struct
import time
from pathlib import Path

from backports import zstd
from captures import stretch
from lab import CLIENT, ROUTER_OUT, SERVER, SERVER6, Lab
from registry import sample
from tcp_tools import connected, pause, say

_VSFTPD = """listen={v4}
listen_ipv6={v6}
anonymous_enable=YES
anon_root={root}
local_enable=NO
secure_chroot_dir={root}/empty
xferlog_enable=NO
connect_from_port_20=YES
pasv_min_port=50000
pasv_max_port=50100
seccomp_sandbox=NO
ftpd_banner=sample server
background=NO
"""


def _ftp(out: Path, file: str, ipv6: bool, commands: list[tuple[str, ...]]) -> None:
    with Lab(ipv6=ipv6) as lab:
        root = lab.tmp / "ftp"
        (root / "empty").mkdir(parents=True)
        (root / "report.txt").write_text("line of a report\n" * 200)
        (root / "notes.txt").write_text("a short file\n")
        config = lab.tmp / "vsftpd.conf"
        config.write_text(_VSFTPD.format(v4="NO" if ipv6 else "YES", v6="YES" if ipv6 else "NO", root=root))
        lab.server.spawn("vsftpd", str(config), ready=lab.server.listening(21))
        server = f"[{SERVER6}]" if ipv6 else SERVER
        with lab.capture(lab.router, "inside", out / file, only="tcp"):
            for options in commands:
                lab.client.run(
                    "curl", "-s", "-u", "anonymous:guest@example.test", *options,
                    f"ftp://{server}/", f"ftp://{server}/report.txt", f"ftp://{server}/notes.txt",
                    "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null",
                )  # fmt: skip
                pause(0.2)


@sample
def ftp_active(out: Path) -> None:
    _ftp(out, "ftp_active.pcap", False, [("--ftp-port", "-", "--disable-eprt"), ("--ftp-port", "-")])


@sample
def ftp_passive(out: Path) -> None:
    _ftp(out, "ftp_passive.pcap", False, [("--disable-epsv",), ()])


@sample
def ftp_ipv6(out: Path) -> None:
    _ftp(out, "ftp_ipv6.pcap", True, [(), ("--ftp-port", "-")])


@sample
def tftp(out: Path) -> None:
    with Lab() as lab:
        root = lab.tmp / "tftp"
        root.mkdir()
        root.chmod(0o777)
        (root / "boot.img").write_bytes(b"boot sector " * 170)
        upload = lab.tmp / "config.txt"
        upload.write_text("hostname example\n" * 40)
        lab.server.spawn(
            "in.tftpd",
            "-L",
            "-4",
            "-c",
            "-p",
            "-u",
            "nobody",
            "-s",
            str(root),
            ready=lab.server.listening(69, "u"),
        )
        path = out / "tftp.pcap"
        with lab.capture(lab.router, "inside", path):
            for words in (
                f"get boot.img {lab.tmp}/got",
                f"put {upload} config.txt",
                f"get missing.img {lab.tmp}/none",
            ):
                lab.client.run("tftp", "-4", SERVER, "-m", "binary", "-c", *words.split(), check=False)
                pause(0.2)
        data = path.read_bytes()
        (out / "tftp.pcap.gz").write_bytes(gzip.compress(data, mtime=0))
        (out / "tftp.pcap.xz").write_bytes(lzma.compress(data))
        (out / "tftp.pcap.zst").write_bytes(zstd.compress(data))


@sample
def sip_call(out: Path) -> None:
    with Lab() as lab:
        lab.server.spawn(
            "sipp", "-sn", "uas", "-i", SERVER, "-p", "5060", "-mi", SERVER, "-mp", "7078",
            "-rtp_echo", "-nostdin",
            ready=lab.server.listening(5060, "u"),
        )  # fmt: skip
        tone = lab.tmp / "tone.raw"
        tone.write_bytes(bytes([0xD5]) * 160 * 40)
        calling = lab.client.run("sipp", "-sd", "uac", check=False)
        calling = calling[calling.index("<?xml") : calling.index("</scenario>") + 11].replace(
            "[media_port]", "[rtpstream_audio_port]"
        )
        play = f'<nop><action><exec rtp_stream="{tone},1,0"/></action></nop>'
        scenario = lab.tmp / "caller.xml"
        scenario.write_text(calling.replace("<pause/>", f"{play}<pause/>"))
        with lab.capture(lab.router, "inside", out / "sip_call.pcap"):
            lab.client.run(
                "sipp", "-sf", str(scenario), f"{SERVER}:5060", "-i", CLIENT, "-p", "5060", "-mi", CLIENT,
                "-mp", "6000", "-m", "2", "-r", "1", "-rp", "3000", "-d", "2000", "-nostdin",
            )  # fmt: skip


_REGISTER = (
    "REGISTER sip:{server} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {client}:5060;branch=z9hG4bK{n}\r\nFrom: <sip:200@{server}>;tag=a\r\n"
    "To: <sip:200@{server}>\r\nCall-ID: reg-1\r\nCSeq: {n} REGISTER\r\n"
    "Contact: <sip:200@{client}:5060>;expires=600\r\n"
    "Content-Length: 0\r\n\r\n"
)
_REGISTERED = (
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {client}:5060;branch=z9hG4bK{n}\r\nFrom: <sip:200@{server}>;tag=a\r\n"
    "To: <sip:200@{server}>;tag=b\r\nCall-ID: reg-1\r\nCSeq: {n} REGISTER\r\n"
    "Contact: <sip:200@{client}:5060>;expires=600\r\n"
    "Content-Length: 0\r\n\r\n"
)
_INVITE = (
    "INVITE sip:200@{public} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {server}:5060;branch=z9hG4bKi{n}\r\nFrom: <sip:300@{server}>;tag=c\r\n"
    "To: <sip:200@{server}>\r\nCall-ID: call-{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:300@{server}:5060>\r\n"
    "Content-Length: 0\r\n\r\n"
)


@sample
def sip_register_late(out: Path) -> None:
    with Lab() as lab:
        lab.router.rules("postrouting", 'oifname "outside" masquerade', nat=True)
        lab.router.rules("input", "ct state established accept", policy="drop")
        lab.router.sysctl("net.netfilter.nf_conntrack_udp_timeout", 3)
        lab.router.sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", 3)
        phone, registrar = lab.client.udp(CLIENT, 5060), lab.server.udp(SERVER, 5060)
        path = out / "sip_register_late.pcap"

        def register(n: int) -> tuple[str, int]:
            words = {"client": CLIENT, "server": SERVER, "n": n}
            phone.sendto(_REGISTER.format(**words).encode(), (SERVER, 5060))
            _, peer = registrar.recvfrom(2000)
            registrar.sendto(_REGISTERED.format(**words).encode(), peer)
            phone.recv(2000)
            return peer  # type: ignore[no-any-return]

        def invite(n: int, peer: tuple[str, int]) -> None:
            registrar.sendto(_INVITE.format(server=SERVER, public=ROUTER_OUT, n=n).encode(), peer)

        with lab.capture(lab.router, "outside", path):
            peer = register(1)
            time.sleep(1)
            invite(1, peer)
            phone.recv(2000)
            phone.sendto(
                b"SIP/2.0 486 Busy Here\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                (SERVER, 5060),
            )
            registrar.recv(2000)
            time.sleep(5)
            for wait in (0.5, 0.8, 0.8):
                invite(2, peer)
                time.sleep(wait)
            register(2)
            invite(3, peer)
            phone.recv(2000)
        stretch(path, 0.9, 60, at_most_s=1.5)
        stretch(path, 4.5, 240, at_most_s=6)


@sample
def irc_dcc(out: Path) -> None:
    address = int.from_bytes(bytes(map(int, CLIENT.split("."))))
    with Lab() as lab, lab.capture(lab.router, "inside", out / "irc_dcc.pcap"):
        here, there = connected(lab, 6667, 51000)
        say(here, there, b"NICK alice\r\nUSER alice 0 * :Alice\r\n")
        say(there, here, b":irc.example.test 001 alice :Welcome\r\n")
        say(here, there, b"JOIN #room\r\n")
        say(there, here, b":alice!a@example.test JOIN #room\r\n")
        for kind, port, name in (("SEND", 52001, "photo.png"), ("CHAT", 52002, "chat")):
            offer = lab.client.listen(CLIENT, port)
            size = " 4000" if kind == "SEND" else ""
            say(here, there, f"PRIVMSG bob :\x01DCC {kind} {name} {address} {port}{size}\x01\r\n".encode())
            other = lab.server.tcp(SERVER)
            other.connect((CLIENT, port))
            data, _ = offer.accept()
            if kind == "SEND":
                say(data, other, b"\x89PNG" + bytes(3996))
                say(other, data, struct.pack(">I", 4000))
            else:
                say(other, data, b"hi alice\n")
                say(data, other, b"hi bob\n")
            data.close()
            pause()
            other.close()
        say(here, there, b"QUIT :bye\r\n")
        there.close()
        pause()
        here.close()


@sample
def dns_lost_answer(out: Path) -> None:
    with Lab(ipv6=True) as lab:  # the resolver asks for AAAA only on a host with an IPv6 address
        names = ("www", "mail", "api", "slow", "cdn", "db", "void")
        entries = [
            f"--host-record={name}.example.test,198.51.100.{n},2001:db8:2::{n}" for n, name in enumerate(names, 30)
        ]
        lab.server.spawn(
            "dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "-a", SERVER, "-z", "--pid-file=",
            "-u", "root", *entries,
            ready=lab.server.listening(53, "u"),
        )  # fmt: skip
        # an answer with an AAAA record is the longer one: 12 bytes more than the A record's
        lab.router.rules(
            "forward",
            "udp sport 53 ip length > 84 numgen inc mod 1000 == 3 drop",
            "udp dport 53 @th,160,40 0x04766f6964 drop",
        )
        resolv = lab.tmp / "resolv.conf"
        resolv.write_text(f"nameserver {SERVER}\noptions timeout:5 attempts:2\n")
        lookups = 'for n in "$@"; do getent ahosts $n.example.test; sleep 0.2; done'
        script = f'mount --bind "$0" /etc/resolv.conf && {lookups}'
        with lab.capture(lab.router, "inside", out / "dns_lost_answer.pcap", only="ip"):
            lab.client.run("sh", "-c", script, str(resolv), *names, check=False)
