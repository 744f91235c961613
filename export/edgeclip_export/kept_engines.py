"""Engines of a bundle that is written anew: those of the same graphs stay, they took minutes."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from edgeclip.contract.bundle import ENGINES_FOLDER, BundleManifest
from edgeclip.contract.engine_key import checked_sidecar, why_not_of_bundle
from edgeclip.contract.engine_lock import engines_held
from edgeclip.contract.files import write_text
from edgeclip.errors import BundleDamagedError
from edgeclip_export.checks import Check


def held_engines(bundle: Path) -> AbstractContextManager[None]:
    """Hold the engines of a bundle that is there, so that none is built while it is replaced.

    Raises:
        BlockingIOError: One is being built.
        OSError: The folder cannot be written.
    """
    folder = bundle / ENGINES_FOLDER
    return engines_held(folder) if folder.is_dir() else nullcontext()


def keep_engines(old: Path, new: Path, manifest: BundleManifest) -> list[Check]:
    """Give a new bundle the engines of the one that it replaces, where they are of its graphs.

    What an engine computed is forgotten, since the golden frames may be others; not that it failed.

    Args:
        old: The bundle that is replaced, which need not be there.
        new: The folder that takes its place.
        manifest: Of the new one.

    Returns:
        A line for each engine.

    Raises:
        OSError: The disk is full.
    """
    source, target = old / ENGINES_FOLDER, new / ENGINES_FOLDER
    checks = []
    for engine in sorted(source.glob("*.engine")):
        try:
            sidecar = checked_sidecar(engine)
        except BundleDamagedError as error:
            checks.append(Check(f"{engine.name} is dropped", None, note=str(error)))
            continue
        if reason := why_not_of_bundle(sidecar.made_from, manifest):
            checks.append(Check(f"{engine.name} is dropped", None, note=reason))
            continue
        target.mkdir(exist_ok=True)
        _same_file(engine, target / engine.name)
        known = sidecar if sidecar.problems else sidecar.model_copy(update={"parity": None})
        write_text((target / engine.name).with_suffix(".json"), known.to_json())
        checks.append(Check(f"{engine.name} is kept", True, note="it is of the same graph"))
    for timing in sorted(source.glob("*.timing")):
        target.mkdir(exist_ok=True)
        _same_file(timing, target / timing.name)
    return checks


def _same_file(source: Path, target: Path) -> None:
    """Give a file a second name; where the disk has none, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
