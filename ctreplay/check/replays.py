"""Replays for checks, differences and tests: a dataset for captures and options, from the cache when it is there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ctreplay
from ctreplay.check.model import Options

_KEEP_DAYS = 30
_ENTRY = "entry.json"
# what the cache names its entries, and what it is still writing: a folder may hold other things than these
_NAME = re.compile(r".+-[0-9a-f]{24}\.ctreplay")
_WORKING = ".ctreplay-new-"
_IN_FOLDER = threading.Lock()
# parts of the package that a replay's rows depend on
_ENGINE = ("*.py", "*.so", "*.pyd", "capture/*", "decode/*", "tracker/**/*", "helpers/*", "dataset/*")


def default_cache() -> Path:
    """$XDG_CACHE_HOME/ctreplay, or ~/.cache/ctreplay."""
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base if base and os.path.isabs(base) else Path.home() / ".cache") / "ctreplay"


def unusable(folder: Path) -> str:
    """Why nothing can be kept in a folder, which is made if need be; empty when it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        return exc.strerror or str(exc)
    return "" if os.access(folder, os.W_OK | os.X_OK) else "not writable"


@cache
def engine() -> str:
    """Version and a fingerprint of the installed modules, so that a development build never meets older rows."""
    root = Path(ctreplay.__file__).parent
    seen = hashlib.sha256(ctreplay.__version__.encode())
    for path in sorted({found for pattern in _ENGINE for found in root.glob(pattern)}):
        if path.suffix in (".py", ".so", ".pyd"):
            about = path.stat()
            seen.update(f"{path.relative_to(root)}:{about.st_size}:{about.st_mtime_ns};".encode())
    return f"{ctreplay.__version__}+{seen.hexdigest()[:12]}"


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key(captures: Sequence[str], options: Options, folder: Path) -> str:
    """What a replay depends on, as one hash: the captures' bytes and places, the options, the engine."""
    parts = {
        "engine": engine(),
        "captures": [[one, os.fspath(folder.resolve() / one), file_sha256(folder / one)] for one in captures],
        "sysctls": options.sysctls,
        "packets": options.packets,
        "helpers": options.helpers,
    }
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogateescape")).hexdigest()


def replay_into(captures: Sequence[str], options: Options, folder: Path, target: Path) -> dict[str, Any]:
    """Replay with paths relative to `folder`, so that the dataset says the same on every machine."""
    from ctreplay.replaying import replay_to

    # the current folder is the process's: threads take turns
    with _IN_FOLDER, contextlib.chdir(folder):
        return replay_to(
            captures, target, sysctls=dict(options.sysctls), packets=options.packets, helpers=options.helpers
        )


def _contents(entry: Path) -> dict[str, str]:
    return {one.name: file_sha256(one) for one in sorted(entry.iterdir()) if one.name != _ENTRY}


def _is_whole(entry: Path) -> bool:
    """Whether a cache entry is what was once written."""
    try:
        said = json.loads((entry / _ENTRY).read_text(encoding="utf-8"))
        return bool(said) and said == _contents(entry)
    except (OSError, ValueError):
        return False


class Cache:
    """Datasets by what they depend on. Entries appear whole or not at all; a damaged one is dropped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def dataset(self, captures: Sequence[str], options: Options, folder: Path) -> tuple[Path, bool]:
        """The dataset and whether it was there already. Raises what `replay_to` raises."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(captures[0]).name.partition(".")[0])[:40] or "capture"
        entry = self.folder / f"{stem}-{key(captures, options, folder)[:24]}.ctreplay"
        if entry.is_dir():
            if _is_whole(entry):
                with contextlib.suppress(OSError):
                    os.utime(entry)
                return entry, True
            shutil.rmtree(entry, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_WORKING, dir=self.folder) as working:
            made = Path(working).resolve() / entry.name
            replay_into(captures, options, folder, made)
            (made / _ENTRY).write_text(json.dumps(_contents(made)), encoding="utf-8")
            try:
                made.rename(entry)
            except OSError:
                # another process was faster; its entry holds the same rows
                if not _is_whole(entry):
                    raise
        return entry, False

    def prune(self) -> None:
        """Drop entries that nobody used for a month, and what a killed process left behind."""
        oldest = time.time() - _KEEP_DAYS * 86400
        with contextlib.suppress(OSError):
            for one in self.folder.iterdir():
                age = one.stat().st_mtime
                if (_NAME.fullmatch(one.name) and age < oldest) or (
                    one.name.startswith(_WORKING) and age < time.time() - 86400
                ):
                    shutil.rmtree(one, ignore_errors=True)


@contextlib.contextmanager
def temporary_cache() -> Iterator[Cache]:
    """A cache for this process only."""
    with tempfile.TemporaryDirectory(prefix="ctreplay-check-") as folder:
        yield Cache(Path(folder))
