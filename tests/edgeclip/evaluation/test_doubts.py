from __future__ import annotations

import numpy as np

from edgeclip.evaluation.doubts import label_doubts
from support.judged import many, noisy


def test_the_surest_contradiction_comes_first() -> None:
    rows = np.asarray([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.1, 0.9], [0.15, 0.85]], np.float32)
    found = label_doubts(rows, np.asarray([0, 0, 0, 1, 1]))
    assert [(doubt.row, doubt.label, doubt.said) for doubt in found] == [(2, 0, 1)]
    assert found[0].probability == np.float32(0.95)


def test_what_the_model_is_unsure_of_is_no_doubt_of_the_label() -> None:
    rows = np.asarray([[0.9, 0.1], [0.45, 0.55], [0.02, 0.98], [0.05, 0.95]], np.float32)
    assert label_doubts(rows, np.asarray([0, 0, 1, 1])) == []


def test_labels_that_were_turned_are_most_of_what_is_found() -> None:
    images = many(20, 30)
    probabilities = noisy(images, 6)
    classes = images.classes.copy()
    wrong = np.arange(0, len(classes), 20)
    classes[wrong] = (classes[wrong] + 1) % 3
    found = [doubt.row for doubt in label_doubts(probabilities, classes)]
    assert len(set(found) & set(wrong.tolist())) > 0.8 * len(wrong)
    assert len(set(found) - set(wrong.tolist())) < 0.5 * len(wrong)


def test_a_class_without_images_is_never_said() -> None:
    rows = np.asarray([[0.1, 0.9], [0.2, 0.8]], np.float32)
    assert label_doubts(rows, np.asarray([0, 0])) == []
