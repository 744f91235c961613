"""One training a pack: whoever comes second to the same `--out` is refused at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgeclip.contract.locks import drop_lock, lock_owner, take_lock
from edgeclip.errors import SetupError


@contextlib.contextmanager
def only_training(out: Path) -> Iterator[None]:
    """Hold the lock of a pack to be: a hidden file beside it, deleted in the end.

    Folders that are made for it go again where nothing came to lie in them.

    Args:
        out: The pack's folder.

    Raises:
        SetupError: Another process trains this pack, or the folder around it cannot be written.
    """
    path = out.with_name(f".{out.name}.lock")
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        descriptor = take_lock(path)
    except BlockingIOError as error:
        raise SetupError(
            f"{out} is being trained by another edgeclip train (process {lock_owner(path)}): wait"
            " for it, or choose another --out"
        ) from error
    except OSError as error:
        raise SetupError(
            f"{out.parent} cannot be written ({error.strerror}): choose another --out"
        ) from error
    try:
        yield
    finally:
        drop_lock(path, descriptor)
        with contextlib.suppress(OSError):  # not empty: the pack, or an interrupted run
            for folder in made:
                folder.rmdir()
