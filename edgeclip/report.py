"""The folder of a report: its page, figures, predictions, and the split of a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeclip.contract.files import refuse_filled
from edgeclip.errors import ConfigError
from edgeclip.evaluation.as_json import comparison_json
from edgeclip.openings import OPENINGS_FILE, openings_json
from edgeclip.predictions import predictions_csv
from edgeclip.report_data import ReportData
from edgeclip.report_page import page

METRICS_FILE = "metrics.json"


def report_files(data: ReportData) -> dict[str, str]:
    """Return the content of a report's folder by file name."""
    files = {
        "index.html": page(data),
        METRICS_FILE: json.dumps(report_json(data), indent=1, ensure_ascii=False) + "\n",
        "predictions.csv": predictions_csv(data.comparison),
        OPENINGS_FILE: openings_json(data.openings),
    }
    if data.origin:
        files["split.csv"] = data.origin.split.to_csv(data.origin.images)
    return files


def refuse_report(report: Path, pack: Path, *, overwrite: bool) -> None:
    """Check that the report of an evaluation may be written, before the work that fills it.

    Raises:
        ConfigError: It would stand in the pack, or the pack in it: what a pack's own report knows
            of its training must stay. Or the folder is taken.
    """
    ours, theirs = report.resolve(), pack.resolve()
    if ours == theirs or theirs in ours.parents or ours in theirs.parents:
        raise ConfigError(
            f"--report {report} and the pack {pack} lie in one another: the pack's own report must"
            " stay as its training wrote it; choose another folder"
        )
    refuse_filled(report, overwrite=overwrite, marker=METRICS_FILE, option="--report")


def report_json(data: ReportData) -> Mapping[str, Any]:
    """Return all figures as plain data."""
    content: dict[str, Any] = {
        "task": data.manifest.task,
        "version": data.manifest.version,
        "notes": list(data.notes),
        "openings": [
            opening.model_dump(mode="json", exclude={"each"}) for opening in data.openings
        ],
        **comparison_json(data.comparison),
    }
    if data.left_out:
        content["left_out"] = dict(data.left_out)
    if data.background:
        content["background_check"] = data.background.as_json()
    if data.origin:
        content["split"] = data.origin.split.level
        content["metrics"] = data.manifest.metrics
    if data.summary:
        content["data"] = data.summary.model_dump()
    return content
