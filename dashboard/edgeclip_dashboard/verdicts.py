"""What people say of detections: rows that are only ever added; the newest one counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from edgeclip.errors import DashboardError
from edgeclip_dashboard.identity import Identity
from edgeclip_dashboard.models import DetectionRow
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
    """A verdict as it stands in the history."""

    rev: int
    word: str
    class_name: str | None
    note: str
    account_name: str
    at: datetime


def give_verdict(
    session: Session, identity: Identity, detection_id: str, said: Said, at: datetime
) -> None:
    """Add a verdict and let the detection show it; an earlier one stays in the history.

    Args:
        session: In a transaction, which the caller commits.
        identity: Who says it: a reviewer or an admin.
        detection_id: Of what.
        said: The verdict.
        at: Now, aware UTC.

    Raises:
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
    row.verdict, row.verdict_class = said.word, _species(said)
    verdict = Verdict(
        detection_id=detection_id,
        rev=row.rev,
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


def _species(said: Said) -> str | None:
    if said.word != "other":
        return None
    name = _plain(said.class_name or "", MOST_NAME)
    if not name:
        raise DashboardError("another species needs its name: which one is it?")
    return name


def _plain(text: str, most: int) -> str:
    """Return text without what a database cannot hold, cut to a length."""
    return text.replace("\0", "").strip()[:most]
