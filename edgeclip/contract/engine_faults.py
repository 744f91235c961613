"""What is kept of an engine that failed where it should run, so that it is not tried for ever.

An engine that computes something else keeps that in its sidecar, and the next build goes down one
rung; one that the runtime does not take is moved to `engines/aside/`, and is built again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from edgeclip.contract.engine_key import EngineSidecar, record_parity
from edgeclip.errors import BackendError, EngineRefusedError, GpuError

log = logging.getLogger(__name__)

ASIDE_FOLDER = "aside"


def set_aside(engine: Path) -> None:
    """Move an engine and its sidecar to `aside/` in their folder.

    Raises:
        OSError: The folder cannot be written.
    """
    aside = engine.parent / ASIDE_FOLDER
    for path in (engine.with_suffix(".json"), engine):  # without a sidecar it counts no more
        if path.exists():
            aside.mkdir(exist_ok=True)
            path.replace(aside / path.name)


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
        set_aside(engine)
    except OSError as reason:
        log.warning("%s cannot be set aside (%s): verify as its owner", engine, reason)
