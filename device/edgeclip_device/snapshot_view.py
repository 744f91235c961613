"""What of a frame may leave the device on request: without strips, and without people."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.errors import BackendError
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import DeviceSettings
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.privacy import Privacy
from edgeclip_device.strips import strips_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SnapshotView:
    """Looks for people before a snapshot leaves.

    Attributes:
        settings: Camera, deployment, strips.
        router: The packs.
        classifier: With them.
        privacy: The table `[privacy]`.
    """

    settings: DeviceSettings
    router: PackRouter
    classifier: Classifier
    privacy: Privacy

    def visible(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return what may be shown of a frame, or None for nothing.

        Args:
            image: `(H, W, 3)` uint8, RGB, with its strips.
        """
        top, bottom = strips_of(self.settings.camera, self.router.packs[0].manifest)
        cut = image[top : image.shape[0] - bottom]
        facts = {
            "camera": self.settings.camera.camera_id,
            "deployment": self.settings.deployment_id,
        }
        try:
            answers = self.classifier.classify(cut, None, facts)
        except BackendError as error:
            log.error("a snapshot is withheld, for nobody knows who is in it: %s", error)
            return None
        return self.privacy.visible(cut, shows_person=self.privacy.shows_person(answers))
