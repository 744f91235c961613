"""What is kept of an engine that failed where it should run, so that it is not tried for ever.

An engine that computes something else keeps that in its sidecar, and the next build goes down one
rung; one that the runtime does not take is moved to `engines/aside/`, and is built again.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from edgeclip.contract.engine_key import EngineSidecar
from edgeclip.contract.engine_lock import engines_held
from edgeclip.contract.engine_record import record_parity
from edgeclip.errors import BackendError, EngineRefusedError, GpuError

log = logging.getLogger(__name__)

ASIDE_FOLDER = "aside"
MOST_ASIDE = 2
"""Engines that are kept there to be looked at; a ViT-B/32's takes 180 MB of a small disk."""

REASON_SUFFIX = ".txt"


def set_aside(engine: Path, reason: str) -> None:
    """Move an engine and its sidecar to `aside/` in their folder, which the caller holds.

    The reason lies beside them. Only the last `MOST_ASIDE` are kept.

    Args:
        engine: The engine's file.
        reason: Why it is of no use here.

    Raises:
        OSError: The folder cannot be written.
    """
    aside = engine.parent / ASIDE_FOLDER
    for path in (engine.with_suffix(".json"), engine):  # without a sidecar it counts no more
        if path.exists():
            aside.mkdir(exist_ok=True)
            path.replace(aside / path.name)
    moved = aside / engine.name
    moved.touch()  # the order in which they came
    with contextlib.suppress(OSError):  # a full disk: the engine is out of the way all the same
        moved.with_suffix(REASON_SUFFIX).write_text(f"{reason}\n", encoding="utf-8")
    known = sorted(aside.glob("*.engine"), key=lambda path: path.stat().st_mtime_ns)
    for old in known[:-MOST_ASIDE]:
        for suffix in (REASON_SUFFIX, ".json", ".engine"):
            old.with_suffix(suffix).unlink(missing_ok=True)


def keep_parity(
    engine: Path, sidecar: EngineSidecar, figures: dict[str, float], problems: list[str]
) -> None:
    """Write into the sidecar what was measured; where that cannot be, say so and go on."""
    try:
        record_parity(engine, sidecar, figures, problems)
    except OSError as error:
        log.warning("%s: its sidecar cannot be written (%s): verify as its owner", engine, error)


def keep_failure(engine: Path, sidecar: EngineSidecar, error: BackendError) -> None:
    """Keep that an engine could not be loaded or run; where that cannot be, say so and go on.

    A GPU that is out of memory, or was brought down by something else, says nothing of an engine.
    """
    if isinstance(error, GpuError):
        return
    if not isinstance(error, EngineRefusedError):
        keep_parity(engine, sidecar, {}, [str(error)])
        return
    try:
        with engines_held(engine.parent):
            set_aside(engine, str(error))
    except OSError as reason:
        log.warning("%s cannot be set aside (%s): verify as its owner", engine, reason)
