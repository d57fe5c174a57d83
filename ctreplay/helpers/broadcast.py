"""NetBIOS name service and SNMP broadcasts.

The kernel expects answers only to a broadcast that a socket of its own host sends: it takes the interface's subnet from
the packet's route and its sender's socket. Packets that are forwarded or received have neither, and a capture does
not say which packets its host sent with which subnet. So these helpers are assigned, as the kernel assigns them, and
expect nothing, as in the kernel on a router.
"""

from __future__ import annotations

from ctreplay.helpers.control import Control


def packet(_: Control) -> bool:
    """No effect on traffic that was not generated here."""
    return True
