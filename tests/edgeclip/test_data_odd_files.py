"""A folder with every kind of damaged and odd file trains, and its report names each."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeclip.config import Recipe, TrainConfig
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip.progress import Bars
from edgeclip.trainer import train
from support.drawn_images import DrawnSet, write_set
from support.odd_images import ODD_FILES, odd_file
from support.tiny_packs import TinyEncoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`images/<location>/<label>/`: drawn images, and each odd file as a leopard of place0."""
    drawn = tmp_path_factory.mktemp("odd") / "drawn"
    write_set(drawn, DrawnSet({"leopard": 2, "blank": 2}))
    root = drawn.parent / "images"
    for path in sorted(drawn.rglob("*.jpg")):
        label = path.name.partition("_")[0]
        target = root / path.parent.name / label / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    for seed, name in enumerate(ODD_FILES):
        (root / "place0/leopard" / name).write_bytes(odd_file(name, 100 + seed))
    copy = (root / "place0/leopard/leopard_0_0.jpg").read_bytes()
    (root / "place1/leopard/again.jpg").write_bytes(copy)
    (root / "place0/leopard/Thumbs.db").write_bytes(b"x")
    return root


def test_each_file_is_used_or_left_out_and_named(folder: Path) -> None:
    dataset = read_dataset(ReadingOptions(data=folder))
    named = {(Path(p.where).name, p.kind) for p in dataset.problems}
    used = {image.path.name for image in dataset.images}
    for name, (_, kind, _) in ODD_FILES.items():
        assert (name, kind) in named
        assert (name in used) is (kind == "odd")
    assert ("again.jpg", "duplicate") in named
    assert len(dataset.images) == 48 + sum(kind == "odd" for _, kind, _ in ODD_FILES.values())


def test_the_folder_trains_and_the_report_names_each_file(
    encoder: TinyEncoder, folder: Path, tmp_path: Path
) -> None:
    config = TrainConfig(
        data=folder,
        out=tmp_path / "pack",
        backbone=str(encoder.config),
        pretrained=str(encoder.weights),
        method="head",
        recipe=Recipe(steps=20, views=1, batch=32),
    )
    result = train(
        config, created_at=datetime(2026, 5, 1, tzinfo=timezone.utc), bars=Bars(quiet=True)
    )
    assert result.manifest.class_names == ["leopard", "blank"]
    page = (tmp_path / "pack/report/index.html").read_text()
    figures = json.loads((tmp_path / "pack/report/metrics.json").read_text())
    listed = {Path(problem["where"]).name for problem in figures["data"]["problems"]}
    for name in [*ODD_FILES, "again.jpg"]:
        assert name in listed
        assert name in page
