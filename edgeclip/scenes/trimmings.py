"""What single species wear beyond the four-legged body: horns, trunk, mane, quills, tusks."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, radians, sin

from edgeclip.scenes.bodies import BodyPlan, Figure, Pose, tail_tip
from edgeclip.scenes.shapes import Part, Point, bent_line, capsule, chain, closed_curve, ellipse

Trimming = Callable[[BodyPlan, Pose, Figure], list[Part]]

_HORN = (58, 48, 40)
_IVORY = (226, 216, 190)
_DARK = (52, 38, 28)


def _curve(
    start: Point,
    length: float,
    degrees: tuple[float, ...],
    radius: float,
    color: tuple[int, int, int],
) -> list[Part]:
    joints = bent_line(start, length, [radians(a) for a in degrees])
    radii = [radius * (1 - 0.8 * i / (len(joints) - 1)) for i in range(len(joints))]
    return [Part(o, color=color) for o in chain(joints, radii)]


def lyre_horns(_plan: BodyPlan, _pose: Pose, figure: Figure) -> list[Part]:
    """Return the long, bent horns of a ram."""
    (x, y), skull = figure.head
    start = (x - 0.1 * skull, y + 0.8 * skull)
    return [
        *_curve((start[0] + 0.05, start[1]), 0.62, (60, 115, 130, 85, 60), 0.026, _HORN),
        *_curve(start, 0.62, (75, 130, 140, 95, 70), 0.03, _HORN),
    ]


def short_horns(_plan: BodyPlan, _pose: Pose, figure: Figure) -> list[Part]:
    """Return two straight, short horns."""
    (x, y), skull = figure.head
    return _curve((x - 0.1 * skull, y + 0.8 * skull), 0.2, (125, 130), 0.025, _HORN)


def trunk_and_tusks(_plan: BodyPlan, pose: Pose, figure: Figure) -> list[Part]:
    """Return an elephant's trunk, tusk and great ear."""
    (x, y), skull = figure.head
    swing = 8 * sin(pose.phase)
    joints = bent_line(
        (x + skull * 0.7, y - skull * 0.2), 0.72, [radians(a + swing) for a in (290, 272, 268, 300)]
    )
    ear = closed_curve(
        [
            (x - 0.05, y + 0.18),
            (x - 0.32, y + 0.1),
            (x - 0.38, y - 0.16),
            (x - 0.22, y - 0.36),
            (x - 0.08, y - 0.12),
        ]
    )
    return [
        *(Part(o, 0.95) for o in chain(joints, [0.12, 0.09, 0.07, 0.055, 0.045])),
        *_curve((x + skull * 0.6, y - skull * 0.7), 0.3, (-50, -25, 0), 0.035, _IVORY),
        Part(ear, 0.8),
    ]


def boar_head(_plan: BodyPlan, _pose: Pose, figure: Figure) -> list[Part]:
    """Return a warthog's curved tusks and the mane along its back."""
    (x, y), skull = figure.head
    bx, by = figure.neck_base
    mane = closed_curve(
        [
            (x, y + skull * 0.9),
            (bx, by + 0.3),
            (bx - 0.5, by + 0.2),
            (bx - 0.7, by + 0.06),
            (bx, by),
        ]
    )
    tusk = (x + skull * 1.1, y - skull * 0.75)
    return [
        Part(mane, color=(70, 52, 40)),
        *_curve(tusk, 0.2, (-10, 40, 100), 0.035, _IVORY),
        *_curve((tusk[0] - 0.06, tusk[1]), 0.15, (0, 60, 120), 0.03, _IVORY),
    ]


def upright_mane(_plan: BodyPlan, _pose: Pose, figure: Figure) -> list[Part]:
    """Return the stiff mane of a zebra, and its dark muzzle."""
    (x, y), skull = figure.head
    bx, by = figure.neck_base
    mane = closed_curve(
        [
            (x, y + skull),
            (x - 0.14, y + skull),
            (bx - 0.24, by + 0.14),
            (bx - 0.16, by),
            (x - 0.1, y),
        ]
    )
    return [Part(mane, color=(46, 40, 36))]


def lion_mane(_plan: BodyPlan, _pose: Pose, figure: Figure) -> list[Part]:
    """Return a dark mane around neck and head; the face lies over it."""
    (x, y), skull = figure.head
    bx, by = figure.neck_base
    return [
        Part(capsule((bx, by - 0.08), (x - 0.04, y), 0.3, skull * 1.45), color=(112, 72, 38)),
        Part(capsule((x + skull * 0.3, y), (x + skull * 1.4, y - 0.08), skull * 0.75, 0.08)),
        Part(ellipse((x + skull * 0.6, y + skull * 0.25), (0.02, 0.02)), color=(24, 18, 14)),
    ]


def tail_tuft(plan: BodyPlan, pose: Pose, _figure: Figure) -> list[Part]:
    """Return a dark tuft at the end of the tail."""
    return [tail_tip(plan, pose, 0.06, _DARK)]


def nape_crest(_plan: BodyPlan, _pose: Pose, figure: Figure) -> list[Part]:
    """Return a hyena's rough crest and dark muzzle."""
    (x, y), skull = figure.head
    bx, by = figure.neck_base
    crest = closed_curve(
        [(x - 0.1, y + skull), (bx, by + 0.24), (bx - 0.34, by + 0.16), (bx - 0.3, by), (bx, by)]
    )
    muzzle = ellipse((x + skull * 1.5, y - skull * 0.6), (0.11, 0.09))
    return [Part(crest, 0.75), Part(muzzle, color=(64, 52, 44))]


def quills(plan: BodyPlan, pose: Pose, _figure: Figure) -> list[Part]:
    """Return a porcupine's fan of black and white quills."""
    parts = []
    count = 46
    for i in range(count):
        share = i / (count - 1)
        root = (plan.length * (0.95 - 0.95 * share), 0.86 + 0.14 * sin(pi * share))
        aim = radians(105 + 62 * share + 5 * sin(i * 2.4 + pose.phase))
        long = 0.5 + 0.28 * sin(pi * (0.25 + 0.7 * share))
        for band in range(4):
            start, end = (long * band / 4, long * (band + 1) / 4)
            color = (235, 230, 220) if band % 2 else (30, 26, 24)
            parts.append(
                Part(
                    capsule(
                        (root[0] + start * cos(aim), root[1] + start * sin(aim)),
                        (root[0] + end * cos(aim), root[1] + end * sin(aim)),
                        0.022,
                        0.014,
                    ),
                    color=color,
                )
            )
    return parts


def face_mask(_plan: BodyPlan, _pose: Pose, figure: Figure) -> list[Part]:
    """Return a baboon's bare dark face and brow."""
    (x, y), skull = figure.head
    return [
        Part(
            capsule((x + skull, y - 0.05), (x + skull * 2.1, y - 0.2), 0.1, 0.08),
            color=(58, 48, 46),
        ),
        Part(ellipse((x - 0.1, y - 0.1), (skull * 1.1, skull * 1.25))),
    ]
