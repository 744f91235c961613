"""Which snapshots show people, and what a viewer gets in place of them."""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from edgeclip_dashboard.models import Announcement, DetectionRow, Revision

CELLS_ACROSS: Final = 24
"""A person fills a few cells then: seen to be there, not who it is."""

PEOPLE: Final = (
    "human", "humans", "person", "persons", "people", "homo sapiens", "man", "men", "woman",
    "women", "child", "children", "poacher", "poachers", "hunter", "hunters",
)  # fmt: skip
"""Words of a verdict that say human, in small letters, beside all classes that a pack calls so."""

_TOLD_AS_HUMAN: Final = ('%"observation_type":"human"%', '%"observation_type": "human"%')

_WIDTH_PX: Final = 480
_MOST_PIXELS: Final = 50_000_000
_GREY: Final = (96, 96, 96)


def shows_people(session: Session, sha256: str) -> bool:
    """Say whether a device or a person says that a snapshot shows people.

    Either is enough, also in a revision of before: one of them wrong shows nobody who should not
    be seen.
    """
    row, other = DetectionRow, aliased(DetectionRow)
    is_class_of_people = (
        select(other.detection_id)
        .where(other.class_name == row.verdict_class, other.observation_type == "human")
        .exists()
    )
    says_people = (
        (row.observation_type == "human")
        | func.replace(func.lower(row.verdict_class), "_", " ").in_(PEOPLE)
        | is_class_of_people
        | select(Revision.rev)
        .where(Revision.detection_id == row.detection_id, _says_human())
        .exists()
    )
    query = (
        select(row.detection_id)
        .join(Announcement, Announcement.detection_id == row.detection_id)
        .where(Announcement.sha256 == sha256, says_people)
    )
    return session.scalar(query.limit(1)) is not None


def told_of_people(session: Session, detection_ids: Collection[str]) -> set[str]:
    """Return those detections of which any revision said that it was a person."""
    told = select(Revision.detection_id).where(
        Revision.detection_id.in_(detection_ids), _says_human()
    )
    return set(session.scalars(told.distinct()))


def _says_human() -> ColumnElement[bool]:
    """Say whether a revision, as it was received, tells of a person."""
    return or_(*(Revision.payload.like(text) for text in _TOLD_AS_HUMAN))


def blurred_jpeg(path: Path) -> bytes:
    """Return a snapshot as 24 cells across; of one that cannot be read, an even grey.

    Args:
        path: A JPEG as a device sent it: it may be damaged, or claim to be enormous.
    """
    picture = BytesIO()
    _blurred(path).save(picture, "JPEG", quality=80)
    return picture.getvalue()


def _blurred(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                raise ValueError(f"{width} x {height} pixels")
            rows = max(1, round(CELLS_ACROSS * height / width))
            image.draft("RGB", (8 * CELLS_ACROSS, 8 * rows))  # decodes an eighth where it can
            cells = image.convert("RGB").resize((CELLS_ACROSS, rows), Image.Resampling.BOX)
            whole = (_WIDTH_PX, min(8 * _WIDTH_PX, round(_WIDTH_PX * rows / CELLS_ACROSS)))
            mosaic: Image.Image = cells.resize(whole, Image.Resampling.NEAREST)
            return mosaic
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Image.new("RGB", (_WIDTH_PX, _WIDTH_PX * 3 // 4), _GREY)
