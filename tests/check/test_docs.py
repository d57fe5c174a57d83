"""The examples of docs/ci.md run as printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.check import captures as c

TEXT = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- test: ([\w -]+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a capture and the check file of the page."""
    found = tmp_path / "project"
    (found / "captures").mkdir(parents=True)
    c.pcap(found / "captures" / "web.pcap", c.talk())
    (found / "ctreplay.yaml").write_text(BLOCKS["check file"])
    return found


def shell(project: Path, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell that has this environment's ctreplay."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    full = os.environ | {"PATH": path, "HOME": str(project.parent), "XDG_CACHE_HOME": ""} | env
    return subprocess.run(
        line, shell=True, cwd=project, env=full, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_example_is_here():
    assert set(BLOCKS) == {"check file", "github", "gitlab", "pre-commit", "pytest", "diff"}


def test_github_commands(project):
    steps = yaml.safe_load(BLOCKS["github"])["jobs"]["check"]["steps"]
    commands = [one["run"] for one in steps if "run" in one and not one["run"].startswith("pip ")]
    assert commands
    summary = project / "summary.md"
    for command in commands:
        done = shell(project, command, GITHUB_STEP_SUMMARY=str(summary), GITHUB_WORKSPACE=str(project))
        assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in summary.read_text()
    assert (project.parent / ".cache" / "ctreplay").is_dir(), "the folder that the snippet keeps"
    c.pcap(project / "captures" / "web.pcap", c.with_stray(c.talk()))
    assert (
        shell(project, commands[0], GITHUB_WORKSPACE=str(project)).stdout.count("::error file=ctreplay.yaml,line=") == 2
    )


def test_gitlab_commands(project):
    job = yaml.safe_load(BLOCKS["gitlab"])["conntrack"]
    for command in job["script"]:
        if not command.startswith("pip "):
            done = shell(project, command)
            assert done.returncode == 0, done.stdout + done.stderr
    assert ElementTree.parse(project / job["artifacts"]["reports"]["junit"]).getroot().get("tests") == "7"
    assert list((project / job["cache"]["paths"][0]).glob("*.ctreplay"))


def test_pre_commit_entry(project):
    (hook,) = yaml.safe_load(BLOCKS["pre-commit"])["repos"][0]["hooks"]
    assert shell(project, hook["entry"]).returncode == 0
    wanted = re.compile(hook["files"])
    for name, matches in {
        "a/web.pcap": 1,
        "x.pcapng": 1,
        "ctreplay.yaml": 1,
        "a.ctreplay.yaml": 1,
        "README.md": 0,
    }.items():
        assert bool(wanted.search(name)) == bool(matches), name


def test_pytest_example(project):
    (project / "test_web.py").write_text(BLOCKS["pytest"])
    base = f"{shlex.quote(sys.executable)} -m pytest -q -p no:cacheprovider"
    done = shell(project, base)
    assert "1 passed" in done.stdout, done.stdout
    done = shell(project, f"{base} --ctreplay")
    assert "8 passed" in done.stdout, done.stdout
    (project / "pytest.ini").write_text("[pytest]\nctreplay_checks = true\n")
    c.pcap(project / "captures" / "web.pcap", c.with_stray(c.talk()))
    done = shell(project, base)
    assert "3 failed, 5 passed" in done.stdout, done.stdout
    assert "tcp_seq_over_upper_bound" in done.stdout
    assert "ctreplay explain" in done.stdout


def test_diff_example(project):
    done = shell(project, BLOCKS["diff"])
    assert done.returncode == 1, done.stderr
    assert "changed" in done.stdout


def test_the_plug_in_imports_nothing_of_ours_until_used(tmp_path):
    (tmp_path / "test_x.py").write_text(
        "import sys\ndef test_x():\n"
        "    mine = {name for name in sys.modules if name.startswith('ctreplay.')}\n"
        "    assert mine == {'ctreplay.pytest_plugin'}\n"
        "    assert not {'duckdb', 'pyarrow', 'typer', 'yaml'} & set(sys.modules)\n"
    )
    (tmp_path / "ctreplay.yaml").write_text("broken: [")
    done = shell(tmp_path, f"{shlex.quote(sys.executable)} -m pytest -q -p no:cacheprovider -p no:hypothesispytest")
    assert "1 passed" in done.stdout, done.stdout
