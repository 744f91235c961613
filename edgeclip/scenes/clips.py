"""Video clips with known truth: wind-blown plants, and visits that begin and end when told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np

from edgeclip.contract.files import write_text
from edgeclip.errors import ConfigError, SetupError
from edgeclip.scenes.bodies import Pose
from edgeclip.scenes.clip_truth import ClipTruth, SeenBox, Visit, truth_path
from edgeclip.scenes.light import Light
from edgeclip.scenes.locations import location
from edgeclip.scenes.scene import DEFAULT_SIZE, Scene, render
from edgeclip.scenes.species import SPECIES
from edgeclip.scenes.subjects import SceneSpec, Subject
from edgeclip.scenes.walking import step_phase

_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
_LEAFY, _OPEN = 9006, 9003  # chosen by eye: many plants near the lens; an open view
_OUTSIDE = 0.06  # frame widths that a figure's middle is beyond the edge at both ends of a visit
_NOON = datetime(2024, 5, 12, 11, 40, tzinfo=timezone.utc)
_NIGHT = datetime(2024, 5, 12, 21, 34, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Entry:
    """A figure that crosses the frame.

    Attributes:
        species: A name of `SPECIES`.
        enter_s: When it appears at one side.
        leave_s: When it has gone at the other side.
        height: Shoulder height, part of the frame's height.
        faces_left: It walks from right to left.
        individual: Seed of coat marks, clothes or paint.
    """

    species: str
    enter_s: float
    leave_s: float
    height: float = 0.36
    faces_left: bool = False
    individual: int = 1


@dataclass(frozen=True)
class ClipScript:
    """What a clip shows.

    Attributes:
        location_seed: Camera place.
        night: Infrared; else day.
        wind: 0 calm .. 1 strong.
        duration_s: Length.
        fps: Frames a second.
        entries: Who crosses; empty for plants alone.
        sun: Strength of sun spots by day, 0..1.
        seed: Of the sensor noise.
        size: `(H, W)`, px.
    """

    location_seed: int = 3
    night: bool = False
    wind: float = 0.9
    duration_s: float = 12.0
    fps: float = 8.0
    entries: tuple[Entry, ...] = field(default=())
    sun: float = 0.6
    seed: int = 0
    size: tuple[int, int] = DEFAULT_SIZE

    def check(self) -> None:
        """Refuse a script that cannot be rendered.

        Raises:
            ConfigError: A species is unknown, or a number is out of range.
        """
        if self.duration_s <= 0 or self.fps <= 0 or self.frame_count < 1:
            raise ConfigError(
                f"duration_s is {self.duration_s} at fps {self.fps}: give at least one frame"
            )
        for entry in self.entries:
            if entry.species not in SPECIES:
                raise ConfigError(
                    f"entries: {entry.species!r} cannot be rendered: use {', '.join(SPECIES)}"
                )
            if entry.leave_s <= entry.enter_s:
                raise ConfigError(
                    f"entries: {entry.species} enters at {entry.enter_s} s and leaves at"
                    f" {entry.leave_s} s: leave later"
                )

    @property
    def frame_count(self) -> int:
        """How many frames the clip has."""
        return round(self.duration_s * self.fps)


def foliage_clip(duration_s: float = 12.0) -> ClipScript:
    """Return a script of wind-blown plants and sun spots by day, without any animal."""
    return ClipScript(location_seed=_LEAFY, wind=1.0, duration_s=duration_s, sun=0.8)


def leopard_night_clip(duration_s: float = 14.0) -> ClipScript:
    """Return a script of plants at night in infrared, and a leopard that crosses for 8 s."""
    return ClipScript(
        location_seed=_LEAFY, night=True, wind=0.6, duration_s=duration_s,
        entries=(Entry("leopard", 3.0, 11.0),),
    )  # fmt: skip


def leopard_day_clip(duration_s: float = 14.0) -> ClipScript:
    """Return the script of a leopard that crosses by day."""
    return ClipScript(
        location_seed=_OPEN, wind=0.3, duration_s=duration_s,
        entries=(Entry("leopard", 3.0, 11.0, faces_left=True),),
    )  # fmt: skip


def person_clip(duration_s: float = 12.0) -> ClipScript:
    """Return the script of a person who crosses by day."""
    return ClipScript(
        location_seed=_OPEN, wind=0.3, duration_s=duration_s,
        entries=(Entry("person", 2.0, 9.0, height=0.6),),
    )  # fmt: skip


SCENES: Mapping[str, Callable[[], ClipScript]] = {
    "foliage": foliage_clip,
    "leopard-night": leopard_night_clip,
    "leopard-day": leopard_day_clip,
    "person": person_clip,
}


def scene_script(name: str) -> ClipScript:
    """Return a ready script by its name.

    Raises:
        ConfigError: There is no such scene.
    """
    if name not in SCENES:
        raise ConfigError(f"--scene {name!r} is not known: there are {', '.join(SCENES)}")
    return SCENES[name]()


def frame_spec(script: ClipScript, index: int) -> SceneSpec:
    """Return the specification of one frame of a script."""
    time_s = index / script.fps
    light = Light("infrared") if script.night else Light("day", sun=script.sun)
    present = (e for e in script.entries if e.enter_s <= time_s <= e.leave_s)
    return SceneSpec(
        location=script.location_seed,
        light=light,
        subjects=tuple(_walker(entry, time_s, script) for entry in present),
        wind=script.wind,
        time_s=time_s,
        at=(_NIGHT if script.night else _NOON) + timedelta(seconds=int(time_s)),
        temperature_c=14 if script.night else 27,
        seed=script.seed * 1_000_003 + index,
    )


def _walker(entry: Entry, time_s: float, script: ClipScript) -> Subject:
    share = (time_s - entry.enter_s) / (entry.leave_s - entry.enter_s)
    kind = SPECIES[entry.species]
    subject = Subject(
        entry.species, height=entry.height, faces_left=entry.faces_left, individual=entry.individual
    )
    place = location(script.location_seed)
    body = place.pixels_per_m(subject.distance_m(place, script.size), script.size[1])
    reach = 0.9 * kind.height_m * body / script.size[1] + _OUTSIDE
    way = share * (1 + 2 * reach)
    x = 1 + reach - way if entry.faces_left else -reach + way
    heights = way * script.size[1] / (entry.height * script.size[0])
    pose = Pose(step_phase(heights, kind.strides), kind.strides, 5.0)
    return replace(subject, x=x, pose=pose)


def write_clip(path: Path, *, script: ClipScript, overwrite: bool = False) -> ClipTruth:
    """Render a clip and its truth.

    Args:
        path: `.mp4` (MPEG-4 part 2) or `.avi` (Motion JPEG).
        script: What to show.
        overwrite: Whether a clip that is there already is replaced.

    Returns:
        The truth, also stored beside the clip.

    Raises:
        ConfigError: The script cannot be rendered, the suffix is neither, or a file is there.
        SetupError: OpenCV cannot write such a video on this machine.
    """
    script.check()
    if path.suffix not in _CODECS:
        raise ConfigError(f"{path}: no video format of ours: name it .mp4 or .avi")
    taken = [file for file in (path, truth_path(path)) if file.exists()]
    if taken and not overwrite:
        raise ConfigError(f"{taken[0]} is there already: choose another name, or add --overwrite")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".clip.") as folder:
        unfinished = Path(folder) / path.name
        truth = _truth(path.name, script, _write_frames(unfinished, script))
        unfinished.replace(path)
    write_text(truth_path(path), truth.model_dump_json(indent=1) + "\n")
    return truth


def _write_frames(path: Path, script: ClipScript) -> list[Scene]:
    """Write the video; return its scenes without their pixels."""
    height, width = script.size
    codec = cv2.VideoWriter.fourcc(*_CODECS[path.suffix])
    video = cv2.VideoWriter(str(path), codec, script.fps, (width, height))
    if not video.isOpened():
        raise SetupError(
            f"{path.name}: this OpenCV cannot write {path.suffix}: try the other suffix"
        )
    scenes = []
    try:
        for index in range(script.frame_count):
            scene = render(frame_spec(script, index), size=script.size)
            video.write(np.ascontiguousarray(scene.image[..., ::-1]))
            scenes.append(replace(scene, image=scene.image[:0]))
    finally:
        video.release()
    return scenes


def _truth(name: str, script: ClipScript, scenes: list[Scene]) -> ClipTruth:
    frames = tuple(
        tuple(
            SeenBox(label=label, box=box, visible=visible)
            for label, box, visible in zip(s.labels, s.boxes, s.visible, strict=True)
        )
        for s in scenes
    )
    return ClipTruth(
        clip=name,
        width=script.size[1],
        height=script.size[0],
        fps=script.fps,
        location=location(script.location_seed).name,
        light="infrared" if script.night else "day",
        wind=script.wind,
        frames=frames,
        visits=tuple(_visits(script, frames)),
    )


def _visits(script: ClipScript, frames: tuple[tuple[SeenBox, ...], ...]) -> list[Visit]:
    visits = []
    for entry in script.entries:
        seen = [
            index
            for index, boxes in enumerate(frames)
            if entry.enter_s <= index / script.fps <= entry.leave_s
            and any(box.label == entry.species for box in boxes)
        ]
        if seen:
            first, last = seen[0], seen[-1]
            visits.append(
                Visit(
                    label=entry.species, first_frame=first, last_frame=last,
                    start_s=first / script.fps, end_s=last / script.fps,
                )
            )  # fmt: skip
    return visits
