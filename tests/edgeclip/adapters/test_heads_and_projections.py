"""Parity and particulars of the class-matrix and projection methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ClassHead
from edgeclip.adapters.clip_adapter import ClipAdapter
from edgeclip.adapters.component import Component
from edgeclip.adapters.linear import LinearAdapter, ProjectionAdapter, anchor_of
from edgeclip.adapters.linear_probe import make_linear_probe
from edgeclip.adapters.model import AdapterModel, Inputs
from edgeclip.adapters.proker import balanced_loss
from edgeclip.adapters.support import Support
from edgeclip.adapters.task_residual import TaskResidual
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.config import Recipe
from edgeclip.features import Features
from edgeclip.training import TrainingRows, fit
from support.supports import EMBED_DIM, SCALE, queries, start, support

WIDTH = 20


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


PROJECTION = _normal(WIDTH, EMBED_DIM) / WIDTH**0.5


def _logits(part: Component, z: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        model = AdapterModel(start(), [part])
        logits: torch.Tensor = model(Inputs(z, z @ PROJECTION)).logits
    return logits


def _rows(few: Support) -> TrainingRows:
    f, classes = few.features.numpy(), few.classes.numpy()
    return TrainingRows(Features(f, f), classes, few.locations, np.arange(len(classes)))


def test_invariant_11_parity_rla_folded_is_f_times_a_transposed_in_numpy() -> None:
    part = LinearAdapter(PROJECTION, anchor=0.5)
    part.delta.data = 0.3 * _normal(EMBED_DIM, EMBED_DIM, seed=2)
    z = _normal(7, WIDTH, seed=1)
    f = (z @ PROJECTION).double().numpy() @ (np.eye(EMBED_DIM) + part.delta.detach().numpy()).T
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    expected = SCALE * f @ start().weights.double().numpy()
    np.testing.assert_allclose(_logits(part, z).numpy(), expected, atol=1e-5, rtol=0)
    squared = 0.5 * float((part.delta.detach().double() ** 2).sum())
    assert float(part.penalty().detach()) == pytest.approx(squared, rel=1e-5)


@pytest.mark.parametrize("make", [LinearAdapter, ProjectionAdapter], ids=["linear", "proj"])
def test_invariant_11_an_infinite_anchor_gives_the_identity(
    make: type[LinearAdapter] | type[ProjectionAdapter],
) -> None:
    few, recipe = support(), Recipe(steps=300, batch=16, weight_decay=0)
    moved = {}
    for anchor in (0.0, 1e6):
        part = make(torch.eye(EMBED_DIM), anchor=anchor)
        fit(AdapterModel(few.start, [part]), _rows(few), recipe)
        moved[anchor] = float(part.delta.detach().abs().max())
    assert moved[1e6] <= 1e-4 < 0.01 < moved[0.0], moved


def test_parity_prolip_moves_the_projection_itself_in_numpy() -> None:
    part = ProjectionAdapter(PROJECTION, anchor=0.25)
    part.delta.data = 0.2 * _normal(WIDTH, EMBED_DIM, seed=3)
    z = _normal(7, WIDTH, seed=1)
    f = z.double().numpy() @ (PROJECTION + part.delta.detach()).double().numpy()
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    np.testing.assert_allclose(
        _logits(part, z).numpy(), SCALE * f @ start().weights.double().numpy(), atol=2e-5
    )
    assert float(part.penalty().detach()) == pytest.approx(
        0.25 * float(part.delta.detach().square().sum())
    )


@pytest.mark.parametrize(("images", "anchor"), [(0.2, 1.0), (1, 1.0), (16, 1 / 16), (1e5, 1e-3)])
def test_the_anchor_is_one_over_the_images_a_class_within_bounds(
    images: float, anchor: float
) -> None:
    assert anchor_of(images) == pytest.approx(anchor)


def test_projections_and_anchors_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"projection \(3,\) must be \(D, E\)"):
        LinearAdapter(torch.ones(3), anchor=1.0)
    with pytest.raises(ValueError, match=r"anchor -1\.0 not negative"):
        ProjectionAdapter(PROJECTION, anchor=-1.0)
    with pytest.raises(ValueError, match="0 images a class: must be positive"):
        anchor_of(0)


def test_parity_taskres_in_numpy() -> None:
    part = TaskResidual(start().head)
    part.residual.data = _normal(EMBED_DIM, 3, seed=4)
    w = start().weights.double().numpy() + 0.5 * part.residual.detach().double().numpy()
    w /= np.linalg.norm(w, axis=0)
    z = _normal(7, WIDTH, seed=1)
    f = normalize((z @ PROJECTION).double(), dim=1).numpy()
    np.testing.assert_allclose(_logits(part, z).numpy(), SCALE * f @ w, atol=2e-5)


def test_a_residual_that_could_not_learn_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha 0 must be positive"):
        TaskResidual(start().head, alpha=0)


def test_parity_the_clap_anchor_in_numpy() -> None:
    strengths = torch.tensor([0.9, 0.1, 0.4])
    part = ClassHead(start().head, start().columns, strengths)
    part.delta.data = _normal(EMBED_DIM, 3, seed=4)
    w = start().weights.double().numpy() + part.delta.detach().double().numpy()
    w /= np.linalg.norm(w, axis=0)
    moved = ((w - start().weights.double().numpy()) ** 2).sum(axis=0)
    expected = float(strengths.double().numpy() @ moved / 3)
    assert float(part.penalty().detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("strength", [0.0, 0.7], ids=["ZS-LP", "CLAP"])
def test_invariant_10_class_heads_and_taskres_are_zero_shot_at_step_0(strength: float) -> None:
    z = _normal(7, WIDTH, seed=1)
    with torch.no_grad():
        plain = AdapterModel(start(), ())(Inputs(z, z @ PROJECTION)).logits
    head = ClassHead(start().head, start().columns, strength * torch.ones(3))
    for part in (head, TaskResidual(start().head)):
        assert torch.equal(_logits(part, z), plain)


def test_invariant_10_an_anchor_of_a_million_keeps_the_text() -> None:
    few, moved = support(), {}
    for strength in (0.0, 1e6):
        part = ClassHead(few.start.head, few.start.columns, strength * torch.ones(3))
        fit(AdapterModel(few.start, [part]), _rows(few), Recipe(steps=300, batch=16))
        after = part.head(few.start.head).weights - few.start.weights
        moved[strength] = float(after.detach().abs().max())
    assert moved[1e6] <= 1e-4 < 0.01 < moved[0.0], moved


def test_parity_lp_plus_plus_one_step_in_numpy() -> None:
    few = support((2, 3, 4))
    x, t = few.exact.numpy(), few.start.weights.double().numpy()
    weights = 1 / (3 * few.counts[few.classes].double().numpy())
    one_hot = np.eye(3)[few.classes.numpy()]

    def gap(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        said = powers / powers.sum(axis=1, keepdims=True)
        return np.asarray(weights[:, None] * (one_hot - said))

    cosines = x @ t
    step = 2 / np.linalg.eigvalsh((x.T * weights) @ x)[-1]
    probe = step * x.T @ gap(SCALE * cosines)
    steps = 2 / (weights[:, None] * cosines**2).sum(axis=0)
    scales = SCALE + steps * (gap(x @ probe + SCALE * cosines) * cosines).sum(axis=0)
    expected = (probe + scales * t) / SCALE
    found = make_linear_probe(few, steps=1).head(few.start.head).weights
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_the_loss_of_lp_plus_plus_never_rises() -> None:
    few = support((3, 6, 9), noise=1.5)
    rows, losses = torch.arange(18), []
    for steps in (0, 1, 2, 5, 20, 100):
        head = make_linear_probe(few, steps=steps).head(few.start.head)
        logits = SCALE * few.exact @ head.weights.double() + head.bias
        losses.append(float(balanced_loss(few, logits, rows)))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.8 * losses[0]


def test_lp_plus_plus_refuses_fewer_than_no_steps() -> None:
    with pytest.raises(ValueError, match="-1 steps"):
        make_linear_probe(support(), steps=-1)


def test_parity_clip_adapter_compat_in_numpy() -> None:
    torch.manual_seed(0)
    part, f = ClipAdapter.fresh(EMBED_DIM), normalize(queries(), dim=1)
    down, up = (w.detach().double().numpy() for w in (part.down, part.up))
    moved = np.maximum(np.maximum(f.double().numpy() @ down, 0) @ up, 0)
    expected = 0.2 * moved + 0.8 * f.double().numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(part.features(f).detach().numpy(), expected, atol=1e-6)


def test_invariant_1_and_2_clip_adapter_at_ratio_or_share_zero_is_the_frozen_encoder() -> None:
    f = normalize(queries(), dim=1)
    off = ClipAdapter.fresh(EMBED_DIM, ratio=0.0)
    torch.testing.assert_close(off.features(f), f, atol=1e-6, rtol=0)
    torch.testing.assert_close(ClipAdapter.fresh(EMBED_DIM).features(f, 0.0), f, atol=1e-6, rtol=0)
    weights = start().weights
    for features in (off.features(f), ClipAdapter.fresh(EMBED_DIM).features(f, 0.0)):
        torch.testing.assert_close(
            SCALE * features @ weights, SCALE * f @ weights, atol=2e-5, rtol=0
        )


@pytest.mark.parametrize("size", [0.1, 7.0])
def test_invariant_4_bias_free_modules_scale_with_their_input(size: float) -> None:
    torch.manual_seed(0)
    visual, compat = VisualAdapter(EMBED_DIM, reduction=2, ratio=0.5), ClipAdapter.fresh(EMBED_DIM)
    visual.up.data.normal_()
    f = _normal(5, EMBED_DIM)
    branch = torch.relu(f @ visual.down) @ visual.up
    torch.testing.assert_close(torch.relu(size * f @ visual.down) @ visual.up, size * branch)
    torch.testing.assert_close(compat.features(size * f), compat.features(f), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("down", "up", "ratio", "message"),
    [
        ((12, 3), None, 0.2, "no gradient for ever"),
        ((12, 3), (12, 3), 0.2, "do not fit"),
        ((12, 3), (3, 12), 1.5, r"ratio 1\.5 is not in \[0, 1\]"),
    ],
    ids=["zero up", "shapes", "ratio"],
)
def test_invariant_16_clip_adapter_refuses_a_dead_start_and_bad_weights(
    down: tuple[int, int], up: tuple[int, int] | None, ratio: float, message: str
) -> None:
    weights = torch.zeros(3, 12) if up is None else torch.ones(up)
    with pytest.raises(ValueError, match=message):
        ClipAdapter(torch.ones(down), weights, ratio=ratio)


def test_clip_adapter_refuses_a_bottleneck_wider_than_the_embedding() -> None:
    with pytest.raises(ValueError, match="reduction 0 is not in"):
        ClipAdapter.fresh(EMBED_DIM, reduction=0)
