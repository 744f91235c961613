from __future__ import annotations

import base64
import json
import subprocess
import sys

import numpy as np
import pytest

from edgeclip.clip import DEMO, Backbone, load_backbone
from edgeclip.words import MOST_LETTERS, answers, text_features


@pytest.fixture(scope="module")
def demo() -> Backbone:
    """The encoder that edgeclip carries."""
    return load_backbone(DEMO)


def test_words_become_a_direction(demo: Backbone) -> None:
    features = text_features(demo, "a leopard at night")
    assert features.shape == (demo.base.embed_dim,)
    assert np.linalg.norm(features) == pytest.approx(1, abs=1e-5)


def test_words_of_the_same_thing_are_nearer_than_of_another(demo: Backbone) -> None:
    zebra, striped, empty = (
        text_features(demo, text)
        for text in ("a zebra", "a striped animal", "an empty scene, no animal")
    )
    assert zebra @ striped > zebra @ empty


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no JSON", "Invalid JSON"),
        ('{"id": 1}', "Field required"),
        ('{"id": 1, "text": "  "}', "at least 1 character"),
        (json.dumps({"id": 1, "text": "x" * (MOST_LETTERS + 1)}), "at most 200 characters"),
    ],
    ids=["no JSON", "no text", "spaces", "too long"],
)
def test_a_line_that_cannot_be_answered_says_why_and_the_next_one_is(
    demo: Backbone, line: str, reason: str
) -> None:
    wrong, right = (json.loads(a) for a in answers(demo, [line, "", '{"id": 2, "text": "fox"}']))
    assert reason in wrong["error"]
    assert (right["id"], "features" in right) == (2, True)


def test_the_command_names_its_encoder_answers_and_ends_with_its_input(demo: Backbone) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgeclip.cli", "words", "--backbone", "demo"],
        input='{"id": 7, "text": "a zebra"}\n',
        capture_output=True,
        text=True,
        check=True,
    )
    greeting, answer = (json.loads(line) for line in done.stdout.splitlines())
    assert greeting["encoder"]["weights_sha256"] == demo.base.weights_sha256
    assert answer["id"] == 7
    features = np.frombuffer(base64.b64decode(answer["features"]), "<f4")
    np.testing.assert_allclose(features, text_features(demo, "a zebra"), atol=1e-5)
