"""A file that is written piece by piece, and is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from edgeclip.contract.files import sync_folder


@contextmanager
def streamed_text(path: Path) -> Iterator[IO[str]]:
    """Yield a UTF-8 file that takes the place of `path` when the block ends without an error.

    Args:
        path: Its folder must be there.

    Raises:
        OSError: The disk is full, or the folder cannot be written; nothing is left.
    """
    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)
