"""What counts of a detection: the newest word of a person, else what the device told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.pack import ObservationType
from edgeclip_dashboard.models import DetectionRow
from edgeclip_dashboard.models_people import Verdict
from edgeclip_dashboard.people_in_media import PEOPLE

BLANK: Final = "blank"
_TYPES_OF_WORDS: Final[dict[str, ObservationType]] = {
    **dict.fromkeys(PEOPLE, "human"),
    **dict.fromkeys(("vehicle", "car", "truck", "motorcycle"), "vehicle"),
    **dict.fromkeys((BLANK, "empty", "nothing"), "blank"),
    "unknown": "unknown",
}
"""Of classes that only a person has named; any other is an animal."""


@dataclass(frozen=True)
class KnownClass:
    """What devices say of a class.

    Attributes:
        observation_type: As in Camtrap DP.
        scientific_name: None where no pack has one.
    """

    observation_type: ObservationType
    scientific_name: str | None


@dataclass(frozen=True)
class Judged:
    """What counts.

    Attributes:
        class_name: None where nothing is named: an unknown, a failure, or what a person called
            wrong where the device had said blank.
        observation_type: As in Camtrap DP.
        scientific_name: Of the class, where known.
        is_human: Whether a person said so.
        by: Who: the name of an account, or the pack as `edgeclip leopard@1.0.0`.
        at: When it was said, aware UTC.
        probability: Of the device, in [0, 1]; None where a person decided.
    """

    class_name: str | None
    observation_type: ObservationType
    scientific_name: str | None
    is_human: bool
    by: str
    at: datetime
    probability: float | None


class Classes:
    """The classes that devices and people have named, as far as they were asked for."""

    def __init__(self, scientific_names: dict[str, str]) -> None:
        """Begin with none.

        Args:
            scientific_names: Those that a person has written down; they go before the devices'.
        """
        self._written = scientific_names
        self._known: dict[str, KnownClass] = {}

    def learn(self, session: Session, names: Iterable[str]) -> None:
        """Look up what devices say of classes; those that are known are not asked for again."""
        unknown = set(names) - self._known.keys()
        if not unknown:
            return
        row = DetectionRow
        query = select(row.class_name, row.observation_type, row.scientific_name).distinct()
        for name, kind, scientific in session.execute(query.where(row.class_name.in_(unknown))):
            known = self._known.get(str(name))
            if known is None or known.scientific_name is None:
                self._known[str(name)] = KnownClass(_stored_type(kind), scientific)
        for name in unknown - self._known.keys():
            self._known[name] = KnownClass(_type_of(name), None)

    def find(self, name: str) -> KnownClass:
        """Return what is known of a class that was learned, or of any other by its name."""
        known = self._known.get(name) or KnownClass(_type_of(name), None)
        written = self._written.get(name)
        return KnownClass(known.observation_type, written) if written else known


def judge(row: DetectionRow, verdict: Verdict | None, classes: Classes) -> Judged:
    """Return what counts of a detection.

    Args:
        row: The detection.
        verdict: The newest one, or None.
        classes: Of which the detection's own and the verdict's were learned.
    """
    if verdict is None:
        by = f"edgeclip {row.pack.split(' on ')[0]}"
        probability, is_human, at = row.probability, False, row.received_at
    else:
        by, probability, is_human, at = verdict.account_name, None, True, verdict.at
    name = _name(row, verdict)
    if name is None:
        kind: ObservationType = "unknown"
        scientific = None
    elif name == row.class_name and not (verdict and verdict.verdict == "other"):
        kind = _stored_type(row.observation_type)
        scientific = classes.find(name).scientific_name or row.scientific_name
    else:
        known = classes.find(name)
        kind, scientific = known.observation_type, known.scientific_name
    return Judged(name, kind, scientific, is_human, by, at, probability)


def _name(row: DetectionRow, verdict: Verdict | None) -> str | None:
    """Return the class that counts; `wrong` says that nothing of the kind is there."""
    if verdict is None:
        return row.class_name
    if verdict.verdict == "right":
        return verdict.class_name or row.class_name
    if verdict.verdict == "other":
        return verdict.class_name
    return None if row.observation_type == "blank" else BLANK


def shows_people(row: DetectionRow, classes: Classes) -> bool:
    """Say whether the newest word of a device or a person is of people; either is enough."""
    said = row.verdict_class
    return row.observation_type == "human" or (
        said is not None and classes.find(said).observation_type == "human"
    )


def shift_of(row: DetectionRow) -> timedelta:
    """Return by how much a detection's own times are to be corrected; 0 where nothing is known."""
    told = row.best_at or row.started_at
    return row.occurred_at - told if told and row.clock == "put_right" else timedelta(0)


def _stored_type(text: str) -> ObservationType:
    return cast("ObservationType", text)  # it was one when it was received


def _type_of(name: str) -> ObservationType:
    return _TYPES_OF_WORDS.get(name.strip().casefold().replace("_", " "), "animal")
