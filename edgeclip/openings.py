"""How often a pack's figures were looked at: each opening of test images leaves a line.

Who chooses by a test part, trains on it. So `train` records the first opening beside the pack, and
`evaluate` every further one; the report shows them. Each image is remembered, so that a look at
nearly the same images is none at new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
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
        each: The first 16 hex digits of the SHA-256 of each, in order; None in older records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    by: Literal["train", "evaluate"]
    images: int
    images_sha256: str
    each: tuple[str, ...] | None = None

    @staticmethod
    def of(
        images: Sequence[LabelledImage], by: Literal["train", "evaluate"], at: datetime
    ) -> Opening:
        """Return a look at images.

        Args:
            images: In any order.
            by: The command.
            at: Aware UTC.
        """
        each = sorted({image.facts.sha256[:_DIGITS] for image in images})
        return Opening(
            at=at, by=by, images=len(images), images_sha256=images_sha256(images), each=tuple(each)
        )

    def looked_at(self, now: Opening) -> frozenset[str]:
        """Return which of the images of a later look this one was at, as `each` names them."""
        if self.images_sha256 == now.images_sha256:
            return frozenset(now.each or (now.images_sha256,))
        return frozenset(self.each or ()) & frozenset(now.each or ())


_DIGITS = 16  # of 64: two of a million images share them with a chance of 3e-8
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


def looks_in(packs: Iterable[Path]) -> list[Opening]:
    """Return the openings that several packs record, oldest first, each once.

    A pack that was trained on another has the looks of that in its own record already.

    Raises:
        DataError: A record is damaged.
    """
    looks = dict.fromkeys(look for pack in packs for look in read_openings(pack))
    return sorted(looks, key=lambda look: look.at)


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


def looks_before(openings: Sequence[Opening]) -> Counter[str]:
    """Return how often each image of the last look was looked at before it; 0 is left out."""
    last = openings[-1]
    return Counter(image for earlier in openings[:-1] for image in earlier.looked_at(last))


def opening_note(openings: Sequence[Opening]) -> str | None:
    """Return what a reader must know where the last look was not the first at its images."""
    last, before = openings[-1], looks_before(openings)
    if not before:
        return None
    when = ", ".join(
        f"{utc_text(o.at)[:16].replace('T', ' ')} by {o.by}"
        for o in openings[:-1]
        if o.looked_at(last)
    )
    whole = last.each is None or len(before) == len(last.each)
    which = f"all {last.images}" if whole else f"{len(before)} of these {last.images}"
    most = max(before.values())
    often = "once" if most == 1 else f"some of them {most} times"
    return (
        f"{which} test images were opened before ({when}), {often}: whoever chose anything by the"
        " earlier figures can no longer trust these; keep new places for the last word"
    )
