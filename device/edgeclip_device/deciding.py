"""What the packs say of a frame -> what it means for visits, for the gate, and for the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeclip.contract.pack import Thresholds
from edgeclip_device.attribute_votes import Vote
from edgeclip_device.detections import UNKNOWN
from edgeclip_device.pack_router import PackRouter
from edgeclip_device.privacy import Privacy
from edgeclip_device.seen import Seen
from edgeclip_device.visit_records import Sighting
from edgeclip_device.visit_settings import VisitSettings

_HALF = Thresholds(on=0.5, off=0.5, peak=0.5)
_NOBODY = ("blank", "unknown")


@dataclass(frozen=True)
class Decision:
    """What a classified frame means.

    Attributes:
        sightings: By class name; `UNKNOWN` for what is like no class.
        is_blank: Every pack that was asked surely calls it blank.
        is_seen: A class that is decided on may be in it, told of or not.
        is_unknown: No class reaches what it needs.
    """

    sightings: dict[str, Sighting[Seen]]
    is_blank: bool
    is_seen: bool
    is_unknown: bool


class Decider:
    """Applies thresholds and privacy to the packs' answers.

    Args:
        router: The packs.
        privacy: Which kinds are told of.
        settings: The table `[visits]`.
    """

    def __init__(self, router: PackRouter, privacy: Privacy, settings: VisitSettings) -> None:
        self._thresholds = {pack.manifest.task: pack.thresholds for pack in router.packs}
        self._privacy = privacy
        self._tells_unknown = settings.report_unknown

    def decide(self, at_s: float, seen: Sequence[Seen]) -> Decision:
        """Return what a frame means.

        Args:
            at_s: Its time.
            seen: The frame as each pack that was asked saw it.
        """
        sightings: dict[str, Sighting[Seen]] = {}
        is_seen = False
        for item in seen:
            answer = item.classification
            for name, thresholds in self._thresholds[answer.task].items():
                sighting = _sighting(name, at_s, item, thresholds)
                is_seen |= sighting.supports
                if self._privacy.tells_of(answer.kinds[answer.class_names.index(name)]):
                    sightings[name] = sighting
        sure = [item.classification.sure_class for item in seen]
        is_unknown = not is_seen and not any(sure)
        if self._tells_unknown and not seen[0].shows_person:
            sightings[UNKNOWN] = _unknown(at_s, seen)
        is_blank = all(best is not None and best[1] == "blank" for best in sure)
        return Decision(sightings, is_blank and not is_seen, is_seen, is_unknown)


def _sighting(name: str, at_s: float, seen: Seen, thresholds: Thresholds) -> Sighting[Seen]:
    answer = seen.classification
    sure = answer.sure_class
    return Sighting(
        at_s=at_s,
        probability=answer.probability(name),
        margin=answer.margin(name),
        what=seen,
        thresholds=thresholds,
        contradicts=sure is not None and sure[0] != name and sure[1] not in _NOBODY,
        vote=_vote(name, seen),
    )


def _vote(name: str, seen: Seen) -> Vote | None:
    """Return a frame's vote for the attributes of an animal; none of a frame with a person."""
    answer = seen.classification
    is_animal = answer.kinds[answer.class_names.index(name)] == "animal"
    if answer.answers is None or seen.shows_person or not is_animal:
        return None
    return Vote(answer.task, answer.answers)


def _unknown(at_s: float, seen: Sequence[Seen]) -> Sighting[Seen]:
    """Return the frame seen from no class: likely where no class of any pack is likely."""
    likeliest = max(float(item.classification.probabilities.max()) for item in seen)
    return Sighting(at_s, 1 - likeliest, 1 - 2 * likeliest, seen[0], _HALF)
