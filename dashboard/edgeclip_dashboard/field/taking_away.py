"""Deliveries that are used or taken away: never both at a time, in whatever process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edgeclip.contract.locks import lock_file
from edgeclip.errors import DashboardError

REMOVED: Final = ".removed"
"""Ends the name of a delivery that is being taken away."""


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Let nobody take a delivery away while the block runs.

    Raises:
        DashboardError: It is gone, is taken away just now, or cannot be read.
    """
    with _held(path, shared=True, otherwise="it is removed just now"):
        yield


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Let nobody begin to use a delivery while the block runs.

    Raises:
        DashboardError: It is gone, is in use, or cannot be written.
    """
    otherwise = "it is in use just now (taught on, sent, or removed): try again in a minute"
    with _held(path, shared=False, otherwise=otherwise):
        yield


@contextmanager
def _held(path: Path, *, shared: bool, otherwise: str) -> Iterator[None]:
    try:
        descriptor = lock_file(path, shared=shared)
    except FileNotFoundError as error:
        raise DashboardError("it is not here any more: upload it again") from error
    except BlockingIOError as error:
        raise DashboardError(otherwise) from error
    except OSError as error:
        raise DashboardError(
            f"{path} cannot be opened ({error.strerror}): see [commands].packs"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def set_aside(path: Path) -> Iterator[None]:
    """Take a delivery away that the caller is alone with; it is back where the block raises.

    If the process ends in the block, `put_back` finds it under its other name.

    Raises:
        DashboardError: It was uploaded anew meanwhile: of that file nobody knows who uses it.
        OSError: Its folder cannot be written.
    """
    aside = path.with_suffix(REMOVED)
    path.rename(aside)
    try:
        _require_held(aside)
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # what came first is told; `put_back` tries again
            _return(aside)
        raise
    aside.unlink(missing_ok=True)


def _require_held(aside: Path) -> None:
    """Refuse a file that others can use: it is not the one that the caller is alone with."""
    with contextlib.suppress(BlockingIOError):
        os.close(lock_file(aside, shared=True))
        raise DashboardError("it was uploaded again just now, and stays")


def put_back(aside: Path) -> None:
    """Give a delivery its name back if its removal was interrupted; who removes it holds it."""
    with contextlib.suppress(OSError):  # held, removed meanwhile, or in a folder to read alone
        descriptor = lock_file(aside, shared=False)
        try:
            _return(aside)
        finally:
            os.close(descriptor)


def _return(aside: Path) -> None:
    path = aside.with_suffix(".zip")
    if path.exists():  # uploaded again: the name is its hash, so both are the same
        aside.unlink()
    else:
        aside.rename(path)
