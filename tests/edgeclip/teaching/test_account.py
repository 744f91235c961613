"""From how little a class was taught, as a pack's figures tell it."""

from __future__ import annotations

from edgeclip.teaching.account import Account, taught_lines


def test_one_image_is_one_image() -> None:
    account = Account("gnu", "closed form", 1, 0, 9, None, "one image")
    assert account.said.startswith("gnu: taught from 1 image, threshold from")
    assert taught_lines(account.figures()) == ["gnu from 1 image, its threshold is unverified"]


def test_figures_that_are_none_of_a_taught_class_tell_of_none() -> None:
    assert taught_lines({"test/adapter/gnu/f1": 0.9, "taught/gnu/others": 3.0}) == []
