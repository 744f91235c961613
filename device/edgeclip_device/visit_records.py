"""What is known of a visit: the frames that voted, the best of them, what was told of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import reduce
from statistics import median
from typing import Generic, Literal, TypeVar

from edgeclip.contract.detection import Phase
from edgeclip.contract.pack import Thresholds
from edgeclip_device.attribute_votes import AttributeVotes, Vote

EndReason = Literal["quiet", "shutdown", "restart", "camera_fault"]
SightingT = TypeVar("SightingT")


@dataclass(frozen=True)
class Sighting(Generic[SightingT]):
    """One classified frame, seen from one class.

    Attributes:
        at_s: The frame's time.
        probability: Of the class, in [0, 1].
        margin: To the likeliest other class, in [-1, 1].
        what: What the detection needs of the frame.
        thresholds: Of the class, as the pack that answered has them.
        contradicts: Another class that is not blank is the likeliest, surely.
        vote: For the attributes; None where there are none, or the frame may not say anything.
    """

    at_s: float
    probability: float
    margin: float
    what: SightingT
    thresholds: Thresholds
    contradicts: bool = False
    vote: Vote | None = None

    @property
    def agrees(self) -> bool:
        """Whether the frame votes for the class."""
        return self.probability >= self.thresholds.on and self.margin > 0

    @property
    def supports(self) -> bool:
        """Whether it keeps an open visit open."""
        return self.probability >= self.thresholds.off


@dataclass
class Visit(Generic[SightingT]):
    """One stay of one class before the camera.

    Attributes:
        frames: Classified frames since it began.
        agreeing: Those of them that voted for it.
        contradicting: Those that were surely another class.
        last: The newest frame that supports it.
        told_at_s: When a revision was last told of.
        continued_from: The detection that it goes on from, or takes the place of.
        votes: Of the frames that support it, for the attributes.
    """

    detection_id: str
    class_name: str
    first: Sighting[SightingT]
    best: Sighting[SightingT]
    last: Sighting[SightingT]
    frames: int
    agreeing: int
    contradicting: int
    median: float
    rev: int = -1
    told_at_s: float = 0.0
    told_probability: float = 0.0
    ended_at_s: float | None = None
    continued_from: str | None = None
    votes: AttributeVotes = field(default_factory=AttributeVotes)

    def take(self, sighting: Sighting[SightingT]) -> None:
        """Count a frame."""
        self.frames += 1
        self.agreeing += sighting.agrees
        self.contradicting += sighting.contradicts
        if sighting.supports:
            self.last = sighting
            self.votes = self.votes.plus(sighting.vote)
        if sighting.probability > self.best.probability:
            self.best = sighting


@dataclass(frozen=True)
class Revision(Generic[SightingT]):
    """A revision of a visit that is to be committed; `visit` is a copy that does not change."""

    phase: Phase
    visit: Visit[SightingT]
    end_reason: EndReason | None = None


@dataclass
class Track(Generic[SightingT]):
    """What is known of one class before one camera.

    Attributes:
        window: The frames that vote.
        last_visit: One that ended, and may go on.
    """

    window: deque[Sighting[SightingT]]
    visit: Visit[SightingT] | None = None
    last_visit: Visit[SightingT] | None = None

    def remember(self, sighting: Sighting[SightingT], longest_s: float) -> None:
        """Let a frame vote; those of another visit do not."""
        self.window.append(sighting)
        while sighting.at_s - self.window[0].at_s > longest_s:
            self.window.popleft()

    def new_visit(self, detection_id: str, class_name: str) -> Visit[SightingT]:
        """Return a visit that begins with the frames that voted; one of them agrees."""
        window = list(self.window)
        agreeing = [item for item in window if item.agrees]
        return Visit(
            detection_id=detection_id,
            class_name=class_name,
            first=agreeing[0],
            best=max(window, key=lambda item: item.probability),
            last=agreeing[-1],
            frames=len(window),
            agreeing=len(agreeing),
            contradicting=sum(item.contradicts for item in window),
            median=median([item.probability for item in window]),
            votes=reduce(AttributeVotes.plus, (item.vote for item in agreeing), AttributeVotes()),
        )
