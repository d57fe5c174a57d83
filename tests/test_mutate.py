"""The edits of `mutate.py`, which is no part of the test run, keep up with the code that they edit."""

from __future__ import annotations

import pytest

from tests.mutate import EDITS, ROOT


@pytest.mark.parametrize(("file", "old", "new"), EDITS)
def test_an_edit_has_one_place(file: str, old: str, new: str) -> None:
    source = (ROOT / "ctreplay" / file).read_text()
    assert source.count(old) == 1
    compile(source.replace(old, new), file, "exec")
