"""Rows of burned-in text: as the configuration says, else as the pack was trained."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeclip.contract.pack import PackManifest
    from edgeclip_device.camera_settings import CameraSettings

log = logging.getLogger(__name__)


_KEYS = ("strip_top_px", "strip_bottom_px")


def strips_of(camera: CameraSettings, manifest: PackManifest) -> tuple[int, int]:
    """Return the rows to cut off at the top and at the bottom, px of the source.

    Args:
        camera: The table `[camera]`; its values win.
        manifest: Of the pack that decides.
    """
    asked: list[int | None] = [getattr(camera, key) for key in _KEYS]
    trained: list[int | None] = [getattr(manifest, key) for key in _KEYS]
    top, bottom = (
        (there or 0) if here is None else here for here, there in zip(asked, trained, strict=True)
    )
    return top, bottom


def warn_of_other_strips(camera: CameraSettings, manifest: PackManifest) -> None:
    """Log where the configuration differs from what the pack was trained on."""
    for key in _KEYS:
        asked: int | None = getattr(camera, key)
        trained: int | None = getattr(manifest, key)
        if asked is not None and trained is not None and asked != trained:
            log.warning(
                "[camera].%s = %d, but the pack was trained without %d rows there",
                key, asked, trained,
            )  # fmt: skip
