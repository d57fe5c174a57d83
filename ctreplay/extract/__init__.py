"""Packets of connections taken out of the captures again, as a capture that Wireshark opens."""
