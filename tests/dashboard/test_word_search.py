"""Search by words, really end to end: rendered scenes, the demo's image and text towers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from edgeclip.clip import DEMO, load_backbone
from edgeclip.contract.detection import Detection
from edgeclip.contract.encoder_view import ImageFeatures
from edgeclip.scenes.image_sets import ImageSetPlan
from edgeclip_dashboard.config_search import SearchSettings
from edgeclip_dashboard.database import database_url, open_database
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.media_files import MediaFiles
from edgeclip_dashboard.messages import DetectionMessage
from edgeclip_dashboard.store import Store
from edgeclip_dashboard.text_encoder import TextEncoder
from edgeclip_dashboard.word_search import Found, WordSearch
from support.dashboards import sample
from support.feature_sets import told_scenes
from support.samples import AT, EPOCH

EVERYTHING = DetectionFilter()
PLAN = ImageSetPlan({"warthog": 9, "zebra": 9, "elephant": 9}, locations=3, seed=11)


@dataclass
class Searched:
    """A store of its own, and what searches it."""

    store: Store
    search: WordSearch

    def commit(self, *detections: Detection) -> None:
        """Store detections."""
        messages = [DetectionMessage(one, one.to_json()) for one in detections]
        self.store.commit(messages, AT + timedelta(days=1))


@pytest.fixture(scope="module")
def encoder() -> Iterator[TextEncoder]:
    """The demo's text tower, in its own process."""
    encoder = TextEncoder(SearchSettings())
    yield encoder
    encoder.stop()


@pytest.fixture(scope="module")
def scenes() -> list[Detection]:
    """27 detections with the demo's image features; of species that it was trained with."""
    return [told.detection for told in told_scenes(load_backbone(DEMO), PLAN)]


@pytest.fixture
def searched(tmp_path: Path, encoder: TextEncoder, scenes: list[Detection]) -> Iterator[Searched]:
    """A store with these detections."""
    with open_database(database_url(str(tmp_path / "d.sqlite")), project="demo") as engine:
        store = Store(engine, MediaFiles(tmp_path / "media", most_bytes=1_000_000))
        searched = Searched(store, WordSearch(engine, encoder))
        searched.commit(*scenes)
        yield searched


def _classes(found: Found) -> list[str | None]:
    return [hit.view.class_name for hit in found.hits]


@pytest.mark.parametrize("species", ["warthog", "zebra", "elephant"])
def test_words_find_the_species_that_they_name(searched: Searched, species: str) -> None:
    found = searched.search.find(f"a {species}", EVERYTHING, 6)
    assert _classes(found).count(species) >= 4
    assert (found.searched, found.of_others) == (27, 0)
    similarities = [hit.similarity for hit in found.hits]
    assert similarities == sorted(similarities, reverse=True)


def test_words_that_name_no_class_find_what_looks_so(searched: Searched) -> None:
    found = searched.search.find("a striped animal", EVERYTHING, 6)
    assert _classes(found).count("zebra") >= 4


def test_a_filter_narrows_what_is_ranked(searched: Searched) -> None:
    night = searched.search.find("a zebra", DetectionFilter(light="night"), 27)
    assert {hit.view.deployment_id for hit in night.hits} == {"night-post"}
    others = DetectionFilter(class_names=("warthog",), deployment_ids=("day-post",))
    found = searched.search.find("a zebra", others, 27)
    assert set(_classes(found)) == {"warthog"}
    assert 0 < len(found.hits) < 9


def test_a_narrow_filter_finds_what_is_far_down_among_many(
    searched: Searched, scenes: list[Detection]
) -> None:
    told = next(one for one in scenes if one.class_name == "zebra")
    assert told.features is not None
    crowd = [
        sample(seq=100 + n, epoch=EPOCH, class_name="zebra", features=told.features)
        for n in range(1100)
    ]
    searched.commit(*crowd)
    found = searched.search.find("a zebra", DetectionFilter(class_names=("elephant",)), 5)
    assert _classes(found) == ["elephant"] * 5
    assert found.searched == 1127


def test_features_of_another_encoder_are_counted_and_not_ranked(searched: Searched) -> None:
    other = ImageFeatures.of(np.ones(128, np.float32), "b" * 64, "full")
    searched.commit(sample(features=other, seq=77, class_name="other"))
    found = searched.search.find("a zebra", EVERYTHING, 50)
    assert (found.searched, found.of_others) == (27, 1)
    assert "other" not in _classes(found)


def test_what_is_stored_after_the_first_search_is_found_by_the_next(
    searched: Searched, scenes: list[Detection]
) -> None:
    searched.search.find("a zebra", EVERYTHING, 5)
    best = next(one for one in scenes if one.class_name == "zebra")
    again = sample(features=best.features, seq=78, class_name="newcomer", epoch=EPOCH)
    searched.commit(again)
    found = searched.search.find("a zebra", EVERYTHING, 28)
    assert "newcomer" in _classes(found)
