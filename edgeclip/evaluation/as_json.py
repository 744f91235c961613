"""A comparison as plain data for `--json` and `metrics.json`; what is not defined is null."""

from __future__ import annotations

import math
from typing import Any

from edgeclip.evaluation.alerts import AlertFigures
from edgeclip.evaluation.bootstrap import Difference, Interval
from edgeclip.evaluation.comparison import Comparison, Scope
from edgeclip.evaluation.judging import Judgement, TargetFigures
from edgeclip.evaluation.slices import Slice

Json = dict[str, Any]
_DIGITS = 6


def comparison_json(comparison: Comparison) -> Json:
    """Return all figures of a comparison."""
    return {
        "targets": list(comparison.targets),
        "class_names": list(comparison.judged.class_names),
        "contenders": [
            {
                "name": contender.name,
                "trainable_params": contender.trainable_params,
                "steps": contender.steps,
                "seconds": _number(contender.seconds),
                "peak_memory_mb": _number(contender.peak_memory_mb),
                "note": contender.note,
                "thresholds": {k: _number(v) for k, v in contender.thresholds.items()},
            }
            for contender in comparison.contenders
        ],
        "scopes": {scope.name: _scope(scope) for scope in comparison.scopes},
        "known_minus_new_f1": {k: _number(v) for k, v in comparison.gaps.items()},
    }


def _scope(scope: Scope) -> Json:
    return {
        "images": len(scope.rows),
        "sequences": scope.main.sequences.images,
        "places": len({image.location for image in scope.judged.images if image.location}),
        "contenders": {name: _judgement(own) for name, own in scope.judgements.items()},
        "differences": {
            name: {figure: _difference(value) for figure, value in own.items()}
            for name, own in scope.differences.items()
        },
    }


def _judgement(judgement: Judgement) -> Json:
    return {
        "accuracy": _interval(judgement.accuracy),
        "macro_f1": _interval(judgement.macro_f1),
        "balanced_accuracy": _interval(judgement.macro_recall),
        "ece": _number(judgement.reliability.error),
        "ece_before_temperature": _number(judgement.ece_before),
        "confusion": judgement.frames.confusion.tolist(),
        "worst_place": {
            "name": judgement.frames.worst_place[0],
            "right": _number(judgement.frames.worst_place[1]),
        },
        "targets": {
            name: _target(judgement, name, figures) for name, figures in judgement.targets.items()
        },
        "classes": {
            scores.name: {
                "precision": _number(scores.precision),
                "recall": _number(scores.recall),
                "f1": _number(scores.f1),
                "average_precision": _number(scores.average_precision),
                "support": scores.support,
            }
            for scores in judgement.classes
        },
        "blanks_removed_at_animal_recall": {
            f"{recall:.2f}": _interval(share) for recall, share in judgement.blanks_removed.items()
        },
        "slices": [_slice(item) for item in judgement.slices],
    }


def _target(judgement: Judgement, name: str, figures: TargetFigures) -> Json:
    scores, sequences = judgement.frames.targets[name], judgement.sequences.targets[name]
    return {
        "threshold": _number(scores.threshold),
        "support": scores.support,
        "found": scores.found,
        "false_alarms": scores.false_alarms,
        "precision": _interval(figures.precision),
        "recall": _interval(figures.recall),
        "f1": _interval(figures.f1),
        "average_precision": _interval(figures.average_precision),
        "recall_at_precision": {f"{p:.2f}": _interval(i) for p, i in figures.recall_at.items()},
        "precision_at_recall": {f"{r:.2f}": _interval(i) for r, i in figures.precision_at.items()},
        "ece": _number(figures.reliability.error),
        "ece_before_temperature": _number(figures.ece_before),
        "brier": _number(figures.brier),
        "sequence_mean": {
            "precision": _number(sequences.precision),
            "recall": _number(sequences.recall),
            "f1": _number(sequences.f1),
            "support": sequences.support,
        },
        "sequence_any_frame": {
            "precision": _number(figures.sequence_precision),
            "recall": _number(figures.sequence_recall),
        },
        "alerts": _alerts(figures.alerts),
    }


def _alerts(alerts: AlertFigures | None) -> Json | None:
    if alerts is None:
        return None
    return {
        "visits": alerts.visits,
        "visits_found": alerts.visits_found,
        "alerts": alerts.alerts,
        "true_alerts": alerts.true_alerts,
        "camera_days": alerts.camera_days,
        "false_alarms_per_camera_day": _number(alerts.false_alarms_per_camera_day),
        "precision": _number(alerts.precision),
        "recall": _number(alerts.recall),
        "alerts_per_found_visit": _number(alerts.alerts_per_found_visit),
        "time_to_alert_s": {
            "p50": _number(alerts.time_to_alert_s(0.5)),
            "p95": _number(alerts.time_to_alert_s(0.95)),
        },
    }


def _slice(item: Slice) -> Json:
    return {
        "kind": item.kind,
        "name": item.name,
        "images": item.images,
        "right": _number(item.right),
        "targets": {
            name: {
                "support": own.support,
                "called": own.called,
                "precision": _number(own.precision),
                "recall": _number(own.recall),
                "f1": _interval(own.f1),
            }
            for name, own in item.targets.items()
        },
    }


def _interval(interval: Interval) -> Json:
    content: Json = {
        "estimate": _number(interval.estimate),
        "low": _number(interval.low),
        "high": _number(interval.high),
        "groups": interval.groups,
    }
    if interval.by_group:
        content["by_group"] = {name: _number(value) for name, value in interval.by_group.items()}
    return content


def _difference(difference: Difference) -> Json:
    return {
        "ours": _number(difference.ours),
        "theirs": _number(difference.theirs),
        "difference": _interval(difference.interval),
    }


def _number(value: float) -> float | None:
    return round(float(value), _DIGITS) if math.isfinite(value) else None
