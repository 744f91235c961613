"""The ResNet-50 that is trained on rendered scenes: repeatable, and it learns what it is taught."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from scripts.rendered_views import Views, render_views
from scripts.train_demo_resnet import Options, Trainer, train

TINY = Options(scenes=4, size=32, steps=2, batch=4, check_scenes=2)


@pytest.fixture(scope="module")
def views() -> Views:
    return render_views(6, 32, seed=0, processes=1)


def weights_after(views: Views, options: Options, steps: int) -> dict[str, Tensor]:
    trainer = Trainer(views, options, "cpu")
    for number in range(steps):
        trainer.step(number)
    return {name: t.clone() for name, t in trainer.model.state_dict().items()}


def test_views_carry_the_labels_and_never_the_held_out_species(views: Views) -> None:
    assert len(views.labels) == len(views.facts) == len(views.pixels)
    assert "leopard" not in views.labels
    assert all(label in facts for label, facts in zip(views.labels, views.facts, strict=True))


def test_all_layers_learn_and_a_run_is_repeated_bit_by_bit(views: Views) -> None:
    before, after = weights_after(views, TINY, 0), weights_after(views, TINY, 2)
    again, other = weights_after(views, TINY, 2), weights_after(views, replace(TINY, seed=1), 2)
    for name, tensor in after.items():
        if tensor.is_floating_point():
            assert not torch.equal(tensor, before[name]), name
        assert torch.equal(tensor, again[name]), name
    assert not torch.equal(after["conv1.weight"], other["conv1.weight"])


def test_the_facts_say_scenes_loss_and_accuracy_at_new_locations() -> None:
    _, facts = train(TINY, device="cpu", processes=1)
    assert facts["held_out"] == ["leopard"]
    assert facts["options"]["scenes"] == 4
    assert facts["new_locations"]["views"] >= 2
    assert 0 <= facts["new_locations"]["top1"] <= 1
