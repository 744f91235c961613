"""Visits: many frames of one class become one detection with revisions.

A class is confirmed when N of the last M classified frames reach `on` and the best of them `peak`.
With 2 of 3 that is the same as a median of three >= `on`, frames that are missing counting as 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Generic, Literal, TypeVar

from edgeclip.contract.detection import Phase, new_id
from edgeclip.contract.pack import Thresholds
from edgeclip_device.config import VisitSettings

_BETTER = 0.02  # a best frame must rise by so much to be worth a revision

EndReason = Literal["quiet", "shutdown", "restart", "camera_fault"]
SightingT = TypeVar("SightingT")


@dataclass(frozen=True)
class Sighting(Generic[SightingT]):
    """One classified frame, seen from one class.

    Attributes:
        at_s: The frame's time.
        probability: Of the class, in [0, 1].
        what: What the detection needs of the frame.
    """

    at_s: float
    probability: float
    what: SightingT


@dataclass
class Visit(Generic[SightingT]):
    """One stay of one class before the camera.

    Attributes:
        frames: Classified frames since it began.
        agreeing: Those of them that reached `on`.
        last_at_s: When a frame last reached `off`.
        continued_from: The detection that it goes on from, after a very long stay.
    """

    detection_id: str
    class_name: str
    first: Sighting[SightingT]
    best: Sighting[SightingT]
    last: Sighting[SightingT]
    frames: int
    agreeing: int
    median: float
    rev: int = -1
    told_at_s: float = 0.0
    told_probability: float = 0.0
    ended_at_s: float | None = None
    continued_from: str | None = None

    def take(self, sighting: Sighting[SightingT], thresholds: Thresholds) -> None:
        """Count a frame."""
        self.frames += 1
        self.agreeing += sighting.probability >= thresholds.on
        if sighting.probability >= thresholds.off:
            self.last = sighting
        if sighting.probability > self.best.probability:
            self.best = sighting


@dataclass(frozen=True)
class Revision(Generic[SightingT]):
    """A revision of a visit that is to be committed; `visit` is a copy that does not change."""

    phase: Phase
    visit: Visit[SightingT]
    end_reason: EndReason | None = None


@dataclass
class _Track(Generic[SightingT]):
    """What is known of one class before one camera."""

    window: deque[Sighting[SightingT]]
    visit: Visit[SightingT] | None = None
    last_visit: Visit[SightingT] | None = None


@dataclass
class VisitTracker(Generic[SightingT]):
    """Follows the classes of one pack before one camera.

    Attributes:
        thresholds: By class name, as applied.
        settings: The table `[visits]`.
    """

    thresholds: Mapping[str, Thresholds]
    settings: VisitSettings
    _tracks: dict[str, _Track[SightingT]] = field(default_factory=dict)

    def take(
        self, class_name: str, sighting: Sighting[SightingT], wall_ms: int
    ) -> list[Revision[SightingT]]:
        """Return what a classified frame changes.

        Args:
            class_name: A class with thresholds.
            sighting: The frame, seen from this class.
            wall_ms: For a new detection's id.
        """
        track = self._track(class_name)
        self._remember(track, sighting)
        if track.visit is not None:
            return self._follow(class_name, track, sighting, wall_ms)
        if not self._is_confirmed(class_name, track):
            return []
        return [self._begin(class_name, track, wall_ms)]

    def expire(self, now_s: float) -> list[Revision[SightingT]]:
        """Return the visits that have been quiet for long enough.

        Args:
            now_s: The time of the newest frame, classified or not.
        """
        return [
            self._end(track, "quiet")
            for track in self._tracks.values()
            if track.visit is not None and now_s - track.visit.last.at_s >= self.settings.quiet_s
        ]

    def close(self, reason: EndReason) -> list[Revision[SightingT]]:
        """Return the end of every open visit."""
        ended = [self._end(track, reason) for track in self._tracks.values() if track.visit]
        for track in self._tracks.values():
            track.window.clear()  # what was seen before an interruption confirms nothing after it
        return ended

    def _track(self, class_name: str) -> _Track[SightingT]:
        if class_name not in self._tracks:
            self._tracks[class_name] = _Track(deque(maxlen=self.settings.of))
        return self._tracks[class_name]

    def _remember(self, track: _Track[SightingT], sighting: Sighting[SightingT]) -> None:
        track.window.append(sighting)
        while sighting.at_s - track.window[0].at_s > self.settings.quiet_s:
            track.window.popleft()  # frames of another visit do not vote on this one

    def _is_confirmed(self, class_name: str, track: _Track[SightingT]) -> bool:
        thresholds = self.thresholds[class_name]
        votes = [item.probability for item in track.window]
        agreeing = sum(vote >= thresholds.on for vote in votes)
        return agreeing >= self.settings.frames and max(votes) >= thresholds.peak

    def _begin(
        self, class_name: str, track: _Track[SightingT], wall_ms: int
    ) -> Revision[SightingT]:
        """Open a visit, or go on with the last one where it ended only just now."""
        last, newest = track.last_visit, track.window[-1]
        track.last_visit = None
        is_recent = (
            last is not None
            and last.ended_at_s is not None
            and newest.at_s - last.ended_at_s <= self.settings.cooldown_s
        )
        if last is not None and is_recent and not self._is_long(last, newest):
            track.visit = last
            last.ended_at_s = None
            last.take(newest, self.thresholds[class_name])
            return self._tell(last, "update")
        visit = track.visit = self._new_visit(class_name, track, wall_ms)
        if last is not None and is_recent:
            visit.continued_from = last.detection_id
        return self._tell(visit, "new")

    def _is_long(self, visit: Visit[SightingT], newest: Sighting[SightingT]) -> bool:
        """Say whether to alert anew: somebody may have missed the first one."""
        return newest.at_s - visit.first.at_s > self.settings.realert_s

    def _new_visit(
        self, class_name: str, track: _Track[SightingT], wall_ms: int
    ) -> Visit[SightingT]:
        window = list(track.window)
        thresholds = self.thresholds[class_name]
        agreeing = [item for item in window if item.probability >= thresholds.on]
        missing = [0.0] * (self.settings.of - len(window))
        return Visit(
            detection_id=new_id(wall_ms),
            class_name=class_name,
            first=agreeing[0],
            best=max(window, key=lambda item: item.probability),
            last=agreeing[-1],
            frames=len(window),
            agreeing=len(agreeing),
            median=median([item.probability for item in window] + missing),
        )

    def _follow(
        self, class_name: str, track: _Track[SightingT], sighting: Sighting[SightingT], wall_ms: int
    ) -> list[Revision[SightingT]]:
        visit = track.visit
        if visit is None:
            return []
        is_over = sighting.at_s - visit.last.at_s >= self.settings.quiet_s
        if not is_over:
            visit.take(sighting, self.thresholds[class_name])
        if is_over or self._is_long(visit, sighting):
            ended = self._end(track, "quiet")
            confirmed = self._is_confirmed(class_name, track)
            return [ended, self._begin(class_name, track, wall_ms)] if confirmed else [ended]
        is_better = visit.best.probability >= visit.told_probability + _BETTER
        is_time = sighting.at_s - visit.told_at_s >= self.settings.update_s
        return [self._tell(visit, "update")] if is_better and is_time else []

    def _tell(self, visit: Visit[SightingT], phase: Phase) -> Revision[SightingT]:
        visit.rev += 1
        visit.told_at_s = visit.last.at_s
        visit.told_probability = visit.best.probability
        return Revision(phase, replace(visit))

    def _end(self, track: _Track[SightingT], reason: EndReason) -> Revision[SightingT]:
        visit = track.visit
        if visit is None:
            raise ValueError("there is no visit to end")
        track.visit, track.last_visit = None, visit
        visit.ended_at_s = visit.last.at_s
        visit.rev += 1
        return Revision("end", replace(visit), reason)
