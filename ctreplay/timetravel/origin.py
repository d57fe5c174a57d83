"""Where a replay can be had again: a dataset (its run.json names the captures) or captures themselves."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctreplay.capture import Damage, Repeated
from ctreplay.helpers import registry
from ctreplay.tracker import sysctl

_PIECE = 1 << 22


class OriginError(Exception):
    """The captures of a dataset cannot be replayed again; the message names the file and what is different."""


@dataclass
class Origin:
    """`paths` to replay with `sysctls` (all of them); `run` is run.json of a dataset, None for plain captures.

    `digests` holds the SHA-256 each path must have (None: unknown), for a dataset; none once they were compared.
    `sizes` are the bytes of each path that the dataset was made from: a file that has grown since holds them yet.
    `damage` are the places of the captures that a replay met and could not read, `repeated` the names of files that it
    left out because another brought them.
    """

    name: str
    paths: list[str]
    sysctls: dict[str, int]
    run: dict[str, Any] | None = None
    helpers: registry.Assignments = field(default_factory=dict)
    digests: list[str | None] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)

    def hashed(self) -> list[str | None]:
        """The digests of the files as they are now, for `check`."""
        return [_digest(path, self.sizes[path]) for path in self.paths]

    def check(self, found: Sequence[str | None]) -> None:
        """Compare the digests of the files replayed with those of the dataset. Raises OriginError."""
        for path, expected, digest in zip(self.paths, self.digests, found, strict=False):
            if expected is not None and digest is not None and digest != expected:
                raise OriginError(_changed(path, self.sizes[path], self.name, expected, digest))


def is_dataset(path: str | os.PathLike[str]) -> bool:
    """A folder that a replay wrote, or that was meant as one."""
    folder = Path(path)
    return folder.is_dir() and ((folder / "run.json").exists() or folder.suffix == ".ctreplay")


def find(
    paths: Sequence[str | os.PathLike[str]],
    sysctls: Mapping[str, int],
    captures: Sequence[str | os.PathLike[str]] = (),
    helpers: Sequence[str] = (),
) -> Origin:
    """The origin that the arguments of a command name.

    `sysctls` and `helpers` (options as of --helper) override those of a dataset; `captures` say where its captures
    are now. Raises OriginError, HelperError and `ctreplay.sql.DatasetError`.
    """
    assigned = registry.parse(helpers)
    if len(paths) == 1 and is_dataset(paths[0]):
        origin = from_dataset(paths[0], sysctls, captures)
        origin.helpers = assigned or origin.helpers
        return origin
    for path in paths:
        if is_dataset(path):
            raise OriginError(f"{path}: one dataset at a time; only captures can be combined")
    names = [os.fspath(path) for path in paths]
    return Origin(", ".join(names), names, sysctl.defaults() | dict(sysctls), helpers=assigned)


def from_dataset(
    path: str | os.PathLike[str], sysctls: Mapping[str, int], captures: Sequence[str | os.PathLike[str]] = ()
) -> Origin:
    """The captures of a dataset, found where they were, here, or beside the dataset; sizes are compared at once."""
    from ctreplay.sql import read_run

    run = read_run(path)
    values = sysctl.defaults() | {k: v for k, v in run.get("sysctls", {}).items() if k in sysctl.DEFAULTS}
    helpers = registry.parse(registry.options(run.get("helpers", [])))
    origin = Origin(str(path), [], values | dict(sysctls), run, helpers)
    if captures and len(captures) != len(run["inputs"]):
        raise OriginError(
            f"{path} was made from {len(run['inputs'])} captures; --capture was given {len(captures)} times"
        )
    for number, one in enumerate(run["inputs"]):
        given = captures[number] if captures else None
        origin.paths.append(_locate(one, Path(path), given))
        origin.digests.append(one["sha256"])
        origin.sizes[origin.paths[-1]] = one["size"]
    return origin


def _locate(one: dict[str, Any], dataset: Path, given: str | os.PathLike[str] | None) -> str:
    """Where an input of run.json is now: a file of its size, or one that may have grown since. Raises OriginError."""
    name, expected = one["path"], one["sha256"]
    if given is not None:
        candidates = [os.fspath(given)]
    elif _was_pipe(one["absolute_path"]):
        raise OriginError(
            f"{dataset}: its capture was read from a pipe ({name}) and cannot be replayed again; save the capture to a "
            f"file and name it with --capture (SHA-256 {expected})"
        )
    else:
        candidates = [one["absolute_path"], name, str(dataset.resolve().parent / os.path.basename(name))]
        candidates += [_bytes_of(path) for path in candidates if _bytes_of(path) != path]
    changed = grown = None
    for candidate in candidates:
        try:
            status = os.stat(candidate)
        except (OSError, ValueError):
            # ValueError: what no file can be called
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        if status.st_size == one["size"]:
            return candidate
        if status.st_size > one["size"]:
            grown = grown or candidate
        changed = changed or (candidate, status.st_size)
    if grown:
        return grown
    if changed:
        raise OriginError(
            f"{changed[0]}: no longer the capture that {dataset} was made from: it has {changed[1]:,} bytes instead of "
            f"{one['size']:,} (SHA-256 was {expected}); name the right file with --capture, or replay again"
        )
    raise OriginError(
        f"{candidates[0]}: the capture that {dataset} was made from is not there any more; name it with --capture "
        f"({one['size']:,} bytes, SHA-256 {expected})"
    )


def _bytes_of(path: str) -> str:
    """The name that run.json may have meant: what stands there as `\\xff` can be a byte that is no UTF-8."""
    return re.sub(r"\\x([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), path)


def _was_pipe(path: str) -> bool:
    return path == "-" or path.startswith(("/dev/", "/proc/"))


def _changed(path: str, size: int, dataset: str, expected: str, found: str) -> str:
    return (
        f"{path}: no longer the capture that {dataset} was made from: the SHA-256 of its {size:,} bytes is {found} "
        f"instead of {expected}; name the right file with --capture, or replay again"
    )


def _digest(path: str, size: int) -> str | None:
    """SHA-256 of the first `size` bytes of a file, None if it cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(min(size, _PIECE)):
                found.update(piece)
                size -= len(piece)
    except OSError:
        return None
    return found.hexdigest()
