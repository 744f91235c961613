"""The page of a report: figures in plain words, pictures and tiles, in one file."""

from __future__ import annotations

from collections.abc import Mapping

import jinja2

from edgeclip import figures
from edgeclip.advice import advice
from edgeclip.evaluation.comparison import MACRO_F1, Scope
from edgeclip.openings import looks_before
from edgeclip.report_data import ReportData
from edgeclip.report_examples import doubtful_labels, examples
from edgeclip.wording import decimal, difference, interval, percent, percent_interval, whole

_MOST_PLACES = 40  # rows of the table of places
_MOST_PICTURED = 4  # targets with pictures of their own


def page(data: ReportData) -> str:
    """Return the page as HTML; it needs nothing from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edgeclip"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "decimal": decimal,
        "whole": whole,
        "percent": percent,
        "interval": interval,
        "percent_interval": percent_interval,
        "difference": difference,
    }
    comparison = data.comparison
    return environment.get_template("report.html.j2").render(
        data=data,
        manifest=data.manifest,
        comparison=comparison,
        headline=comparison.headline,
        main=comparison.contenders[0],
        macro_f1=MACRO_F1,
        advice=advice(comparison),
        pictures=_pictures(comparison.headline, comparison.targets),
        examples=examples(comparison),
        doubts=doubtful_labels(comparison),
        most_places=_MOST_PLACES,
        looks=max(looks_before(data.openings).values(), default=0),
        looked_at=len(looks_before(data.openings)),
    )


def _pictures(scope: Scope, targets: tuple[str, ...]) -> Mapping[str, str]:
    """Return the pictures of a scope by their description."""
    judgement, truth = scope.main, scope.judged.classes
    shown = {}
    for target in targets[:_MOST_PICTURED]:
        if judgement.frames.targets[target].support:
            shown[f"{target}: right alarms against animals found"] = figures.precision_recall(
                scope, target
            )
        shown[f"{target}: its probability, with and without the animal"] = (
            figures.probability_histogram(scope, target)
        )
    if judgement.blanks_removed:
        shown["Blanks put aside against animals kept"] = figures.blanks_curve(scope)
    shown["Do the probabilities come true?"] = figures.reliability_plot(judgement, truth)
    shown["What is taken for what"] = figures.confusion_matrix(judgement, scope.judged.class_names)
    return shown
