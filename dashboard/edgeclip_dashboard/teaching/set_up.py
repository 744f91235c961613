"""What of `[teaching]` keeps a class from being taught: told at the start and on the page."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from edgeclip.contract.bundle import read_bundle
from edgeclip.errors import EdgeclipError
from edgeclip_dashboard.config_teaching import TeachingSettings

NO_KEY: Final = (
    "Nothing can be taught here yet: make a key with `edgeclip-export keygen`, name it in"
    " [teaching].key_file, and its public half on the devices."
)


def wrong_path(settings: TeachingSettings) -> str | None:
    """Return which path of the table leads nowhere, and what to do; None where all are right.

    Files of a bundle are compared by their sizes, so that it takes milliseconds.
    """
    if settings.program is not None and shutil.which(settings.program) is None:
        return f"[teaching].program: {settings.program} is no program: check the path"
    return _wrong_bundle(settings.bundle) if settings.bundle is not None else None


def _wrong_bundle(bundle: Path) -> str | None:
    try:
        is_baked = read_bundle(bundle, check_hashes=False).baked
    except EdgeclipError as error:
        return f"[teaching].bundle: {error}"
    except OSError as error:
        return f"[teaching].bundle: {bundle} cannot be read ({error.strerror}): check the path"
    if is_baked:
        return (
            f"[teaching].bundle: {bundle} has its pack baked in, so that no class can be added:"
            " name one that was exported without --bake"
        )
    return None
