"""A weight of the encoder that a fit changes is found when that fit ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from edgeclip.base_watch import BaseWatch, word_sum
from edgeclip.clip import Backbone
from edgeclip.config import Recipe, TrainConfig
from edgeclip.errors import ArtefactError
from edgeclip.features import Features
from edgeclip.labels.dataset import Dataset
from edgeclip.methods import Base, fitted, parse_method
from edgeclip.progress import Bars
from edgeclip.run_folder import RunId, open_run, run_path
from edgeclip.splits import plan_split
from edgeclip.training import TrainingRows
from edgeclip.training_run import TrainingRun
from support.tiny_packs import EMBED_DIM, WIDTH, TinyEncoder

Change = Callable[[Tensor], object]
WAYS: dict[str, Change] = {
    "in place": lambda weight: weight.add_(1e-6),
    "behind autograd": lambda weight: weight.data.view(-1)[-1:].fill_(0.25),
    "through NumPy": lambda weight: np.put(weight.detach().numpy(), -1, 0.5),
    "one bit": lambda weight: weight.detach().view(torch.int32).reshape(-1)[0:1].bitwise_xor_(1),
}
PLACES: dict[str, Callable[[Backbone], Tensor]] = {
    "projection": lambda backbone: backbone.tower.projection,
    "image tower": lambda backbone: backbone.tower.visual.ln_post.bias,
    "text tower": lambda backbone: backbone.text_model()[0].token_embedding.weight,
    "one number": lambda backbone: backbone.text_model()[0].logit_scale,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_invariant_14_any_change_of_a_weight_is_found_by_sums_and_by_hash(
    way: Change, place: Callable[[Backbone], Tensor], encoder: TinyEncoder
) -> None:
    backbone = encoder.load()
    watch = BaseWatch(backbone)
    watch.check("head")
    watch.check_hash()
    way(place(backbone))
    with pytest.raises(ArtefactError, match=r"weights changed in the fit of head \(\w"):
        watch.check("head")
    with pytest.raises(ArtefactError, match="weights changed in the fits: nothing was written"):
        watch.check_hash()


@pytest.mark.parametrize("count", [0, 1, 3, 8, 9])
def test_each_byte_counts_in_the_sum_of_a_tensor(count: int) -> None:
    tensor = torch.arange(count, dtype=torch.int16)
    whole = tensor.numpy().tobytes()
    words = [whole[at : at + 8] for at in range(0, len(whole) - len(whole) % 8, 8)]
    expected = sum(int.from_bytes(word, "little") for word in words)
    assert word_sum(tensor) == expected + sum(whole[len(words) * 8 :])


@pytest.mark.parametrize("method", ["head", "gda"])
def test_invariant_14_a_fit_in_which_a_weight_changes_ends_with_an_error(
    method: str, base: Base, encoder: TinyEncoder
) -> None:
    backbone = encoder.load()
    rng, count = np.random.default_rng(0), 12
    z, f = (rng.normal(size=(count, d)).astype(np.float32) for d in (WIDTH, EMBED_DIM))
    rows = TrainingRows(Features(z, f), np.arange(count) % 2, ["P"] * count, np.arange(count))
    watched = replace(base, watch=BaseWatch(backbone))
    recipe = Recipe(steps=3, batch=4)
    fitted(parse_method(method), watched, rows, recipe)
    backbone.tower.projection.add_(1e-3)
    with pytest.raises(ArtefactError, match=f"changed in the fit of {method}"):
        fitted(parse_method(method), watched, rows, recipe)


class _Planting(Bars):
    """Bars of a run in which a weight is changed once the first entry was tried."""

    def __init__(self, bar: str) -> None:
        super().__init__(quiet=True)
        self.change: Callable[[], object] = lambda: None
        self._bar = bar

    def add(self, description: str, total: int) -> Callable[[int], None]:
        advance = super().add(description, total)

        def planting(count: int) -> None:
            advance(count)
            if description == self._bar:
                self.change()

        return planting


@pytest.mark.parametrize("bar", ["methods, held out", "training"])
def test_invariant_14_a_training_in_which_a_weight_changes_leaves_neither_pack_nor_run(
    bar: str, encoder: TinyEncoder, table: Path, dataset: Dataset, tmp_path: Path
) -> None:
    config = TrainConfig(
        data=table, out=tmp_path / "pack", targets=("leopard",), backbone=str(encoder.config),
        pretrained=str(encoder.weights), method="head", folds=2,
        recipe=Recipe(steps=40, views=1, batch=32, learning_rate=0.003, seed=3),
    )  # fmt: skip
    targets, split = plan_split(dataset.images, dataset.class_names, config.targets, seed=3)
    bars = _Planting(bar)
    run = TrainingRun(config, dataset, split, targets, bars)
    bars.change = lambda: run.backbone.tower.projection.data.mul_(1.0001)
    kept = open_run(config, RunId.of(config, dataset, split, run.backbone.base))
    with pytest.raises(ArtefactError, match="weights changed in the fit of head"):
        run.train(kept)
    assert not config.out.exists()
    assert not run_path(config.out).exists()
