"""Names of link-layer header types (the LINKTYPE_ registry of the pcap formats)."""

from __future__ import annotations

NAMES: dict[int, str] = {
    0: "NULL", 1: "ETHERNET", 3: "AX25", 6: "IEEE802_5", 7: "ARCNET_BSD", 8: "SLIP", 9: "PPP", 10: "FDDI",
    12: "RAW", 14: "RAW", 50: "PPP_HDLC", 51: "PPP_ETHER", 100: "ATM_RFC1483", 101: "RAW", 104: "C_HDLC",
    105: "IEEE802_11", 107: "FRELAY", 108: "LOOP", 109: "ENC", 113: "LINUX_SLL", 114: "LTALK",
    117: "PFLOG", 119: "IEEE802_11_PRISM", 122: "IP_OVER_FC", 123: "SUNATM", 127: "IEEE802_11_RADIOTAP",
    129: "ARCNET_LINUX", 138: "APPLE_IP_OVER_IEEE1394", 143: "DOCSIS", 144: "LINUX_IRDA", 147: "USER0",
    148: "USER1", 149: "USER2", 163: "IEEE802_11_AVS", 166: "PPP_PPPD", 187: "BLUETOOTH_HCI_H4",
    189: "USB_LINUX", 192: "PPI", 195: "IEEE802_15_4_WITHFCS", 197: "ERF",
    201: "BLUETOOTH_HCI_H4_WITH_PHDR", 204: "PPP_WITH_DIR", 206: "FRELAY_WITH_DIR",
    220: "USB_LINUX_MMAPPED", 224: "FC_2", 226: "IPNET", 227: "CAN_SOCKETCAN", 228: "IPV4", 229: "IPV6",
    231: "DBUS", 236: "MUX27010", 239: "NFLOG", 240: "NETANALYZER", 242: "IPOIB", 243: "MPEG_2_TS",
    247: "INFINIBAND", 248: "SCTP", 249: "USBPCAP", 253: "NETLINK", 254: "BLUETOOTH_LINUX_MONITOR",
    258: "PKTAP", 259: "EPON", 260: "IPMI_HPM_2", 266: "USB_DARWIN", 271: "VSOCK", 272: "NORDIC_BLE",
    273: "DOCSIS31_XRA31", 274: "ETHERNET_MPACKET", 276: "LINUX_SLL2", 277: "SERCOS_MONITOR",
    279: "VPP_DISPATCH", 280: "DSA_TAG_BRCM", 281: "DSA_TAG_BRCM_PREPEND", 283: "IEEE802_15_4_TAP",
    284: "DSA_TAG_DSA", 285: "DSA_TAG_EDSA", 289: "ATSC_ALP",
}  # fmt: skip


def linktype_name(number: int) -> str:
    """The registered name without LINKTYPE_, or the number as text."""
    return NAMES.get(number, str(number))
