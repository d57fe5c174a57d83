"""Every command of docs/answers.md works, in the folder it names."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_commands(run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```\n(.*?)```", text, re.S) for line in block.splitlines()]
    assert len(commands) > 15
    for name in ("invalid_window.pcap", "ftp_passive.pcap", "midstream.pcap"):
        shutil.copy(ROOT / "sample_pcaps" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "ctreplay"
        code, out, err = run(*arguments)
        assert code == 0, f"{command}: {err}"
        assert out or "-q" in arguments, command
