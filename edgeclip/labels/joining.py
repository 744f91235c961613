"""Several labelled sources -> one table: a season's labels with the verdicts that came later."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.files import reason_of, remedy_for, write_text
from edgeclip.errors import ConfigError, DataError
from edgeclip.labels.dataset import Dataset, LabelledImage

COLUMNS = (
    "path", "label", "location", "camera", "datetime", "seq_id", "bbox_x", "bbox_y", "bbox_w",
    "bbox_h",
)  # fmt: skip


@dataclass(frozen=True)
class Joined:
    """What a joined table holds.

    Attributes:
        rows: Of the whole table.
        by_source: Rows that each source gave, in the order of the sources.
        known: Images that an earlier source had already, byte for byte.
        whole_bursts: Images whose label is of their burst alone; they are left out.
    """

    rows: int
    by_source: Mapping[str, int]
    known: int
    whole_bursts: int


def write_joined(out: Path, sources: Sequence[Dataset], *, overwrite: bool = False) -> Joined:
    """Write the usable images of several sources into one table.

    Bursts keep apart: a sequence is named by the number of its source, then by its own name.
    Times are UTC, boxes relative to the frame.

    Args:
        out: The CSV; paths in it start at its folder, so all images lie below that.
        sources: As read; of an image that several have, the first one's label stands.
        overwrite: Whether a file of that name is replaced.

    Raises:
        ConfigError: The name is no CSV's, or something is there.
        DataError: Images lie elsewhere, one image has two labels, or it cannot be written.
    """
    if out.suffix.lower() != ".csv":
        raise ConfigError(f"{out}: a joined table is a CSV: name it {out.with_suffix('.csv').name}")
    if out.exists() and not overwrite:
        raise ConfigError(f"{out} is there: choose another name, or add --overwrite")
    joining = _Joining(out.resolve().parent)
    for number, dataset in enumerate(sources, 1):
        joining.take(number, dataset)
    try:
        write_text(out, joining.text())
    except OSError as error:
        told = f"{out}: cannot be written ({reason_of(error)}): {remedy_for(error)}"
        raise DataError(told) from error
    return joining.joined()


class _Joining:
    """Collects the rows of one source after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels: dict[str, tuple[str, Path]] = {}
        self._rows: list[list[object]] = []
        self._by_source: dict[str, int] = {}
        self._known = self._whole_bursts = 0

    def take(self, number: int, dataset: Dataset) -> None:
        before = len(self._rows)
        for image in dataset.images:
            if image.sequence_level:
                self._whole_bursts += 1
            elif self._is_known(image):
                self._known += 1
            else:
                self._rows.append(self._row(number, image))
        self._by_source[str(dataset.source)] = len(self._rows) - before

    def _is_known(self, image: LabelledImage) -> bool:
        found = self._labels.setdefault(image.facts.sha256, (image.class_name, image.path))
        if found[0] != image.class_name:
            raise DataError(
                f"{found[1]} is {found[0]}, and the same image at {image.path} {image.class_name}:"
                " mend one of the two labels"
            )
        return found[1] != image.path

    def _row(self, number: int, image: LabelledImage) -> list[object]:
        path = image.path.resolve()
        if not path.is_relative_to(self._folder):
            raise DataError(
                f"{image.path} does not lie below {self._folder}, where the table would be: put the"
                " table into a folder above all images"
            )
        at = image.captured_at
        return [
            path.relative_to(self._folder).as_posix(), image.class_name, image.location,
            image.camera, at and at.strftime("%Y-%m-%d %H:%M:%S"), f"{number}-{image.sequence}",
            *(f"{value:.5f}" for value in image.box or ()),
        ]  # fmt: skip

    def text(self) -> str:
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self._rows)
        return lines.getvalue()

    def joined(self) -> Joined:
        return Joined(len(self._rows), self._by_source, self._known, self._whole_bursts)
