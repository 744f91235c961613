"""Counts along an export, and what a person is told at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgeclip.contract.plurals import counted
from edgeclip_dashboard.exports.unplaced import REMEDY, left_out


@dataclass
class Tally:
    """What happened so far.

    Attributes:
        detections: Written.
        pictures: Copied.
        private: Pictures with people that stayed here.
        gone: Pictures whose files are not in the media folder any more.
        nowhere: Detections without coordinates.
        unplaced: Deployments without coordinates -> detections that were left out for it.
        nameless: Classes without a scientific name.
    """

    detections: int = 0
    pictures: int = 0
    private: int = 0
    gone: int = 0
    nowhere: int = 0
    unplaced: Counter[str] = field(default_factory=Counter)
    nameless: set[str] = field(default_factory=set)

    def notes(self) -> Iterator[str]:
        """Yield what a person should know, a sentence each."""
        if not self.detections and not self.unplaced:
            yield "no detection meets the filter"
        if self.private:
            said = counted(self.private, "picture")
            yield f"{said} with people stayed here: --with-people takes them along"
        if self.gone:
            yield f"{counted(self.gone, 'picture')} are missing in the media folder"
        if self.nowhere:
            said = counted(self.nowhere, "detection")
            yield f"{said} without coordinates: {REMEDY}"
        if self.unplaced:
            yield f"{left_out(self.unplaced)}: {REMEDY}"
        if self.nameless:
            names = ", ".join(sorted(self.nameless))
            yield f"no scientific name of {names}: write them under [export].scientific_names"
