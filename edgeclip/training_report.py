"""What the report of a training says beside its test figures: warnings, thresholds, the ladder."""

from __future__ import annotations

from collections.abc import Sequence

from edgeclip.config import Recipe
from edgeclip.contract.pack import PackManifest, Thresholds
from edgeclip.evaluation.bootstrap import bootstrap_interval
from edgeclip.evaluation.comparison import Comparison
from edgeclip.evaluation.metrics import precision, recall
from edgeclip.ladder_table import LADDER_HEADER, ladder_cells
from edgeclip.openings import Opening, opening_note
from edgeclip.pack_making import Trained
from edgeclip.report_data import Origin, ReportData, ReportTable
from edgeclip.wording import decimal, interval


def training_report(
    trained: Trained,
    manifest: PackManifest,
    comparison: Comparison,
    openings: Sequence[Opening],
    origin: Origin,
) -> ReportData:
    """Return all that the report of a training shows.

    Args:
        trained: The finished training.
        manifest: Of its pack.
        comparison: On the test images.
        openings: Looks at test images, this one the last.
        origin: What it was trained on.
    """
    looked = opening_note(openings)
    notes = (*training_notes(trained), *origin.split.warnings, *([looked] if looked else []))
    tables = training_tables(trained)
    return ReportData(manifest, comparison, notes, openings, origin, tables=tables)


def training_tables(trained: Trained) -> list[ReportTable]:
    """Return how the method and the thresholds were chosen, and the recipe."""
    ladder = trained.learned.ladder
    tables = [_thresholds(trained)]
    if ladder:
        cells = [dict(zip(LADDER_HEADER, ladder_cells(s), strict=True)) for s in ladder.steps]
        tables.append(
            ReportTable(
                "How the method was chosen",
                f"Figures on {ladder.labels_used} labelled images, each while its {ladder.level}"
                " was held out of the fit; none of them is a test image. What each took, in seconds"
                " and memory, differs from run to run and lies in costs.json.",
                columns := sorted(LADDER_HEADER, key=_after),
                [[cell[name] for name in columns] for cell in cells],
                prose=("verdict", "slots"),
            )
        )
    return [*tables, _recipe(trained.config.recipe)]


def _after(column: str) -> int:
    """Return where a column of the ladder stands on a page: meaning first, names of slots last."""
    first, last = ("method", "verdict"), ("rung", "slots")
    if column in first:
        return first.index(column) - len(first)
    return 1 + last.index(column) if column in last else 0


def _recipe(recipe: Recipe) -> ReportTable:
    fields = Recipe.model_fields.items()
    return ReportTable(
        "Recipe",
        f"Its id in the pack, a hash of all these values: {recipe.sha256[:12]}. recipe.toml beside"
        " this page holds them for edgeclip train --config.",
        ("", "value", "what it is"),
        [(name, str(getattr(recipe, name)), field.description or "") for name, field in fields],
        prose=("what it is",),
        is_folded=True,
    )


def _thresholds(trained: Trained) -> ReportTable:
    return ReportTable(
        "How the thresholds were chosen",
        "On images held out of training, and what they give there; in brackets the range for other"
        " places. They were chosen on these same images, so expect a little less elsewhere. A visit"
        " needs one image above the peak, and lasts while images stay above the last figure.",
        ("", "threshold", "precision", "recall", "images with it", "peak", "stay"),
        [_threshold(trained, target, item) for target, item in trained.thresholds.items()],
    )


def _threshold(trained: Trained, target: str, item: Thresholds) -> tuple[str, ...]:
    score = trained.learned.choice.chosen.score
    number = list(trained.dataset.class_names).index(target)
    called, is_target = score.probabilities[:, number] >= item.on, score.classes == number
    held_out = [
        interval(bootstrap_interval(called, is_target, score.groups, metric=metric))
        for metric in (precision, recall)
    ]
    support = str(int(is_target.sum()))
    return (target, decimal(item.on), *held_out, support, decimal(item.peak), decimal(item.off))


def training_notes(trained: Trained) -> list[str]:
    """Return what must be read first."""
    choice, notes = trained.learned.choice, []
    if choice.kept_zero_shot:
        notes.append(
            "ZERO-SHOT KEPT: on images held out, nothing that was trained was better than the"
            " prompts alone, so the pack holds these"
        )
    elif trained.learned.kept_floor:
        notes.append(
            "EARLIER PACK KEPT: on images held out, nothing that was trained beside it was better,"
            " so its adapters come back as they were"
        )
    notes += trained.frames.notes() if trained.frames else []
    for name, scores in trained.evaluations["adapter"].targets.items():
        zero_shot = trained.evaluations["zero-shot"].targets[name]
        if scores.f1 < zero_shot.f1:
            notes.append(
                f"{name}: on the test part F1 {scores.f1:.3f} is below zero-shot's"
                f" {zero_shot.f1:.3f}: more places or images are needed"
            )
        if scores.support < 10:
            notes.append(f"{name}: only {scores.support} test images: read its figures with care")
    return notes
