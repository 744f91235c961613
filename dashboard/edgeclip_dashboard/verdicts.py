"""What people say of detections: rows that are only ever added; the newest one counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.contract.detection import Detection
from edgeclip.errors import DashboardError
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models import DetectionRow, Revision
from edgeclip_dashboard.models_people import Verdict

Word = Literal["right", "wrong", "other"]
WORDS: Final[tuple[Word, ...]] = get_args(Word)
MOST_NOTE = 1000
MOST_NAME = 64


@dataclass(frozen=True)
class Said:
    """A verdict that is to be given.

    Attributes:
        word: right; wrong (nothing of the kind is there); other (another species is).
        class_name: That other species; None with the other words.
        note: Why, in the person's words.
    """

    word: Word
    class_name: str | None = None
    note: str = ""


@dataclass(frozen=True)
class GivenVerdict:
    """A verdict as it stands in the history; of `right`, the class is what the person saw."""

    rev: int
    word: str
    class_name: str | None
    note: str
    account_name: str
    at: datetime


class OutdatedError(DashboardError):
    """The device says something else by now than what the person saw."""


def give_verdict(
    session: Session,
    identity: Identity,
    detection_id: str,
    said: Said,
    at: datetime,
    *,
    seen_rev: int | None = None,
) -> None:
    """Add a verdict and let the detection show it; an earlier one stays in the history.

    `right` keeps the class that was seen: no later revision makes it the word for another one.

    Args:
        session: In a transaction, which the caller commits.
        identity: Who says it: a reviewer or an admin.
        detection_id: Of what.
        said: The verdict.
        at: Now, aware UTC.
        seen_rev: The revision that the person saw; None for the newest.

    Raises:
        OutdatedError: The device has named another class since, and the verdict is of the old one.
        DashboardError: The person may not, the detection is not stored or is a failure, or `other`
            comes without a species.
    """
    if not identity.may("reviewer"):
        raise DashboardError(f"{identity.name} may only look: ask an admin for the role reviewer")
    row = session.get(DetectionRow, detection_id, with_for_update=True)
    if row is None:
        raise DashboardError(f"detection {detection_id} is not stored: is the address whole?")
    if row.failure is not None:
        raise DashboardError("the device could not classify here: there is nothing to judge")
    if said.word != "other":
        _require_same_class(session, row, seen_rev)
    row.verdict, row.verdict_class = said.word, _species(said, row.class_name)
    verdict = Verdict(
        detection_id=detection_id,
        rev=row.rev if seen_rev is None else seen_rev,
        verdict=said.word,
        class_name=row.verdict_class,
        note=_plain(said.note, MOST_NOTE),
        account_name=identity.name,
        at=at,
    )
    session.add(verdict)


def read_verdicts(session: Session, detection_id: str) -> tuple[GivenVerdict, ...]:
    """Return all that people said of a detection, the newest first."""
    of_it = select(Verdict).where(Verdict.detection_id == detection_id)
    return tuple(
        GivenVerdict(row.rev, row.verdict, row.class_name, row.note, row.account_name, row.at)
        for row in session.scalars(of_it.order_by(Verdict.id.desc()))
    )


def class_from(text: str, known: Iterable[str] = ()) -> str:
    """Return the class that a person typed: a known one as it is written, else in lower case.

    `Bush pig` and `bush_pig` are one class; a name that nobody used before is one, too.
    """
    written = "_".join(_plain(text, MOST_NAME).lower().replace("_", " ").split())
    return next((name for name in known if "_".join(name.lower().split()) == written), written)


def _require_same_class(session: Session, row: DetectionRow, seen_rev: int | None) -> None:
    if seen_rev is None or seen_rev == row.rev:
        return
    revision = session.get(Revision, (row.detection_id, seen_rev))
    try:
        seen = None if revision is None else Detection.model_validate_json(revision.payload)
    except ValidationError:
        seen = None
    if seen is None or seen.class_name != row.class_name:
        raise OutdatedError(
            f"the device says {row.class_name or row.observation_type} by now: look again"
        )


def _species(said: Said, told: str | None) -> str | None:
    """Return the class that a verdict names; `told` is the device's."""
    if said.word != "other":
        return told if said.word == "right" else None
    name = _plain(said.class_name or "", MOST_NAME)
    if not name:
        raise DashboardError("another species needs its name: which one is it?")
    return name


def _plain(text: str, most: int) -> str:
    """Return text without what a database cannot hold, cut to a length."""
    return text.replace("\0", "").strip()[:most]
