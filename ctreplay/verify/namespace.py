"""A private network namespace with one device that leads nowhere. It ends with the process, however that ends."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from .errors import CannotVerify

DEVICE = "ctreplay0"
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_PROC = Path("/proc/sys")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _unshare(flags: int) -> None:
    if _libc().unshare(flags):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def enter() -> str:
    """Move this (single-threaded) process into a new network namespace; returns the kernel's release.

    Root takes a network namespace directly; anybody else needs a user namespace around it. Raises CannotVerify.
    """
    if sys.platform != "linux":
        raise CannotVerify(f"the referee is Linux's own conntrack and this is {sys.platform}; run it on Linux")
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    uid, gid = os.geteuid(), os.getegid()
    try:
        if uid == 0:
            _unshare(_CLONE_NEWNET)
        else:
            _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        who = "root" if uid == 0 else "a user without root"
        raise CannotVerify(
            f"no private network namespace for {who} ({error.strerror}); run as root (sudo) or allow user namespaces"
        ) from None
    return os.uname().release


def sysctl(name: str, value: int | str) -> None:
    """Set one sysctl of the namespace (`net.netfilter.nf_conntrack_…`). Raises CannotVerify."""
    path = _PROC / name.replace(".", "/")
    try:
        path.write_text(f"{value}\n")
    except FileNotFoundError:
        raise CannotVerify(f"this kernel has no {name}") from None
    except OSError as error:
        raise CannotVerify(f"this kernel refuses {name} = {value} in a network namespace ({error.strerror})") from None


def sysctl_value(name: str) -> int:
    return int((_PROC / name.replace(".", "/")).read_text().split()[0])


def device() -> int:
    """Create the TUN device, make every unicast address local to it and return its descriptor.

    Whatever is written to it runs through PREROUTING and INPUT before the write returns. Nothing ever reads from it,
    and there is no other device: no packet can leave.
    """
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        raise CannotVerify(f"no TUN device ({error.strerror}): /dev/net/tun must exist and be usable") from None
    for name in ("all", "default", DEVICE):
        for key, value in (
            ("rp_filter", 0),
            ("accept_local", 1),
            ("route_localnet", 1),
            ("accept_source_route", 1),
            ("log_martians", 0),
        ):
            sysctl(f"net.ipv4.conf.{name}.{key}", value)
        if (_PROC / "net/ipv6").exists():
            for key, value in (("accept_dad", 0), ("accept_ra", 0), ("router_solicitations", 0), ("addr_gen_mode", 1)):
                sysctl(f"net.ipv6.conf.{name}.{key}", value)
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        index = ip.link_lookup(ifname=DEVICE)[0]
        ip.link("set", index=index, mtu=65535, state="up")
        for family, everything in ((socket.AF_INET, "0.0.0.0/0"), (socket.AF_INET6, "::/0")):
            if family == socket.AF_INET6 and not (_PROC / "net/ipv6").exists():
                continue
            ip.route("add", family=family, dst=everything, oif=index, type="local", table=255, scope=254)
    return descriptor
