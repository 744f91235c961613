"""What a ranger would have got: visits and alerts after the cooldown, and false ones a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from edgeclip.evaluation.images import JudgedImages

COOLDOWN = timedelta(seconds=120)  # the device's default: a sighting within extends the last one
_LEAST_TIMED = 0.8  # share of the images with place and time; below, a rate would be a guess


@dataclass(frozen=True)
class AlertFigures:
    """One target, as alerts of one camera each.

    Attributes:
        visits: Stays of the target: its images at one camera with gaps up to the cooldown.
        visits_found: Those that raised at least one alert.
        alerts: Raised: images that were called, at one camera with gaps up to the cooldown.
        true_alerts: Those in which the target really is in an image that was called.
        camera_days: Days on which a camera took at least one image, summed over the cameras.
        images: Images with place and time, that these figures rest on.
        to_alert_s: Of each visit that was found, seconds from its first image to the first that
            was called.
    """

    visits: int
    visits_found: int
    alerts: int
    true_alerts: int
    camera_days: int
    images: int
    to_alert_s: tuple[float, ...] = ()

    @property
    def false_alarms_per_camera_day(self) -> float:
        """Alerts without the target a camera and day."""
        return (self.alerts - self.true_alerts) / self.camera_days

    def time_to_alert_s(self, share: float) -> float:
        """Return the seconds within which a share of the found visits was told; nan without any.

        Args:
            share: 0 to 1; 0.5 is the median.
        """
        return float(np.quantile(self.to_alert_s, share)) if self.to_alert_s else float("nan")

    @property
    def precision(self) -> float:
        """Share of true alerts; nan where there is no alert."""
        return self.true_alerts / self.alerts if self.alerts else float("nan")

    @property
    def recall(self) -> float:
        """Share of visits that were found; nan where there is no visit."""
        return self.visits_found / self.visits if self.visits else float("nan")

    @property
    def alerts_per_found_visit(self) -> float:
        """How often one visit was told; nan where none was found."""
        return self.true_alerts / self.visits_found if self.visits_found else float("nan")


def alert_figures(
    judged: JudgedImages, called: NDArray[np.bool_], is_target: NDArray[np.bool_]
) -> AlertFigures | None:
    """Return the figures of one target, or None where too few images have place and time.

    The days on which a camera stood without taking an image are not known, so that the rate of
    false alarms a day is rather too high than too low.

    Args:
        judged: n images.
        called: `(n,)`: the target's probability reaches its threshold and wins.
        is_target: `(n,)`: it is really there.
    """
    cameras: dict[tuple[str, str | None], list[tuple[datetime, int]]] = defaultdict(list)
    for row, image in enumerate(judged.images):
        if image.location is not None and image.captured_at is not None:
            cameras[image.location, image.camera].append((image.captured_at, row))
    timed = sum(map(len, cameras.values()))
    if not timed or timed < _LEAST_TIMED * len(judged.images):
        return None
    alerts, visits = [], []
    for frames in cameras.values():
        ordered = sorted(frames)
        alerts += _stays([(at, row) for at, row in ordered if called[row]])
        visits += _stays([(at, row) for at, row in ordered if is_target[row]])
    return AlertFigures(
        visits=len(visits),
        visits_found=sum(bool(called[visit].any()) for visit in visits),
        alerts=len(alerts),
        true_alerts=sum(bool(is_target[alert].any()) for alert in alerts),
        camera_days=sum(len({at.date() for at, _ in frames}) for frames in cameras.values()),
        images=timed,
        to_alert_s=tuple(_waits(judged, visits, called)),
    )


def _waits(
    judged: JudgedImages, visits: Sequence[Sequence[int]], called: NDArray[np.bool_]
) -> Iterator[float]:
    """Yield of each visit that was found how long it took, in s."""
    for visit in visits:
        told = [judged.images[row].captured_at for row in visit if called[row]]
        began = judged.images[visit[0]].captured_at
        if told and told[0] is not None and began is not None:
            yield (told[0] - began).total_seconds()


def _stays(frames: Sequence[tuple[datetime, int]]) -> list[list[int]]:
    """Return the rows of each run of frames with gaps up to the cooldown."""
    stays: list[list[int]] = []
    last: datetime | None = None
    for at, row in frames:
        if last is None or at - last > COOLDOWN:
            stays.append([])
        stays[-1].append(row)
        last = at
    return stays
