"""What MegaDetector's results JSON says alike wherever edgeclip writes it, format 1.6.

Format: lila.science/megadetector-output-format.
"""

from __future__ import annotations

from typing import Final

from edgeclip.contract.pack import ObservationType

FORMAT_VERSION: Final = "1.6"
CATEGORIES: Final = {"1": "animal", "2": "person", "3": "vehicle"}
OWN_BOX: Final = "edgeclip_box"
"""Of a detection: how we boxed it ourselves; absent of a detector's."""
OWN_THRESHOLDS: Final = "edgeclip_thresholds"
"""Of a classifier: what decides, by pack and target; the format itself has one number for all."""
WHOLE_FRAME: Final = (0.0, 0.0, 1.0, 1.0)
_CATEGORY_OF: Final[dict[ObservationType, str]] = {
    "animal": "1", "unknown": "1", "human": "2", "vehicle": "3",
}  # fmt: skip


def category_of(kind: ObservationType) -> str | None:
    """Return the number of a kind of observation, or None where nothing is detected."""
    return _CATEGORY_OF.get(kind)


def description_of(scientific_name: str | None) -> str:
    """Return `kingdom;phylum;class;order;family;genusspecies`; what is not known stays empty."""
    return f";;;;;{scientific_name.casefold().replace(' ', '')}" if scientific_name else ""
