"""What is written into an engine's sidecar after it was built: what it computes, and how fast.

Sidecars are written by the builder, by `verify` and by a device's start. Each holds the folder,
reads the sidecar again and changes its own fields alone, so that none undoes what another wrote.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from edgeclip.contract.engine_key import EngineSidecar
from edgeclip.contract.engine_lock import engines_held
from edgeclip.contract.files import write_text
from edgeclip.errors import BundleDamagedError

log = logging.getLogger(__name__)


def record_parity(
    engine: Path, sidecar: EngineSidecar, parity: dict[str, float], problems: list[str]
) -> None:
    """Write into an engine's sidecar how far it lies from the golden outputs.

    Args:
        engine: The engine's file.
        sidecar: What was judged; where another engine lies there by now, nothing is written.
        parity: The figures, by name.
        problems: What of them was beyond the tolerance.

    Raises:
        OSError: The sidecar cannot be written; it is then as it was.
    """
    _record(engine, sidecar, parity=parity, problems=problems)


def keep_benchmark(engine: Path, sidecar: EngineSidecar, figures: dict[str, float]) -> None:
    """Write into an engine's sidecar how long its calls take here; where that cannot be, say so.

    Args:
        engine: The engine's file.
        sidecar: What was measured; where another engine lies there by now, nothing is written.
        figures: ms, as `b1_p50_ms`: by batch and percentile.
    """
    try:
        _record(engine, sidecar, benchmark=figures)
    except OSError as error:
        log.warning("%s: its sidecar cannot be written (%s): figures are not kept", engine, error)


def _record(engine: Path, sidecar: EngineSidecar, **changes: Any) -> None:
    with engines_held(engine.parent):
        known = _current(engine, sidecar)
        if known is not None:
            changed = known.model_copy(update=changes)
            write_text(engine.with_suffix(".json"), changed.to_json())


def _current(engine: Path, sidecar: EngineSidecar) -> EngineSidecar | None:
    """Return the sidecar as it is now; None where it is of another engine, or none."""
    path = engine.with_suffix(".json")
    try:
        known = EngineSidecar.from_json(path.read_text(encoding="utf-8"), str(path))
    except (FileNotFoundError, UnicodeDecodeError, BundleDamagedError):
        return None  # it was set aside or damaged: the next look at it says so
    return known if known.engine_sha256 == sidecar.engine_sha256 else None
