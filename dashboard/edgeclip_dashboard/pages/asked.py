"""What a page's address asks for: a filter, which overlays, and where an older page begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

from starlette.datastructures import QueryParams

from edgeclip.contract.detection import is_detection_id
from edgeclip.errors import ConfigError
from edgeclip_dashboard.filter_query import EVERYTHING, filter_from, query_from
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.overlays import ALL_LAYERS, Layers

_OFF: Final = "off"


@dataclass(frozen=True)
class Asked:
    """What is to be shown.

    Attributes:
        shown: Which detections.
        layers: What lies over their snapshots.
        before: The id of the last detection of the page of newer ones, or None for the newest.
        problem: Why the address could not be read.
    """

    shown: DetectionFilter = EVERYTHING
    layers: Layers = ALL_LAYERS
    before: str | None = None
    problem: str = ""

    @property
    def is_everything(self) -> bool:
        """Whether these are the newest detections, none of them left out."""
        return self.shown == EVERYTHING and self.before is None

    def query(self, base: DetectionFilter = EVERYTHING) -> str:
        """Return the query that asks for this, where a page shows `base` by itself."""
        more = {} if self.layers.boxes else {"boxes": _OFF}
        more |= {} if self.layers.heat else {"heat": _OFF}
        more |= {"before": self.before} if self.before else {}
        return query_from(self.shown, base, more=more)

    def older_than(self, detection_id: str) -> Asked:
        """Return what asks for those that arrived before a detection."""
        return replace(self, before=detection_id)


def asked_from(
    query: QueryParams, base: DetectionFilter = EVERYTHING, *, zone: tzinfo | None = None
) -> Asked:
    """Return what an address asks for; what cannot be read is told, and `base` is shown.

    Args:
        query: Of the address.
        base: Where it says nothing.
        zone: The project's clock, for times without a zone; None is UTC.
    """
    layers = Layers(boxes=query.get("boxes") != _OFF, heat=query.get("heat") != _OFF)
    before = query.get("before")
    try:
        shown = filter_from(query, base, zone)
    except ConfigError as error:
        return Asked(base, layers, problem=str(error))
    return Asked(shown, layers, before if before and is_detection_id(before) else None)
