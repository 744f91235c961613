"""What a visit's answers in words are in a Camtrap DP observation."""

from __future__ import annotations

from edgeclip.contract.attribute_cells import WordCells, word_cells
from edgeclip_dashboard.exports.visits import Visit


def words_of(visit: Visit, *, with_unverified: bool) -> WordCells:
    """Return a visit's answers as cells; none of what is no animal, or was something else.

    Args:
        visit: As it is handed on.
        with_unverified: Also answers whose trust nobody measured.
    """
    said, judged = visit.detection.attributes, visit.judged
    is_other = visit.row.verdict not in (None, "right")
    if said is None or judged.observation_type != "animal" or is_other:
        return WordCells()
    return word_cells(said.answers, with_unverified=with_unverified, by_person=judged.is_human)
