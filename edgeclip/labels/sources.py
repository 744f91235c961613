"""Which reader a label source needs: by what lies at the path, never by its name alone."""

from __future__ import annotations

from pathlib import Path

from edgeclip.errors import DataError
from edgeclip.labels.camtrap_dp import read_camtrap_dp
from edgeclip.labels.camtrap_package import is_package
from edgeclip.labels.coco import is_coco, read_coco
from edgeclip.labels.csv_table import read_csv
from edgeclip.labels.detections import is_detector_results
from edgeclip.labels.folder import read_folder
from edgeclip.labels.json_text import load_object
from edgeclip.labels.megadetector import read_megadetector
from edgeclip.labels.paths import IMAGE_SUFFIXES
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable
from edgeclip.labels.text_tables import read_start

_WORKBOOKS = (".xls", ".xlsx", ".ods")


def read_source(options: ReadingOptions) -> LabelTable:
    """Return the samples of a folder, table, COCO or MegaDetector JSON, or Camtrap DP package.

    Raises:
        DataError: There is nothing at `options.data`, or it cannot be used.
    """
    source = options.data
    if source.is_dir():
        is_dp = options.layout is None and is_package(source)
        return read_camtrap_dp(options) if is_dp else read_folder(options)
    require_source(source)
    if source.suffix.lower() in IMAGE_SUFFIXES:
        above = source.resolve().parent.parent
        raise DataError(
            f"{source}: one image: name the folder above its label's, {above}, or a table of labels"
        )
    if source.suffix.lower() == ".json":
        return _read_json(options)
    if source.suffix.lower() in _WORKBOOKS:
        raise DataError(f"{source}: a workbook: save its sheet as CSV, and name that")
    is_zip = read_start(source, 2) == b"PK"
    if source.suffix.lower() == ".zip" and not is_zip:
        raise DataError(f"{source}: no zip, or a damaged one: copy or export it again")
    return read_camtrap_dp(options) if is_zip else read_csv(options)


def require_source(source: Path) -> None:
    """Check that something lies there.

    Raises:
        DataError: There is neither a folder nor a file.
    """
    if not source.is_dir() and not source.is_file():
        raise DataError(f"{source}: no such folder or file: name a folder of images or a CSV")


def _read_json(options: ReadingOptions) -> LabelTable:
    content = load_object(options.data)
    if is_coco(content):
        return read_coco(options, content)
    if is_detector_results(content):
        return read_megadetector(options, content)
    if isinstance(content.get("resources"), list):
        return read_camtrap_dp(options)
    keys = ", ".join(sorted(content))[:100] or "nothing"
    raise DataError(
        f"{options.data}: neither COCO (images, annotations), MegaDetector (images, detections) nor"
        f" Camtrap DP (resources); it has {keys}: export it again"
    )
