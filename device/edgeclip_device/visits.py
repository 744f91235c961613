"""Visits: many frames of one class become one detection with revisions.

A class is confirmed by a vote of the last M classified frames on calibrated probabilities, never by
the likeliest class of one: median >= `on`, 60 % of the frames agreeing, best frame >= `peak`; or at
once by one frame that is almost certain. Voting over a series is what made labels trustworthy in
Whytock et al. 2021. A visit whose frames turn out to be mostly another class is retracted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Generic

from edgeclip.contract.detection import Phase, new_id
from edgeclip_device.visit_records import EndReason, Revision, Sighting, SightingT, Track, Visit
from edgeclip_device.visit_settings import VisitSettings

_BETTER = 0.02  # a best frame must rise by so much to be worth a revision
_CONTRADICTED = 0.6  # of a visit's frames are surely another class: it was one from the start
_CERTAIN, _CERTAIN_MARGIN = 0.98, 0.9


@dataclass
class VisitTracker(Generic[SightingT]):
    """Follows the classes that one camera's packs decide on.

    Attributes:
        settings: The table `[visits]`.
    """

    settings: VisitSettings
    _tracks: dict[str, Track[SightingT]] = field(default_factory=dict)
    _retracted: tuple[str, float] | None = None

    def take(
        self, sightings: Mapping[str, Sighting[SightingT]], wall_ms: int
    ) -> list[Revision[SightingT]]:
        """Return what a classified frame changes, retractions first.

        Args:
            sightings: The frame, seen from each class that is decided on, by class name.
            wall_ms: For new detections' ids.
        """
        found = []
        for name, sighting in sightings.items():
            found += self._retract(self._track(name), sighting)
        for name, sighting in sightings.items():
            found += self._take(name, self._track(name), sighting, wall_ms)
        return found

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

    def _track(self, class_name: str) -> Track[SightingT]:
        if class_name not in self._tracks:
            self._tracks[class_name] = Track(deque(maxlen=self.settings.of))
        return self._tracks[class_name]

    def _take(
        self,
        class_name: str,
        track: Track[SightingT],
        sighting: Sighting[SightingT],
        wall_ms: int,
    ) -> list[Revision[SightingT]]:
        track.remember(sighting, self.settings.quiet_s)
        if track.visit is not None:
            return self._follow(class_name, track, sighting, wall_ms)
        return [self._begin(class_name, track, wall_ms)] if self._is_confirmed(track) else []

    def _is_confirmed(self, track: Track[SightingT]) -> bool:
        window, settings = track.window, self.settings
        newest = window[-1]
        peak = max(item.probability for item in window)
        if peak < newest.thresholds.peak or not any(item.agrees for item in window):
            return False
        certain = newest.probability >= _CERTAIN and newest.margin >= _CERTAIN_MARGIN
        if settings.fast_path and certain:
            return True
        agreeing = sum(item.agrees for item in window)
        return (
            len(window) >= settings.frames
            and median(item.probability for item in window) >= newest.thresholds.on
            and 100 * agreeing >= settings.agreeing_pct * len(window)
        )

    def _begin(self, class_name: str, track: Track[SightingT], wall_ms: int) -> Revision[SightingT]:
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
            last.take(newest)
            return self._tell(last, "update", newest.at_s)
        visit = track.visit = track.new_visit(new_id(wall_ms), class_name)
        visit.continued_from = last.detection_id if last and is_recent else self._mistaken(newest)
        return self._tell(visit, "new", newest.at_s)

    def _mistaken(self, newest: Sighting[SightingT]) -> str | None:
        """Return the detection that was retracted just before: this one takes its place."""
        detection_id, at_s = self._retracted or ("", -float("inf"))
        self._retracted = None
        return detection_id if newest.at_s - at_s <= self.settings.quiet_s else None

    def _is_long(self, visit: Visit[SightingT], newest: Sighting[SightingT]) -> bool:
        """Say whether to alert anew: somebody may have missed the first one."""
        return newest.at_s - visit.first.at_s > self.settings.realert_s

    def _follow(
        self,
        class_name: str,
        track: Track[SightingT],
        sighting: Sighting[SightingT],
        wall_ms: int,
    ) -> list[Revision[SightingT]]:
        visit = track.visit
        if visit is None:
            return []
        is_over = sighting.at_s - visit.last.at_s >= self.settings.quiet_s
        if not is_over:
            visit.take(sighting)
        if is_over or self._is_long(visit, sighting):
            ended = self._end(track, "quiet")
            confirmed = self._is_confirmed(track)
            return [ended, self._begin(class_name, track, wall_ms)] if confirmed else [ended]
        silent_s = sighting.at_s - visit.told_at_s
        is_better = visit.best.probability >= visit.told_probability + _BETTER
        is_worth = is_better and silent_s >= self.settings.update_s
        if is_worth or (silent_s >= self.settings.silence_s and sighting.supports):
            return [self._tell(visit, "update", sighting.at_s)]
        return []

    def _retract(
        self, track: Track[SightingT], sighting: Sighting[SightingT]
    ) -> list[Revision[SightingT]]:
        """Take back a visit whose frames, with this one, are mostly another class."""
        visit = track.visit
        if visit is None or self.settings.of == 1:
            return []
        frames = visit.frames + 1
        contradicting = visit.contradicting + sighting.contradicts
        if frames < self.settings.of or contradicting < _CONTRADICTED * frames:
            return []
        visit.take(sighting)
        track.visit, track.last_visit = None, None
        track.window.clear()
        visit.rev += 1
        self._retracted = (visit.detection_id, sighting.at_s)
        return [Revision("retract", replace(visit))]

    def _tell(self, visit: Visit[SightingT], phase: Phase, at_s: float) -> Revision[SightingT]:
        visit.rev += 1
        visit.told_at_s = at_s
        visit.told_probability = visit.best.probability
        return Revision(phase, replace(visit))

    def _end(self, track: Track[SightingT], reason: EndReason) -> Revision[SightingT]:
        visit = track.visit
        if visit is None:
            raise ValueError("there is no visit to end")
        track.visit, track.last_visit = None, visit
        visit.ended_at_s = visit.last.at_s
        visit.rev += 1
        return Revision("end", replace(visit), reason)
