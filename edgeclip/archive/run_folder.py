"""The folder that a run is written to: whose it is, one process at a time, nothing left of none."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeclip.archive.journal import LIST_FILE, NEW_LIST_FILE, PARTS, PLAN_FILE
from edgeclip.contract.locks import drop_lock, lock_owner, take_lock
from edgeclip.errors import ConfigError

RUN_FOLDER = "run"
LOCK_FILE = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """Hold the folder of results, and yield that of the run, which nobody else then writes to.

    What is refused before a run has begun leaves no folder that was not there before.

    Args:
        folder: Of the results; made if missing.

    Raises:
        ConfigError: Another process holds it, it cannot be written, or it is somebody else's.
    """
    path, run = folder / LOCK_FILE, folder / RUN_FOLDER
    try:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        held = take_lock(path)
    except BlockingIOError as error:
        raise ConfigError(
            f"{folder} is written by process {lock_owner(path)}: wait for it, or choose another"
            " --out"
        ) from error
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written ({error.strerror}): check --out") from error
    may_go = not run.exists() or (run / PLAN_FILE).is_file()
    try:
        if not _is_ours(folder, run):
            raise ConfigError(f"{folder} holds something else: choose another --out")
        try:
            yield run
        finally:
            if may_go and not (run / PLAN_FILE).is_file():
                shutil.rmtree(run, ignore_errors=True)  # a list without a plan is made again
            (run / NEW_LIST_FILE).unlink(missing_ok=True)  # of a run that was refused
    finally:
        drop_lock(path, held)
        with contextlib.suppress(OSError):  # the first that is not empty ends it
            for each in missing:
                each.rmdir()


def _is_ours(folder: Path, run: Path) -> bool:
    """Say whether a folder is new, empty, or of a run, also of one that has no plan yet."""
    if (run / PLAN_FILE).is_file():
        return True
    if run.is_dir():
        return {path.name for path in run.iterdir()} <= {LIST_FILE, NEW_LIST_FILE, PARTS}
    return not any(path.name != LOCK_FILE for path in folder.iterdir())
