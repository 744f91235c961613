"""Rows of burned-in text: as the configuration says, else as the pack was trained."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeclip.contract.pack import PackManifest
    from edgeclip_device.camera_settings import CameraSettings

log = logging.getLogger(__name__)


def strips_of(camera: CameraSettings, manifest: PackManifest) -> tuple[int, int]:
    """Return the rows to cut off at the top and at the bottom, px of the source.

    Args:
        camera: The table `[camera]`; its values win, and a difference is logged.
        manifest: Of the pack that decides.
    """
    found = []
    for name in ("strip_top_px", "strip_bottom_px"):
        asked: int | None = getattr(camera, name)
        trained: int | None = getattr(manifest, name)
        if asked is not None and trained is not None and asked != trained:
            log.warning(
                "[camera].%s = %d, but the pack was trained without %d rows there",
                name, asked, trained,
            )  # fmt: skip
        found.append(trained or 0 if asked is None else asked)
    return found[0], found[1]
