"""Figures that are no four-legged animal: ground birds, people, vehicles."""

from __future__ import annotations

from math import cos, sin

import numpy as np

from edgeclip.scenes.bodies import FAR_SIDE, Figure, Pose
from edgeclip.scenes.shapes import Color, Part, capsule, chain, closed_curve, ellipse

_SKINS: tuple[Color, ...] = ((224, 178, 146), (156, 108, 78), (92, 62, 46))
_CLOTHES: tuple[Color, ...] = (
    (60, 72, 46), (38, 52, 92), (150, 40, 36), (112, 94, 66), (46, 46, 48), (206, 196, 176),
)  # fmt: skip
_PAINTS: tuple[Color, ...] = (
    (226, 226, 222), (72, 86, 56), (142, 38, 34), (54, 62, 82), (182, 172, 148), (40, 40, 42),
)  # fmt: skip
_GLASS: Color = (70, 88, 98)
_TYRE: Color = (28, 28, 28)


def ground_bird(pose: Pose, _rng: np.random.Generator) -> Figure:
    """Return a guineafowl: round speckled body, thin legs, small bare blue and red head."""
    swing = pose.stride * sin(pose.phase)
    drop = pose.head_drop / 60
    head = (0.62 + 0.12 * drop, 1.18 - 0.55 * drop)
    body = closed_curve(
        [
            (-0.55, 0.42),
            (-0.3, 0.8),
            (0.1, 0.94),
            (0.45, 0.78),
            (0.5, 0.55),
            (0.2, 0.32),
            (-0.25, 0.3),
        ]
    )
    legs = [
        Part(o, tone, (92, 84, 78))
        for tone, x in ((FAR_SIDE, 0.08 - swing), (1.0, 0.02 + swing))
        for o in chain([(0.05, 0.36), (x - 0.04, 0.18), (x, 0.02), (x + 0.1, 0.02)], [0.035] * 4)
    ]
    parts = [
        *legs,
        Part(body),
        Part(capsule((0.42, 0.72), head, 0.13, 0.06), color=(64, 74, 110)),
        Part(ellipse(head, (0.1, 0.09)), color=(92, 128, 172)),
        Part(capsule((head[0], head[1] + 0.07), (head[0] - 0.05, head[1] + 0.18), 0.045, 0.02),
             color=(150, 112, 70)),
        Part(capsule((head[0] + 0.06, head[1]), (head[0] + 0.17, head[1] - 0.07), 0.04, 0.02),
             color=(196, 70, 54)),
    ]  # fmt: skip
    return Figure(tuple(parts), ((head[0] + 0.03, head[1] + 0.03),))


def person(pose: Pose, rng: np.random.Generator) -> Figure:
    """Return a walking person 1.0 tall, in clothes chosen by `rng`."""
    skin = _SKINS[rng.integers(len(_SKINS))]
    shirt, trousers, pack, hat = (_CLOTHES[i] for i in rng.integers(len(_CLOTHES), size=4))
    swing = 0.12 * sin(pose.phase) * min(pose.stride * 4, 1.3)

    def limb(tone: float, side: float) -> list[Part]:
        knee = (0.03 + side * 0.7, 0.26)
        foot = (side * 1.3, 0.03)
        return [
            *(Part(o, tone, trousers) for o in chain([(0, 0.5), knee, foot], [0.065, 0.05, 0.038])),
            Part(capsule(foot, (foot[0] + 0.07, 0.025), 0.032, 0.022), tone, (44, 36, 30)),
        ]

    def arm(tone: float, side: float) -> list[Part]:
        hand = (0.04 + side, 0.47 + abs(side) * 0.3)
        sleeve = chain([(0.0, 0.79), (-0.02 + side * 0.5, 0.62), hand], [0.045, 0.036, 0.028])
        return [
            *(Part(o, tone, shirt) for o in sleeve),
            Part(ellipse(hand, (0.03, 0.03)), tone, skin),
        ]

    parts = [*arm(FAR_SIDE, swing), *limb(FAR_SIDE, -swing), *limb(1.0, swing)]
    if rng.random() < 0.5:
        parts.append(Part(capsule((-0.1, 0.76), (-0.11, 0.58), 0.075, 0.08), color=pack))
    parts += [
        Part(capsule((0.0, 0.77), (0.0, 0.52), 0.095, 0.075), color=shirt),
        Part(capsule((0.0, 0.84), (0.015, 0.9), 0.035, 0.035), color=skin),
        Part(ellipse((0.02, 0.925), (0.055, 0.068)), color=skin),
        *arm(1.0, -swing),
    ]
    if rng.random() < 0.6:
        parts.append(Part(capsule((-0.05, 0.96), (0.1, 0.955), 0.02, 0.012), color=hat))
        parts.append(Part(ellipse((0.015, 0.975), (0.055, 0.03)), color=hat))
    else:
        parts.append(Part(ellipse((0.005, 0.96), (0.055, 0.04)), color=(36, 28, 24)))
    return Figure(tuple(parts), ((0.055, 0.935),))


def vehicle(pose: Pose, rng: np.random.Generator) -> Figure:
    """Return an off-road car 1.0 tall, seen from the side; its lamps shine in infrared."""
    paint = _PAINTS[rng.integers(len(_PAINTS))]
    cab = rng.uniform(0.5, 1.15)
    body = closed_curve(
        [(-1.15, 0.25), (-1.2, 0.58), (-1.1, 0.62), (1.1, 0.62), (1.24, 0.52), (1.25, 0.25)], 2
    )
    roof = np.array(
        [
            (-1.1 + 0.4 * (cab < 0.8), 0.6),
            (-1.02 + 0.4 * (cab < 0.8), 1.0),
            (0.3, 1.0),
            (0.62, 0.6),
        ],
        np.float32,
    )
    panes = [
        np.array(
            [(x, 0.64), (x + 0.03, 0.94), (x + wide, 0.94), (x + wide + 0.1, 0.64)], np.float32
        )
        for x, wide in ((-0.58, 0.3), (-0.16, 0.36))
    ]
    turn = pose.phase * 3
    wheels: list[Part] = []
    for x in (-0.72, 0.76):
        wheels += [
            Part(ellipse((x, 0.2), (0.21, 0.21)), color=_TYRE),
            Part(ellipse((x, 0.2), (0.1, 0.1)), color=(150, 150, 150)),
            Part(capsule((x, 0.2), (x + 0.1 * cos(turn), 0.2 + 0.1 * sin(turn)), 0.02, 0.02),
                 color=(60, 60, 60)),
        ]  # fmt: skip
    lamp = (1.2, 0.46)
    parts = [
        Part(roof, color=paint),
        Part(body, color=paint),
        *(Part(pane, color=_GLASS) for pane in panes),
        Part(capsule((-1.18, 0.3), (1.22, 0.3), 0.03, 0.03), color=(48, 48, 48)),
        Part(ellipse(lamp, (0.05, 0.06)), color=(240, 236, 210)),
        *wheels,
    ]
    return Figure(tuple(parts), (lamp,))
