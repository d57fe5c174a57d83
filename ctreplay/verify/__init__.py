"""The referee: this machine's own conntrack, asked about a capture."""

from .answers import Event, KernelAnswer, LiveEntry
from .errors import CannotVerify
from .recorder import Recording, record_packets

__all__ = ["CannotVerify", "Event", "KernelAnswer", "LiveEntry", "Recording", "record_packets"]
