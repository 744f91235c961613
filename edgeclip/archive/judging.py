"""What a standard is told of probabilities: one class, or that nothing is sure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from edgeclip.archive.about import About
from edgeclip.archive.answered import PROMPTS_ALONE
from edgeclip.archive.records import Record
from edgeclip.contract.camtrap_dp import HEAT_BOX_TAG, tag_text
from edgeclip.contract.pack import ObservationType
from edgeclip.contract.preprocess_spec import Box

_DETECTED: Final[dict[str, ObservationType]] = {"person": "human", "vehicle": "vehicle"}


@dataclass(frozen=True)
class Said:
    """What is said of an image, a crop or a burst.

    Attributes:
        kind: As in Camtrap DP.
        name: The class; None where nothing is sure, or where a detector alone has spoken.
        probability: Of what is said, in [0, 1].
        by: Who says it.
        tags: What else there is to say, `key:value`.
    """

    kind: ObservationType
    name: str | None
    probability: float
    by: str
    tags: tuple[str, ...] = ()


def said_of(record: Record, about: About) -> Iterator[tuple[Said, Box | None]]:
    """Yield what is said of an image: of each box of a detector, else of the frame, by its heat.

    Args:
        record: With an answer.
        about: The run.
    """
    own, pack = record.pack, f"pack:{tag_text(record.pack or PROMPTS_ALONE)}"
    for box in record.boxes:
        kind = _DETECTED.get(box.category)
        if kind is None:
            yield judged(box.probabilities, about, own, pack), box.box
        else:
            yield Said(kind, None, box.confidence, "the detector of --boxes"), box.box
    if not record.boxes:
        by_heat = (HEAT_BOX_TAG,) if record.where else ()
        yield judged(record.probabilities, about, own, pack, *by_heat), record.where


def judged(probabilities: Sequence[float], about: About, pack: str | None, *tags: str) -> Said:
    """Return the target whose threshold is reached, else the likeliest that is no target.

    A target that is likeliest, but below its threshold, is neither it nor anything else.

    Args:
        probabilities: One a class.
        about: The run.
        pack: Which one answered; None: the prompts alone, of which no target is sure.
        tags: Go with what is said.
    """
    index, probability = about.likeliest(probabilities)
    names, by = about.manifest.class_names, f"edgeclip {about.answerer}"
    if decision := about.decision(probabilities, pack):
        index = names.index(decision)
        probability = probabilities[index]
    elif names[index] in about.deciders.targets_of(pack):
        below = f"below threshold:{tag_text(names[index])}"
        return Said("unknown", None, probability, by, (*tags, below))
    return Said(about.kind(index), names[index], probability, by, tags)
