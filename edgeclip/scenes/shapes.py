"""Outlines that figures are made of, in body units: x forward, y up, shoulder height 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float32]
Point = tuple[float, float]
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Part:
    """One filled outline of a figure; later parts lie over earlier ones.

    Attributes:
        outline: `(N, 2)` float32, body units, closed.
        tone: Brightness, 1 is full; limbs on the far side are darker.
        color: RGB 0..255, or None where the coat's pattern shows.
    """

    outline: Outline
    tone: float = 1.0
    color: Color | None = None


def ellipse(centre: Point, radii: Point, angle: float = 0.0, points: int = 16) -> Outline:
    """Return an ellipse, turned by `angle` radians against the clock."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x, y = radii[0] * np.cos(t), radii[1] * np.sin(t)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y], 1).astype(
        np.float32
    )


def capsule(start: Point, end: Point, start_radius: float, end_radius: float) -> Outline:
    """Return the hull of two discs: a limb between two joints."""
    discs = [
        ellipse(start, (start_radius, start_radius), points=12),
        ellipse(end, (end_radius, end_radius), points=12),
    ]
    return np.asarray(cv2.convexHull(np.concatenate(discs)).reshape(-1, 2), np.float32)


def chain(joints: Sequence[Point], radii: Sequence[float]) -> list[Outline]:
    """Return a capsule between each two neighbours of `joints`: a leg, tail or trunk."""
    return [
        capsule(joints[i], joints[i + 1], radii[i], radii[i + 1]) for i in range(len(joints) - 1)
    ]


def closed_curve(points: Sequence[Point], steps: int = 6) -> Outline:
    """Return a smooth closed line through `points` (Catmull-Rom), `steps` vertices a span."""
    p = np.asarray(points, np.float32)
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    spans = []
    for t in np.arange(steps, dtype=np.float32) / steps:
        spans.append(
            0.5
            * (
                2 * p
                + (after - before) * t
                + (2 * before - 5 * p + 4 * after - beyond) * t**2
                + (3 * p - before - 3 * after + beyond) * t**3
            )
        )
    return np.stack(spans, 1).reshape(-1, 2).astype(np.float32)


def bent_line(start: Point, length: float, angles: Sequence[float]) -> list[Point]:
    """Return the joints of a line whose equal pieces point along `angles` (radians)."""
    joints = [start]
    for angle in angles:
        x, y = joints[-1]
        step = length / len(angles)
        joints.append((x + step * float(np.cos(angle)), y + step * float(np.sin(angle))))
    return joints
