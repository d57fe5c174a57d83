"""Results in files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ctreplay.dataset.writer import umask


@contextmanager
def replacing(output: Path) -> Iterator[BinaryIO]:
    """A file that takes the name when it is whole; a pipe or device of that name is written to instead.

    Raises OSError, about that name.
    """
    temporary = None
    # a link stays one
    place = os.path.realpath(output)
    try:
        if os.path.exists(output) and not os.path.isfile(output):
            with open(output, "wb") as file:
                yield file
            return
        handle, temporary = tempfile.mkstemp(prefix=".ctreplay-", suffix=".partial", dir=os.path.dirname(place))
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, place)
    except BaseException as exc:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        # nobody knows the temporary name
        if isinstance(exc, OSError) and (temporary is None or exc.filename in (None, temporary)):
            raise OSError(exc.errno, exc.strerror, str(output)) from None
        raise
