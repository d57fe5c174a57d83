"""What the few entries with a helper or a master carry (`Entry.ext`)."""

from __future__ import annotations

from typing import Any


class Extension:
    """`active` says that packets of the entry go to its helper `kind`; `info` is that helper's memory of the
    connection; `gone`, if set, is called with the helpers and this when an entry that has only a master ends.

    `helper` and `master_conn_id` are what the dataset shows: None for entries that are only observed.
    """

    __slots__ = ("active", "gone", "helper", "info", "kind", "master_conn_id")

    def __init__(self) -> None:
        self.active = False
        self.kind: Any = None
        self.info: Any = None
        self.gone: Any = None
        self.helper: str | None = None
        self.master_conn_id: int | None = None
