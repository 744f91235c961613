"""Answers in words as fields and tags of a Camtrap DP observation: those that can be believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgeclip.contract.attribute_answers import AttributeAnswer
from edgeclip.contract.attributes import TAGS, fits


@dataclass(frozen=True)
class WordCells:
    """What answers are in an observation.

    Attributes:
        fields: By column.
        tags: As `observationTags` has them.
    """

    fields: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


def word_cells(
    answers: Iterable[AttributeAnswer], *, with_unverified: bool = False, by_person: bool = False
) -> WordCells:
    """Return what answers about an animal are in its observation.

    An observation says once who classified it. Where that was a person, a machine's answers stand
    in its tags, so that nobody takes them for the person's.

    Args:
        answers: About an animal; what no field can hold is left out.
        with_unverified: Also those whose trust nobody measured; a tag says which.
        by_person: Whether a person classified the observation.
    """
    fields: dict[str, str] = {}
    tags: list[str] = []
    for answer in answers:
        name, value = answer.field, answer.value
        if name is None or value is None or not fits(name, value):
            continue
        if not (answer.verified or with_unverified):
            continue
        doubt = "" if answer.verified else "unverified-"
        if name == TAGS or by_person:
            own = value if name == TAGS else f"{name}:{value}"
            tags.append(f"{'machine-' if by_person else ''}{doubt}{own}")
        else:
            fields[name] = value
            tags += [] if answer.verified else [f"unverified:{name}"]
    return WordCells(fields, tuple(tags))
