"""Four-legged bodies: proportions and a walk cycle become outlines."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin

from edgeclip.scenes.shapes import (
    Color,
    Outline,
    Part,
    Point,
    bent_line,
    capsule,
    chain,
    closed_curve,
    ellipse,
)

FAR_SIDE = 0.72  # brightness of the limbs behind the body
_GAIT = (0.0, pi, 0.55 * pi, 1.55 * pi)  # near front, far front, near hind, far hind
NOSE = (38, 30, 28)


@dataclass(frozen=True)
class BodyPlan:
    """Proportions of a four-legged animal in shoulder heights, angles in degrees.

    Attributes:
        length: Hip to shoulder.
        hip: Height of the hip; below 1 the back slopes down to the tail, as a hyena's.
        depth: Of the chest.
        tuck: How far the belly rises towards the hip.
        arch: How far the middle of the back rises (negative: sags).
        leg: Radius of a leg at its top and at the foot.
        neck: Length, angle above the horizon, radius.
        head: Radius of the skull, length of the muzzle, radius of the muzzle.
        ear: Length and width; pointed unless `round_ears`.
        round_ears: Ears are discs.
        tail: Length, radius at the root, radius at the end.
        tail_angles: Directions of the tail's pieces; 180 points backward, 270 down.
    """

    length: float = 1.2
    hip: float = 1.0
    depth: float = 0.48
    tuck: float = 0.1
    arch: float = 0.0
    leg: tuple[float, float] = (0.1, 0.045)
    neck: tuple[float, float, float] = (0.4, 35, 0.17)
    head: tuple[float, float, float] = (0.15, 0.16, 0.08)
    ear: tuple[float, float] = (0.1, 0.07)
    round_ears: bool = True
    tail: tuple[float, float, float] = (0.8, 0.05, 0.03)
    tail_angles: tuple[float, ...] = (215, 250, 265, 240)


@dataclass(frozen=True)
class Pose:
    """How a figure stands at one moment.

    Attributes:
        phase: Of the walk cycle, radians.
        stride: Swing of the feet, shoulder heights; 0 stands.
        head_drop: Degrees the neck is lowered: 0 looks ahead, about 60 feeds.
    """

    phase: float = 0.0
    stride: float = 0.25
    head_drop: float = 0.0


@dataclass(frozen=True)
class Figure:
    """Outlines of a figure facing right; the ground is y = 0.

    Attributes:
        parts: From the farthest to the nearest.
        eyes: Centres of the eyes, which shine in infrared.
        head: Centre and radius of the head, for horns, manes and the like.
        neck_base: Where the neck leaves the back.
    """

    parts: tuple[Part, ...]
    eyes: tuple[Point, ...] = ()
    head: tuple[Point, float] = ((0.0, 0.0), 0.0)
    neck_base: Point = (0.0, 0.0)


def torso(plan: BodyPlan) -> Outline:
    """Return the outline of the trunk."""
    span, hip, belly = plan.length, plan.hip, 1 - plan.depth
    return closed_curve(
        [
            (-0.14, hip * 0.84),
            (-0.04, hip * 0.97),
            (0.28 * span, hip * 0.99 + plan.arch),
            (0.62 * span, (hip + 1) / 2 + plan.arch * 0.8),
            (0.94 * span, 1.0),
            (span + 0.15, 0.86),
            (span + 0.13, belly + 0.16),
            (0.88 * span, belly),
            (0.45 * span, belly + plan.tuck * 0.45),
            (0.16 * span, hip - plan.depth + plan.tuck),
            (-0.1, hip * 0.66),
        ]
    )


def leg(plan: BodyPlan, pose: Pose, index: int) -> list[Outline]:
    """Return one leg: 0 near front, 1 far front, 2 near hind, 3 far hind."""
    is_front = index < 2
    angle = pose.phase + _GAIT[index]
    root_x = plan.length * 0.94 if is_front else 0.02
    root_y = (1 - plan.depth * 0.55) if is_front else plan.hip - plan.depth * 0.45
    spread = 0.03 if index % 2 == 0 else 0.07  # so that standing legs do not hide each other
    foot_x = root_x + pose.stride * sin(angle) + (spread if is_front else -spread)
    lift = max(0.0, cos(angle)) * pose.stride * 0.45
    bend = -0.03 if is_front else -0.1
    knee = ((root_x + foot_x) / 2 + bend + lift * 0.4, root_y * 0.5 + lift * 0.3)
    if not is_front:
        knee = (knee[0], root_y * 0.42 + lift * 0.3)
    foot = (foot_x, plan.leg[1] * 0.9 + lift)
    top, low = plan.leg
    thigh = top * (1.0 if is_front else 1.25)
    outlines = chain([(root_x, root_y), knee, foot], [thigh, (top + low) / 2.2, low])
    outlines.append(capsule(foot, (foot[0] + low * 1.1, foot[1] - low * 0.2), low, low * 0.75))
    return outlines


def quadruped(plan: BodyPlan, pose: Pose) -> Figure:
    """Return the figure of a four-legged animal in a pose."""
    neck_length, neck_angle, neck_radius = plan.neck
    skull, muzzle, muzzle_radius = plan.head
    base = (plan.length * 0.98, 1 - neck_radius * 0.95)
    aim = radians(neck_angle - pose.head_drop)
    head = (base[0] + neck_length * cos(aim), base[1] + neck_length * sin(aim))
    face = radians(-18 - 0.6 * pose.head_drop)
    nose = (head[0] + (skull + muzzle) * cos(face), head[1] + (skull + muzzle) * sin(face))
    far = [Part(o, FAR_SIDE) for i in (1, 3) for o in leg(plan, pose, i)]
    near = [Part(o) for i in (0, 2) for o in leg(plan, pose, i)]
    body = [
        *(Part(o) for o in _tail(plan, pose)),
        *near,
        Part(torso(plan)),
        Part(capsule(base, head, neck_radius, skull * 0.92)),
        _ear(plan, head, 0.35, FAR_SIDE),
        Part(ellipse(head, (skull, skull * 0.95))),
        Part(capsule(head, nose, skull * 0.75, muzzle_radius)),
        Part(ellipse(nose, (muzzle_radius * 0.5, muzzle_radius * 0.5)), color=NOSE),
        _ear(plan, head, 0.0, 0.88),
    ]
    eye = (head[0] + skull * 0.45, head[1] + skull * 0.25)
    body.append(Part(ellipse(eye, (skull * 0.13, skull * 0.13)), color=(24, 18, 14)))
    return Figure((*far, *body), (eye,), (head, skull), base)


def _tail(plan: BodyPlan, pose: Pose) -> list[Outline]:
    length, root, end = plan.tail
    swing = 8 * sin(pose.phase)
    joints = bent_line(
        (-0.08, plan.hip * 0.9), length, [radians(a + swing) for a in plan.tail_angles]
    )
    count = len(joints)
    return chain(joints, [root + (end - root) * i / (count - 1) for i in range(count)])


def _ear(plan: BodyPlan, head: Point, forward: float, tone: float) -> Part:
    skull = plan.head[0]
    long, wide = plan.ear
    x = head[0] + skull * (forward - 0.35)
    y = head[1] + skull * 0.75
    if plan.round_ears:
        return Part(ellipse((x, y + long * 0.3), (wide, long * 0.75)), tone)
    tip = (x - 0.35 * long, y + long)
    return Part(closed_curve([(x - wide, y), tip, (x + wide, y)], 3), tone)


def tail_tip(plan: BodyPlan, pose: Pose, radius: float, color: Color) -> Part:
    """Return a tuft at the end of the tail."""
    length = plan.tail[0]
    swing = 8 * sin(pose.phase)
    joints = bent_line(
        (-0.08, plan.hip * 0.9), length, [radians(a + swing) for a in plan.tail_angles]
    )
    return Part(capsule(joints[-2], joints[-1], radius * 0.6, radius), color=color)
