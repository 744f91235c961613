from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.archive.answering import Asked
from edgeclip.archive.predicting import Output, predict_archive
from edgeclip.archive.request import PredictRequest
from edgeclip.archive.results import Results
from edgeclip.clip import Backbone
from edgeclip.progress import Bars
from support.drawn_images import draw, save
from support.tiny_packs import TinyEncoder, random_tensors, write_tiny_pack

PARTS_OF_FOUR = 4
Predict = Callable[..., Results]


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "pack"
    write_tiny_pack(folder, backbone, random_tensors(1, columns=3, names=()))
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Eleven images of two places, one file of no image, one that is empty, and litter."""
    root = tmp_path / "archive"
    for number in range(11):
        place = "ridge" if number < 6 else "river/north"
        time = f"2024050{1 + number // 4}_12000{number % 4}"
        save(root / place / f"{time}.png", draw("leopard", number))
    (root / "ridge" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (root / "river" / "empty.jpg").write_bytes(b"")
    (root / "ridge" / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    save(root / ".hidden" / "a.png", draw("leopard", 1))
    return root


@pytest.fixture
def predict(encoder: TinyEncoder, tiny_pack: Path, tmp_path: Path) -> Predict:
    """Run over an archive with the tiny pack; fields of request and output may be given."""

    def run(source: object, **fields: object) -> Results:
        asked = Asked(
            Path(str(fields.pop("pack", tiny_pack))),
            backbone=str(encoder.config),
            pretrained=str(encoder.weights),
        )
        own = {name: fields.pop(name) for name in _OF_REQUEST if name in fields}
        request = PredictRequest(str(source), asked, **own)  # type: ignore[arg-type]
        usual: dict[str, object] = {
            "folder": tmp_path / "out", "formats": ["csv"], "workers": 2,
            "part_images": PARTS_OF_FOUR,
        }  # fmt: skip
        return predict_archive(request, Output(**(usual | fields)), Bars(quiet=True))  # type: ignore[arg-type]

    return run


_OF_REQUEST = ("data_dir", "boxes", "box_threshold", "zone", "facts")
