"""Whether a table of deployments says where each camera stood that gave an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from edgeclip.archive.deployments import Deployments
from edgeclip.archive.journal import Journal
from edgeclip.archive.part_work import PartWork, place_of
from edgeclip.archive.stores import Listed


def require_places(deployments: Deployments, journal: Journal, work: PartWork) -> None:
    """Check that the cameras of all places stood somewhere, before any image is answered for.

    A place of whose files not one can be read gives the package nothing, and needs no row.

    Args:
        deployments: Rows of places.
        journal: The run; its list is read.
        work: Reads images, of places without a row.

    Raises:
        DataError: The table has no row for a place that has an image; the message names some.
    """
    lost: dict[str, list[Listed]] = defaultdict(list)
    for _, images in journal.listed(range(journal.plan.parts)):
        for image in images:
            if not deployments.of(place_of(image)):
                lost[place_of(image)].append(image)
    deployments.require(place for place, images in lost.items() if _any(images, work))


def _any(images: Iterable[Listed], work: PartWork) -> bool:
    return any(work.can_be_read(image) for image in images)
