"""Numbers with their words, and lists of which only the beginning is told."""

from __future__ import annotations

from edgeclip.contract.plurals import first_of


def test_of_many_texts_the_first_are_told_and_the_others_counted() -> None:
    assert first_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert first_of(["a", "b", "c"], 2, "; ") == "a; b and 1 more"


def test_of_few_texts_all_are_told() -> None:
    assert first_of(["a", "b"], 2) == "a, b"
    assert first_of([], 2) == ""
