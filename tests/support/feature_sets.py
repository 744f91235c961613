"""Detections with the image features that the demo's encoder gives rendered scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edgeclip.clip import Backbone
from edgeclip.contract.detection import Detection, Gate, MediaRef
from edgeclip.contract.encoder_view import Heat, ImageFeatures
from edgeclip.contract.preprocess import prepare
from edgeclip.scenes.image_sets import Frame, ImageSetPlan, frames
from support.dashboards import sample


@dataclass(frozen=True)
class Told:
    """A detection as a device would tell it, and its picture."""

    detection: Detection
    jpeg: bytes


def told_scenes(backbone: Backbone, plan: ImageSetPlan) -> Iterator[Told]:
    """Yield a detection for each image of a plan.

    Args:
        backbone: Whose features they carry.
        plan: Of rendered scenes; each label but `blank`.
    """
    for label in plan.counts:
        for number, frame in enumerate(frames(plan, label), 1):
            yield _told(backbone, label, frame, number)


def _told(backbone: Backbone, label: str, frame: Frame, number: int) -> Told:
    image = frame.scene.image
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("OpenCV could not write a JPEG")
    data = encoded.tobytes()
    height, width = image.shape[:2]
    ref = MediaRef(
        n=0,
        kind="full",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        width=width,
        height=height,
    )
    box = frame.scene.boxes[-1]
    _, features = backbone.embed_images(prepare(image, backbone.preprocess, box)[None])
    vector = np.asarray(features[0].numpy(), np.float32)
    is_night = frame.spec.light.kind == "infrared"
    gate = Gate(
        algorithm="average",
        changed_pct=3.0,
        blob_pct=2.0,
        boxes=[box],
        illumination="ir" if is_night else "day",
        forced=False,
    )
    x, y, w, h = box
    cells = np.zeros((8, 8), np.uint8)
    cells[int(8 * (y + h / 2)), int(8 * (x + w / 2))] = 255
    detection = sample(
        class_name=label,
        seq=number,
        epoch=_epoch(label),
        deployment_id="night-post" if is_night else "day-post",
        gate=gate,
        media=[ref],
        features=ImageFeatures.of(vector, backbone.base.weights_sha256, "crop"),
        heat=Heat.of(cells, "full", (0, 0, 1, 1)),
    )
    return Told(detection, data)


def _epoch(label: str) -> str:
    """Return an outbox of its own for each label, so that rows are numbered from 1."""
    digits = hashlib.sha256(label.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
