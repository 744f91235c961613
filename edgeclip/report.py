"""The page beside a pack: figures on held-out places, where it errs, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2

from edgeclip import figures
from edgeclip.contract.pack import PackManifest
from edgeclip.errors import DataError
from edgeclip.evaluation.result import Evaluation
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import read_image_file
from edgeclip.splits import Split
from edgeclip.summary import DataSummary

MOST_EXAMPLES = 12  # of each kind


@dataclass(frozen=True)
class ReportData:
    """All that the report shows.

    Attributes:
        manifest: Of the pack; its `files` may still be empty.
        summary: Of the data.
        split: Of the images.
        images: Usable images.
        tested: Indices of the test images, in the order of the evaluations.
        evaluations: `zero-shot` and `adapter`, on the same images.
        notes: What must be read first, loudest first.
    """

    manifest: PackManifest
    summary: DataSummary
    split: Split
    images: Sequence[LabelledImage]
    tested: Sequence[int]
    evaluations: Mapping[str, Evaluation]
    notes: Sequence[str]


@dataclass(frozen=True)
class Example:
    """One test image with what the pack said of it."""

    thumbnail: str
    truth: str
    decision: str
    likeliest: str
    probability: float
    location: str
    file: str


def report_files(data: ReportData) -> dict[str, str]:
    """Return the content of `report/` by file name: page, split and figures."""
    return {
        "index.html": _page(data),
        "split.csv": data.split.to_csv(data.images),
        "metrics.json": _metrics(data),
    }


def _metrics(data: ReportData) -> str:
    content = {
        "targets": data.manifest.targets,
        "class_names": data.manifest.class_names,
        "notes": list(data.notes),
        "split": data.split.level,
        "metrics": data.manifest.metrics,
        "confusion": {name: e.confusion.tolist() for name, e in data.evaluations.items()},
        "worst_place": {name: e.worst_place for name, e in data.evaluations.items()},
        "data": data.summary.model_dump(),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _page(data: ReportData) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edgeclip"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    names = data.manifest.class_names
    adapter = data.evaluations["adapter"]
    return environment.get_template("report.html.j2").render(
        manifest=data.manifest,
        summary=data.summary,
        split=data.split,
        evaluations=data.evaluations,
        notes=data.notes,
        precision_recall=figures.precision_recall(data.evaluations, names),
        confusion_matrix=figures.confusion_matrix(adapter, names),
        histogram=figures.probability_histogram(adapter, names),
        examples=_examples(data, adapter),
    )


def _examples(data: ReportData, adapter: Evaluation) -> dict[str, list[Example]]:
    """Return false alarms, then missed, then right ones; the surest false alarm first."""
    targets = data.manifest.targets
    groups: dict[str, list[tuple[float, int]]] = {"false alarms": [], "missed": [], "right": []}
    for row, index in enumerate(data.tested):
        truth, decision = data.images[index].class_name, adapter.decisions[row]
        highest = max(
            float(adapter.probabilities[row, data.manifest.class_names.index(name)])
            for name in targets
        )
        if decision is not None and decision != truth:
            groups["false alarms"].append((-highest, row))
        elif truth in targets and decision is None:
            groups["missed"].append((highest, row))
        elif truth in targets:
            groups["right"].append((-highest, row))
    return {
        kind: [_example(data, adapter, row) for _, row in sorted(rows)[:MOST_EXAMPLES]]
        for kind, rows in groups.items()
    }


def _example(data: ReportData, adapter: Evaluation, row: int) -> Example:
    image = data.images[data.tested[row]]
    probabilities = adapter.probabilities[row]
    best = int(probabilities.argmax())
    try:
        small = figures.thumbnail(read_image_file(image.path))
    except DataError:  # removed since it was encoded: the figures stand, the picture is missing
        small = ""
    return Example(
        thumbnail=small,
        truth=image.class_name,
        decision=adapter.decisions[row] or "no alert",
        likeliest=data.manifest.class_names[best],
        probability=float(probabilities[best]),
        location=image.location or "unknown place",
        file=image.path.name,
    )
