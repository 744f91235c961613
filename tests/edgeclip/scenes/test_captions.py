"""Captions are true, varied, and never name what is held out."""

from __future__ import annotations

import numpy as np

from edgeclip.scenes.captions import describe, frame_facts, subject_facts
from edgeclip.scenes.sampling import sample_scene
from edgeclip.scenes.species import BLANK, SPECIES
from edgeclip.scenes.subjects import SceneSpec, Subject
from edgeclip.scenes.views import TRAINING_LABELS


def captions_of(label: str, count: int = 60) -> list[str]:
    rng = np.random.default_rng(1)
    texts = []
    for number in range(count):
        spec = sample_scene(rng, label, number, night=number % 2 == 0)
        facts = frame_facts(spec, [(subject, rng.random()) for subject in spec.subjects])
        caption = describe(facts, rng)
        assert caption.facts <= facts
        texts.append(caption.text)
    return texts


def test_the_leopard_and_only_the_leopard_is_held_out() -> None:
    assert [name for name, kind in SPECIES.items() if kind.held_out] == ["leopard"]
    assert "leopard" not in TRAINING_LABELS
    assert set(TRAINING_LABELS) == {BLANK, *SPECIES} - {"leopard"}


def test_no_training_caption_names_the_held_out_species_or_its_rosettes() -> None:
    texts = [text for label in TRAINING_LABELS for text in captions_of(label, 150)]
    assert len(set(texts)) > 600
    assert not [text for text in texts if "leopard" in text or "rosette" in text]


def test_captions_of_the_held_out_species_do_name_it() -> None:
    assert any("leopard" in text for text in captions_of("leopard"))


def test_words_for_spots_cats_and_empty_scenes_are_taught() -> None:
    text = " ".join(text for label in TRAINING_LABELS for text in captions_of(label, 150))
    for phrase in ("spotted", "big cat", "small", "empty scene", "moving branches", "at night"):
        assert phrase in text, phrase


def test_a_blank_is_never_called_an_animal() -> None:
    for text in captions_of(BLANK, 200):
        assert "a animal" not in text
        assert not any(name in text for name in SPECIES)


def test_articles_fit_their_nouns() -> None:
    texts = [text for label in ("impala", "elephant", "zebra") for text in captions_of(label)]
    assert any("an impala" in text for text in texts)
    assert not any(
        f" {wrong}" in f" {text}" for text in texts for wrong in ("a impala", "an zebra")
    )


def test_colours_are_not_claimed_in_infrared() -> None:
    lion = Subject("lion")
    assert "tan" in subject_facts(lion, "day")
    assert "tan" not in subject_facts(lion, "infrared")


def test_strong_wind_and_sun_are_facts_of_a_blank() -> None:
    calm, windy = (frame_facts(SceneSpec(1, wind=wind), []) for wind in (0.1, 0.9))
    assert "moving branches" in windy - calm


def test_a_hidden_animal_is_said_to_be_hidden() -> None:
    spec = SceneSpec(1, subjects=(Subject("zebra"),))
    assert "partly hidden" in frame_facts(spec, [(spec.subjects[0], 0.4)])
    assert "partly hidden" not in frame_facts(spec, [(spec.subjects[0], 0.95)])
