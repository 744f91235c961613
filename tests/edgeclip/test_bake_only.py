"""Methods that change the encoder's own weights, from images to a pack, and on top of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.adapters.pack_outputs import outputs_of
from edgeclip.clip import Backbone
from edgeclip.config import Recipe, TrainConfig
from edgeclip.contract.deltas import changes_weights, split_deltas
from edgeclip.errors import ConfigError
from edgeclip.evaluating import evaluate_pack
from edgeclip.evaluation_request import EvaluationRequest
from edgeclip.fit_state import EVERY_S
from edgeclip.labels.reading import ReadingOptions
from edgeclip.pack_parts import read_parts
from edgeclip.packs import check_golden, load_pack
from edgeclip.progress import Bars
from edgeclip.run_costs import COSTS_FILE
from edgeclip.run_folder import run_path
from edgeclip.trainer import TrainResult, train
from support.clocks import Stepping
from support.stopping import Pressed, Stopping
from support.tiny_packs import TinyEncoder, write_encoder
from support.towers import RESNET

AT = datetime(2026, 5, 1, tzinfo=timezone.utc)
METHODS = ("lora+head", "ln", "svd+gda", "stages+head", "parallel_mlp+head", "mlp_ln+head")
QUICK = Recipe(steps=30, views=1, token_batch=16, learning_rate=0.01, seed=3)
Run = Callable[..., TrainResult]


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> TinyEncoder:
    return write_encoder(tmp_path_factory.mktemp("resnet"), vision=RESNET)


@pytest.fixture(scope="module")
def run(
    encoder: TinyEncoder, resnet: TinyEncoder, table: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    cache = tmp_path_factory.mktemp("cache")

    def trained(
        method: str, out: Path, *, bars: Bars | None = None, clock: object = None, **fields: object
    ) -> TrainResult:
        own = resnet if "stages" in method else encoder
        usual: dict[str, object] = {
            "data": table,
            "out": out,
            "targets": ("leopard",),
            "backbone": str(own.config),
            "pretrained": str(own.weights),
            "method": method,
            "folds": 2,
            "cache": cache,
            "recipe": QUICK,
        }
        config = TrainConfig.model_validate(usual | fields)
        ticks = clock or Stepping(EVERY_S)
        return train(config, created_at=AT, bars=bars or Bars(quiet=True), clock=ticks)  # type: ignore[arg-type]

    return trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packs")


@pytest.fixture(scope="module")
def results(run: Run, folder: Path) -> dict[str, TrainResult]:
    """What the training of each method gave, once."""
    return {method: run(method, folder / method) for method in METHODS}


@pytest.fixture(scope="module")
def packs(results: dict[str, TrainResult], folder: Path) -> dict[str, Path]:
    """A pack of each method."""
    return {method: folder / method for method in results}


def _load(method: str, encoder: TinyEncoder, resnet: TinyEncoder) -> Backbone:
    return (resnet if "stages" in method else encoder).load()


@pytest.mark.parametrize("method", METHODS)
def test_the_ladder_says_bake_only_of_what_its_pack_says_it_of(
    method: str, results: dict[str, TrainResult]
) -> None:
    steps = results[method].learned.ladder.steps
    assert [step.entry.fusion for step in steps] == ["F0", "bake-only"]  # zero-shot, and it


@pytest.mark.parametrize("method", METHODS)
def test_a_method_on_the_encoder_s_weights_trains_and_its_pack_says_bake_only(
    method: str, packs: dict[str, Path], encoder: TinyEncoder, resnet: TinyEncoder
) -> None:
    backbone, pack = _load(method, encoder, resnet), load_pack(packs[method])
    manifest = pack.manifest
    assert (manifest.method, manifest.fusion_class, manifest.graph) == (method, "bake-only", "head")
    assert manifest.is_bake_only
    assert changes_weights(pack.tensors)
    assert manifest.base.weights_sha256 == backbone.base.weights_sha256
    assert {part.kind for part in manifest.adapters} == set(method.split("+"))
    assert manifest.metrics["held_out/adapter/average_precision"] > 0.8
    assert check_golden(pack, backbone) == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_invariant_30_tensors_and_adapters_of_a_pack_are_read_bit_for_bit(
    method: str, packs: dict[str, Path]
) -> None:
    folder = packs[method]
    pack = load_pack(folder)
    stored = load_file(folder / "adapter.safetensors")
    assert stored.keys() == pack.tensors.keys()
    assert all(np.array_equal(stored[name], pack.tensors[name]) for name in stored)
    _, parts = read_parts(folder, pack.manifest, pack.tensors)  # refused unless they add up to it
    own = next(part for part in parts if changes_weights(part.slots))
    assert set(own.slots) == set(split_deltas(pack.tensors)[1])


@pytest.mark.parametrize("method", ["lora+head", "stages+head"])
def test_invariant_13_a_changed_encoder_is_a_copy_with_features_of_its_own(
    method: str, packs: dict[str, Path], encoder: TinyEncoder, resnet: TinyEncoder
) -> None:
    backbone, pack = _load(method, encoder, resnet), load_pack(packs[method])
    images = pack.golden.images
    before = backbone.embed_images(images)[1]
    changed, slots = changed_encoder(backbone, pack.tensors)
    assert not changes_weights(slots)
    assert changed.base.weights_sha256 != backbone.base.weights_sha256
    assert not np.allclose(changed.embed_images(images)[1], before, atol=1e-3)
    assert (backbone.embed_images(images)[1] == before).all()
    once, again = outputs_of(images, changed, slots), outputs_of(images, backbone, pack.tensors)
    assert (once.logits == again.logits).all()
    assert changed_encoder(backbone, slots)[0] is backbone


@pytest.mark.parametrize("method", ["ln", "stages+head"])
def test_an_evaluation_gives_the_training_s_figures_again(
    method: str,
    packs: dict[str, Path],
    encoder: TinyEncoder,
    resnet: TinyEncoder,
    table: Path,
    tmp_path: Path,
) -> None:
    own = resnet if "stages" in method else encoder
    pack = Path(shutil.copytree(packs[method], tmp_path / "pack"))
    request = EvaluationRequest(
        pack,
        ReadingOptions(data=table),
        backbone=str(own.config),
        pretrained=str(own.weights),
        background_check=True,
        baselines=("zero-shot",),
    )
    data = evaluate_pack(request, at=AT, bars=Bars(quiet=True))
    metrics = load_pack(pack).manifest.metrics
    found = data.comparison.headline.main.frames.flat("test/adapter")
    assert {name: metrics[name] for name in found} == pytest.approx(found, abs=1e-3, nan_ok=True)
    zero_shot = data.comparison.headline.judgements["zero-shot"].frames
    assert zero_shot.targets["leopard"].average_precision == pytest.approx(
        metrics["test/zero-shot/leopard/average_precision"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("stop", "method"),
    [("round", "lora+head"), ("training", "stages+head"), ("encoding test", "svd+gda")],
)
def test_invariant_32_an_interrupted_run_continues_to_the_same_pack(
    stop: str, method: str, run: Run, packs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "pack"
    stopped: dict[str, object] = {"bars": Stopping(stop, 3)}
    if stop == "round":
        stopped = {"clock": Pressed(40)}
    with pytest.raises(KeyboardInterrupt):
        run(method, out, **stopped)
    assert run_path(out).exists()
    result = run(method, out, resume=True)
    assert result.taken is not None
    assert result.taken.rounds + result.taken.steps > 0
    assert _files(out) == _files(packs[method])


def _files(folder: Path) -> dict[str, bytes]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.name != COSTS_FILE)
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize("method", ["lora+head", "stages+head"])
def test_adapters_of_the_head_are_trained_on_top_and_the_changes_stay_bit_for_bit(
    method: str,
    run: Run,
    packs: dict[str, Path],
    encoder: TinyEncoder,
    resnet: TinyEncoder,
    tmp_path: Path,
) -> None:
    own = resnet if "stages" in method else encoder
    fields = {"backbone": str(own.config), "pretrained": str(own.weights), "on": packs[method]}
    run("visual", tmp_path / "both", **fields)
    first, both = load_pack(packs[method]), load_pack(tmp_path / "both")
    kinds = [part.kind for part in both.manifest.adapters]
    assert kinds == [*(part.kind for part in first.manifest.adapters), "visual"]
    assert both.manifest.fusion_class == "bake-only"
    for name, delta in split_deltas(first.tensors)[1].items():
        assert np.array_equal(both.tensors[name], delta)
    assert check_golden(both, own.load()) == 0.0


def test_auto_stands_on_such_a_pack_and_says_what_it_leaves_out(
    run: Run, packs: dict[str, Path], tmp_path: Path
) -> None:
    result = run("auto", tmp_path / "pack", on=packs["lora+head"], recipe=Recipe(steps=3, views=1))
    skipped = result.learned.ladder.skipped
    assert skipped["block+head"] == "the earlier pack changes the encoder's weights"
    assert skipped["visual+head"] == "the earlier pack leaves no place for head"
    tried = [step.entry.name for step in result.learned.ladder.steps]
    assert tried == ["earlier pack", "zero-shot", "gda", "tip", "proker", "blend", "linear"]


def test_on_such_a_pack_nothing_inside_the_encoder_is_added(
    run: Run, packs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="block\\+head looks into the encoder too: add methods"):
        run("block+head", tmp_path / "pack", on=packs["ln"])


def test_text_samples_on_such_a_pack_are_refused_before_an_image_is_encoded(
    run: Run, packs: dict[str, Path], tmp_path: Path
) -> None:
    recipe = Recipe(steps=3, views=1, text_samples=True)
    with pytest.raises(ConfigError, match="text_samples are features of the encoder as it was"):
        run("head", tmp_path / "pack", on=packs["ln"], recipe=recipe)


def test_an_adapter_that_the_earlier_pack_has_is_refused_by_name(
    run: Run, packs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"no place for head \(it has lora, head\): name other"):
        run("visual+head", tmp_path / "pack", on=packs["lora+head"])


def test_methods_on_weights_go_together(run: Run, tmp_path: Path) -> None:
    run("ln+lora+svd", tmp_path / "pack", folds=1)
    kinds = {
        name.rsplit(".", 1)[-1] for name in split_deltas(load_pack(tmp_path / "pack").tensors)[1]
    }
    assert kinds == {"weight", "bias", "lora_a", "lora_b", "singular"}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("stages", "stage adapters need a ResNet tower such as RN50, found VisionTransformer"),
        ("lora", r"the image tower is a ResNet and has no transformer blocks: use .*\(stages\)"),
        ("ln+head", r"the image tower is a ResNet and has no transformer blocks"),
    ],
)
def test_a_tower_that_the_method_does_not_know_is_refused_before_an_image_is_encoded(
    method: str, message: str, run: Run, encoder: TinyEncoder, resnet: TinyEncoder, tmp_path: Path
) -> None:
    other = encoder if method == "stages" else resnet
    with pytest.raises(ConfigError, match=message):
        run(
            method, tmp_path / "pack", backbone=str(other.config), pretrained=str(other.weights),
            cache=tmp_path / "cache",
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_method_that_takes_longer_than_allowed_is_refused_with_what_it_takes(
    run: Run, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"lora takes about \d+ minutes here, --budget-minutes 0"):
        run("lora", tmp_path / "pack", budget_minutes=0.0)
    assert not (tmp_path / "pack").exists()


def test_fewer_blocks_are_changed_where_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"tuned_blocks": 1})
    run("ln+lora", tmp_path / "pack", folds=1, recipe=recipe)
    changed = split_deltas(load_pack(tmp_path / "pack").tensors)[1]
    assert {name for name in changed if "resblocks" in name} == {
        name for name in changed if "resblocks.1." in name
    }
    assert not any("ln_pre" in name for name in changed)
