"""Every kernel class declares in `__slots__` what its .pxd declares, and every compiled module is in use."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import HEADERS, complaints

ROOT = Path(__file__).resolve().parents[2]
PXDS = sorted(set((ROOT / "ctreplay").rglob("*.pxd")) - set(HEADERS))


def declared(pxd: Path) -> dict[str, set[str]]:
    """Class name → attributes; one line may declare several."""
    found: dict[str, set[str]] = {}
    current: set[str] | None = None
    for line in pxd.read_text().splitlines():
        if opened := re.match(r"cdef class (\w+)", line):
            current = found.setdefault(opened[1], set())
        elif line and not line.startswith((" ", "#")):
            current = None
        elif (
            current is not None and "(" not in line and (row := re.match(r"    cdef (?:public |readonly )?(.+)$", line))
        ):
            words = re.sub(r"\[[^\]]*\]", "", row[1])
            names = words.split(",")
            current.update([names[0].split()[-1], *(name.strip() for name in names[1:])])
    return found


def slots(source: Path) -> dict[str, tuple[set[str], list[str]]]:
    """Class name → (names in `__slots__`, bases)."""
    found = {}
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.ClassDef):
            names: set[str] | None = None
            for statement in node.body:
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__":
                    names = set(ast.literal_eval(statement.value))
            if names is not None:
                found[node.name] = (names, [ast.unparse(base) for base in node.bases])
    return found


def constants(pxd: Path) -> set[str]:
    """Constants that a .pxd declares."""
    found: set[str] = set()
    kinds = "(?:const|unsigned|signed|long|int|short|char|object|list|dict|tuple|bytes|double)"
    for line in pxd.read_text().splitlines():
        if row := re.match(rf"cdef (?:{kinds} )+(_\w+(?:, *_\w+)*)\s*$", line):
            found |= {name.strip() for name in row[1].split(",")}
    return found


@pytest.mark.parametrize("pxd", PXDS, ids=lambda path: ".".join(path.relative_to(ROOT).with_suffix("").parts[1:]))
def test_slots_equal_the_declared_attributes(pxd: Path) -> None:
    have = slots(pxd.with_suffix(".py"))
    for name, attributes in declared(pxd).items():
        assert name in have, f"class {name} has no __slots__"
        assert have[name][0] == attributes, name


@pytest.mark.parametrize("pxd", PXDS, ids=lambda path: ".".join(path.relative_to(ROOT).with_suffix("").parts[1:]))
def test_constants_of_the_pxd_are_the_modules(pxd: Path) -> None:
    """A `cdef` constant that the module never sets would be zero when compiled."""
    text = pxd.with_suffix(".py").read_text()
    module = {
        target.id
        for node in ast.parse(text).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    } | {
        name.id
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
        for name in node.targets[0].elts
        if isinstance(name, ast.Name)
    }  # fmt: skip
    assert not constants(pxd) - module


def test_attributes_of_compiled_classes_are_read() -> None:
    """By the product: what only tests read is filled for nobody."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "ctreplay").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    assert not {name for pxd in PXDS for names in declared(pxd).values() for name in names} - read


@pytest.mark.parametrize("pxd", PXDS, ids=lambda path: ".".join(path.relative_to(ROOT).with_suffix("").parts[1:]))
def test_constants_of_the_pxd_are_used(pxd: Path) -> None:
    nodes = ast.walk(ast.parse(pxd.with_suffix(".py").read_text()))
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert not constants(pxd) - used


@pytest.mark.parametrize("pxd", PXDS, ids=lambda path: ".".join(path.relative_to(ROOT).with_suffix("").parts[1:]))
def test_bounds_checks_are_left_to_setup(pxd: Path) -> None:
    """A directive in the module would win, also where CTREPLAY_CHECKED=1 builds with all checks."""
    assert not re.search(r"^# *cython:", pxd.with_suffix(".py").read_text(), re.M)


@pytest.mark.skipif(os.environ.get("CTREPLAY_PURE") == "1", reason="the plain Python is being tested")
def test_what_has_a_pxd_runs_compiled() -> None:
    for pxd in PXDS:
        module = importlib.import_module(".".join(pxd.relative_to(ROOT).with_suffix("").parts))
        assert not (module.__file__ or "").endswith(".py"), module.__name__


def test_old_machine_code_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("x = 1\n")
    (tmp_path / "m.pxd").write_text("cdef int x\n")
    assert complaints(tmp_path) == [f"{tmp_path / 'm.py'} is not compiled"]
    import importlib.machinery

    built = tmp_path / f"m{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    built.write_bytes(b"")
    assert complaints(tmp_path) == []
    for name in ("m.py", "m.pxd"):
        later = time.time() + 100
        os.utime(tmp_path / name, (later, later))
        assert complaints(tmp_path) == [f"{built.name} is older than {tmp_path / name}"]
        os.utime(tmp_path / name, (1, 1))
    shutil.rmtree(tmp_path)
