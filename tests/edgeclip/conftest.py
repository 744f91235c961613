"""One tiny encoder, one drawn image set and one pack trained on it; nobody changes them."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import torch

from edgeclip import cli
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.model import FeatureGraph
from edgeclip.clip import Backbone
from edgeclip.config import Recipe, TrainConfig
from edgeclip.evaluating import evaluate_pack
from edgeclip.evaluation_request import EvaluationRequest
from edgeclip.labels.dataset import Dataset, load_dataset, read_labels
from edgeclip.labels.reading import ReadingOptions
from edgeclip.methods import Base
from edgeclip.progress import Bars
from edgeclip.prompts import class_prompts, column_class
from edgeclip.report_data import ReportData
from edgeclip.text_side import TextSide
from edgeclip.token_plan import tower_sizes
from edgeclip.trainer import TrainResult, train
from support.commands import Ended, Run
from support.drawn_images import DrawnSet, write_set
from support.tiny_packs import TinyEncoder, write_encoder

CREATED_AT = datetime(2026, 5, 1, tzinfo=timezone.utc)
EVALUATED_AT = datetime(2026, 6, 1, tzinfo=timezone.utc)
Trainer = Callable[..., TrainResult]


torch.set_num_threads(1)  # the encoder is tiny: threads would only wait for one another


@pytest.fixture(autouse=True)
def _usual_field_limit() -> Iterator[None]:
    """The bound of Python's reader; libraries that other tests use lift it for the process."""
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `edgeclip` in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["edgeclip", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Ended(ended.value.code, printed.out, printed.err)

    return command


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TinyEncoder:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def backbone(encoder: TinyEncoder) -> Backbone:
    return encoder.load()


@pytest.fixture(scope="session")
def base(backbone: Backbone) -> Base:
    """Prompts for a leopard and blank, for methods that are fitted to given features."""
    prompts = class_prompts(["leopard", "blank"], {})
    side = TextSide(backbone, prompts)
    features = backbone.embed_prompts(side.columns)
    start = ZeroShot.of(features, column_class(prompts), backbone.logit_scale)
    return Base(start, FeatureGraph(), text=side, tower=tower_sizes(backbone))


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of 72 drawn images: leopard, zebra and blank at six places, in bursts of two."""
    drawn = DrawnSet({"leopard": 2, "zebra": 2, "blank": 2}, with_boxes=True)
    return write_set(tmp_path_factory.mktemp("images"), drawn)


@pytest.fixture(scope="session")
def dataset(table: Path) -> Dataset:
    return load_dataset(read_labels(table), {})


@pytest.fixture(scope="session")
def run_training(encoder: TinyEncoder, table: Path) -> Trainer:
    """Train on the drawn images; fields of the configuration may be given."""

    def run(out: Path, **fields: object) -> TrainResult:
        usual: dict[str, object] = {
            "data": table,
            "out": out,
            "targets": ("leopard",),
            "backbone": str(encoder.config),
            "pretrained": str(encoder.weights),
            "method": "visual+head",
            "recipe": Recipe(steps=60, views=2, batch=64, learning_rate=0.0015, seed=3),
        }
        config = TrainConfig.model_validate(usual | fields)
        return train(config, created_at=CREATED_AT, bars=Bars(quiet=True))

    return run


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, run_training: Trainer
) -> tuple[Path, TrainResult]:
    """A pack's folder, and what its training gave."""
    out = tmp_path_factory.mktemp("packs") / "pack"
    return out, run_training(out)


@pytest.fixture
def pack(trained: tuple[Path, TrainResult], tmp_path: Path) -> Path:
    """A copy: an evaluation leaves a line in it."""
    return shutil.copytree(trained[0], tmp_path / "pack")


@pytest.fixture
def run_evaluation(pack: Path, encoder: TinyEncoder) -> Callable[..., ReportData]:
    def run(data: Path, **fields: object) -> ReportData:
        usual: dict[str, object] = {
            "pack": pack,
            "reading": ReadingOptions(data=data),
            "backbone": str(encoder.config),
            "pretrained": str(encoder.weights),
        }
        request = EvaluationRequest(**(usual | fields))  # type: ignore[arg-type]
        return evaluate_pack(request, at=EVALUATED_AT, bars=Bars(quiet=True))

    return run
