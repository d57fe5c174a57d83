"""--helper options."""

from __future__ import annotations

import pytest

from ctreplay.helpers import registry
from ctreplay.helpers.kinds import FTP, TFTP


def test_usual_port() -> None:
    assert registry.parse(["ftp"]) == {(6, 21): FTP}
    assert registry.parse(["tftp"]) == {(17, 69): TFTP}


def test_ports() -> None:
    assert registry.parse(["ftp=21,2121/tcp"]) == {(6, 21): FTP, (6, 2121): FTP}


def test_all_covers_every_variant() -> None:
    found = registry.parse(["all"])
    assert set(found) == {(proto, port) for variants in registry.HELPERS.values() for _, proto, port in variants}


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("fpt", "did you mean ftp?"),
        ("zzzzzz", "known are ftp"),
        ("ftp=70000", "bad port"),
        ("ftp=x", "bad port"),
        ("ftp=21/udp", "only on tcp"),
        ("all=21", "takes no ports"),
    ],
)
def test_errors_say_what_to_write(option: str, hint: str) -> None:
    with pytest.raises(registry.HelperError, match=hint.replace("?", "\\?")):
        registry.parse([option])
