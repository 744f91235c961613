"""`predictions.csv`: what every contender said of every judged image, one row an image."""

from __future__ import annotations

import csv
import io

from edgeclip.contract.pack import utc_text
from edgeclip.evaluation.comparison import Comparison

_FACTS = ("sha256", "file", "class", "location", "sequence", "captured_at", "infrared", "scope")


def predictions_csv(comparison: Comparison) -> str:
    """Return the table: facts of the image, then decision and probabilities of each contender.

    A decision is the target whose threshold is reached, or empty.
    """
    names = comparison.judged.class_names
    header = list(_FACTS)
    for contender in comparison.contenders:
        header.append(f"{contender.name}: decision")
        header += [f"{contender.name}: p({name})" for name in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for scope in comparison.scopes:
        for position, row in enumerate(scope.rows):
            image = comparison.judged.images[row]
            cells: list[object] = [
                image.facts.sha256,
                image.path.name,
                image.class_name,
                image.location or "",
                image.sequence,
                utc_text(image.captured_at) if image.captured_at else "",
                int(image.facts.is_infrared),
                scope.name,
            ]
            for judgement in scope.judgements.values():
                cells.append(judgement.frames.decisions[position] or "")
                cells += [f"{p:.6f}" for p in judgement.contender.probabilities[position]]
            writer.writerow(cells)
    return text.getvalue()
