"""Figures that move: where a walker is after some seconds, in which step."""

from __future__ import annotations

from dataclasses import replace
from math import pi

from edgeclip.scenes.locations import Location
from edgeclip.scenes.subjects import Subject

_STEP_M = {"small": 0.35, "medium-sized": 0.7, "large": 0.9}  # metres a second at an easy walk


def step_phase(travelled_heights: float, stride: float) -> float:
    """Return the phase (radians) of the walk cycle after a way, so that feet do not slide.

    Args:
        travelled_heights: Way since the start, shoulder heights.
        stride: Swing of the feet, shoulder heights; 0 stands still.
    """
    return 2 * pi * travelled_heights / (4 * stride) if stride > 0 else 0.0


def walked(subject: Subject, place: Location, seconds: float, size: tuple[int, int]) -> Subject:
    """Return a subject some seconds later, at the easy walk of its kind.

    Args:
        subject: As it is now; one with a small stride has moved less.
        place: Decides how many pixels a metre has.
        seconds: Time that passes.
        size: `(H, W)` of the frame, px.
    """
    kind = subject.kind
    pace = min(subject.pose.stride / kind.strides, 1.0)
    metres = _STEP_M[kind.size] * pace * seconds
    moved = metres * place.pixels_per_m(subject.distance_m(place, size), size[1]) / size[1]
    turn = step_phase(metres / kind.height_m, subject.pose.stride)
    return replace(
        subject,
        x=subject.x + (-moved if subject.faces_left else moved),
        pose=replace(subject.pose, phase=subject.pose.phase + turn),
    )
