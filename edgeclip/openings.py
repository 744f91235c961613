"""How often a pack's figures were looked at: each opening of test images leaves a line.

Who chooses by a test part, trains on it. So `train` records the first opening beside the pack, and
`evaluate` every further one; the report shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from edgeclip.contract.files import write_text
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack import utc_text
from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage

OPENINGS_FILE = "openings.json"
REPORT_FOLDER = "report"


class Opening(BaseModel):
    """One look at the figures of some test images.

    Attributes:
        at: When.
        by: The command.
        images: How many.
        images_sha256: Which ones, whatever their order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    by: Literal["train", "evaluate"]
    images: int
    images_sha256: str


_OPENINGS = TypeAdapter(list[Opening])


def images_sha256(images: Sequence[LabelledImage]) -> str:
    """Return the hash of a set of images, whatever their order."""
    return sha256_bytes("\n".join(sorted(image.facts.sha256 for image in images)).encode())


def read_openings(pack: Path) -> list[Opening]:
    """Return the openings that a pack's folder records, oldest first.

    Raises:
        DataError: The record is damaged.
    """
    path = pack / REPORT_FOLDER / OPENINGS_FILE
    try:
        return _OPENINGS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path} is damaged, so that nobody knows how often the test images were looked at:"
            " copy the pack again"
        ) from error


def record_opening(pack: Path, opening: Opening) -> list[Opening]:
    """Add an opening to a pack's folder.

    Returns:
        All of them, oldest first.

    Raises:
        DataError: The record is damaged, or the folder cannot be written.
    """
    openings = [*read_openings(pack), opening]
    path = pack / REPORT_FOLDER / OPENINGS_FILE
    try:
        write_text(path, openings_json(openings))
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}), and a look at test images must leave a"
            " trace: evaluate a copy of the pack"
        ) from error
    return openings


def openings_json(openings: Sequence[Opening]) -> str:
    """Return the record's content."""
    return _OPENINGS.dump_json(list(openings), indent=1).decode() + "\n"


def opening_note(openings: Sequence[Opening]) -> str | None:
    """Return what a reader must know where the last opening was not the first of its images."""
    last = openings[-1]
    same = [o for o in openings if o.images_sha256 == last.images_sha256]
    if len(same) < 2:
        return None
    earlier = ", ".join(f"{utc_text(o.at)[:16].replace('T', ' ')} by {o.by}" for o in same[:-1])
    return (
        f"these test images were opened before ({earlier}), now for time {len(same)}: whoever chose"
        " anything by the earlier figures can no longer trust these; keep new places for the last"
        " word"
    )
