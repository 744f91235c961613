"""All that a report of a training or an evaluation shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgeclip.background import BackgroundCheck
from edgeclip.contract.pack import PackManifest
from edgeclip.evaluation.comparison import Comparison
from edgeclip.labels.dataset import LabelledImage
from edgeclip.openings import Opening
from edgeclip.splits import Split
from edgeclip.summary import DataSummary


@dataclass(frozen=True)
class Origin:
    """What a pack was trained from; a report of a training shows it.

    Attributes:
        summary: Of the data.
        split: Of the images.
        images: All usable images, in the split's order.
    """

    summary: DataSummary
    split: Split
    images: Sequence[LabelledImage]


@dataclass(frozen=True)
class ReportTable:
    """A further table.

    Attributes:
        title: Its heading.
        explanation: What it says, in a sentence.
        header: Names of the columns.
        rows: Cells as text.
        prose: Names of the columns that hold sentences: these are wrapped.
        is_folded: Whether it is for reference, and stands folded at the end of the page.
    """

    title: str
    explanation: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: Sequence[str] = ()
    is_folded: bool = False


@dataclass(frozen=True)
class ReportData:
    """All that a report shows.

    Attributes:
        manifest: Of the pack; its `files` may still be empty.
        comparison: All figures.
        notes: What must be read first, loudest first.
        openings: Of these test images and others, oldest first, this one last.
        origin: Of a training, else None.
        background: Where it was asked for.
        tables: Further ones, shown as they are.
        left_out: Images of classes that the pack does not know, by class.
        read: Of an evaluation, what was read; of a training the origin has it.
    """

    manifest: PackManifest
    comparison: Comparison
    notes: Sequence[str]
    openings: Sequence[Opening]
    origin: Origin | None = None
    background: BackgroundCheck | None = None
    tables: Sequence[ReportTable] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    read: DataSummary | None = None

    @property
    def summary(self) -> DataSummary | None:
        """What was read: usable images, and what was left out or doubted."""
        return self.origin.summary if self.origin else self.read
