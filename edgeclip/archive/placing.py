"""Whether a table of deployments says where each camera stood that gave an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgeclip.archive.deployments import Deployments
from edgeclip.archive.part_work import PartWork, place_of
from edgeclip.archive.stores import Listed


def require_places(deployments: Deployments, images: Iterable[Listed], work: PartWork) -> None:
    """Check that the cameras of all places stood somewhere, before any image is answered for.

    A place of whose files not one can be read gives the package nothing, and needs no row.

    Args:
        deployments: Rows of places.
        images: Of the run.
        work: Reads images, of places without a row.

    Raises:
        DataError: The table has no row for a place that has an image; the message names some.
    """
    deployments.require(_lost(deployments, images, work))


def _lost(deployments: Deployments, images: Iterable[Listed], work: PartWork) -> Iterator[str]:
    """Yield the places without a row, each once; of ten million images none is kept."""
    found: set[str] = set()
    for image in images:
        place = place_of(image)
        if place in found or deployments.of(place) or not work.can_be_read(image):
            continue
        found.add(place)
        yield place
