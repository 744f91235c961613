from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Head
from edgeclip.adapters.model import AdapterModel, Inputs, run_head
from edgeclip.adapters.soft_prompts import Position, SoftPrompts, SoftPromptSettings
from edgeclip.clip import Backbone
from edgeclip.config import Recipe
from edgeclip.errors import DataError
from edgeclip.features import Features
from edgeclip.text_tower import TextTower, text_tower
from edgeclip.training import TrainingRows, fit
from edgeclip.weight_hash import hash_weights
from support.tiny_packs import EMBED_DIM, WIDTH, write_encoder

NAMES = ["leopard", "grass and bushes", "an empty scene, no animal"]
COLUMNS = [0, 1, 1]
WRITTEN = {
    "end": "a camera trap photo {}.",
    "middle": "a camera {} trap photo.",
    "front": "{} a camera trap photo.",
}
POSITIONS: Sequence[Position] = ("end", "middle", "front")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = tmp_path_factory.mktemp("text")
    return write_encoder(folder, text={"layers": 2, "context_length": 20}).load()


@pytest.fixture(scope="module")
def tower(backbone: Backbone) -> TextTower:
    return text_tower(backbone)


@pytest.fixture
def start(backbone: Backbone) -> ZeroShot:
    text = backbone.embed_prompts([[f"a photo of {name}"] for name in NAMES])
    return ZeroShot.of(text, COLUMNS, 20.0)


def _moved(prompts: SoftPrompts, size: float = 0.1) -> SoftPrompts:
    noise = torch.randn(prompts.context.shape, generator=torch.Generator().manual_seed(0))
    prompts.context.data.add_(size * noise)
    return prompts


@pytest.mark.parametrize("position", POSITIONS)
def test_invariant_12_prompts_started_from_words_equal_the_written_prompts(
    backbone: Backbone, tower: TextTower, position: Position
) -> None:
    prompts = SoftPrompts(tower, NAMES, SoftPromptSettings(position=position))
    written = backbone.embed_prompts([[WRITTEN[position].format(name)] for name in NAMES])
    torch.testing.assert_close(prompts.features().detach(), written, atol=1e-5, rtol=0)


@pytest.mark.parametrize("position", POSITIONS)
def test_parity_coop_assembly_at_the_end_in_the_middle_and_in_front(
    backbone: Backbone, tower: TextTower, position: Position
) -> None:
    """In NumPy, from the token table: [start] V [name] [.] [end], V before, around or behind."""
    prompts = _moved(SoftPrompts(tower, NAMES, SoftPromptSettings(position=position)))
    model, tokenize = backbone.text_model()
    table = model.token_embedding.weight.numpy()
    v = prompts.context.detach().numpy()
    expected = []
    for name in NAMES:
        ids = [i for i in tokenize([f"{name}."])[0].tolist() if i]
        rows = [table[i] for i in ids]
        start, words, end = rows[:1], rows[1:-2], rows[-2:]
        middle = {
            "end": [*v, *words],
            "middle": [*v[:2], *words, *v[2:]],
            "front": [*words, *v],
        }[position]
        expected.append(np.stack([*start, *middle, *end]))
    layout = prompts.assembled()
    found, ends = layout.embeddings.detach().numpy()[0], layout.ends.tolist()
    shared = {"end": 5, "middle": 3, "front": 1}[position]
    begins = [shared, *(end + 1 for end in ends[:-1])]
    for wanted, first, last in zip(expected, begins, ends, strict=True):
        whole = np.concatenate([found[:shared], found[first : last + 1]])
        np.testing.assert_array_equal(whole, wanted)


def test_invariant_1_fresh_prompts_are_zero_shot_bit_for_bit(
    tower: TextTower, start: ZeroShot
) -> None:
    model = AdapterModel(start, [SoftPrompts(tower, NAMES)])
    for name, value in model.start.slots().items():
        np.testing.assert_array_equal(model.pack_tensors(1.0)[name], value)
        assert torch.equal(model.own_slots()[name], value)


def test_the_class_matrix_moves_as_the_features_of_the_prompts_do(
    tower: TextTower, start: ZeroShot
) -> None:
    prompts = _moved(SoftPrompts(tower, NAMES))
    found, begun = (x.detach().double().numpy() for x in (prompts.features(), prompts.start))
    for share in (0.5, 1.0):
        moved = start.weights.double().numpy() + share * (found - begun).T
        expected = moved / np.linalg.norm(moved, axis=0)
        after = prompts.head(start.head, share)
        np.testing.assert_allclose(after.weights.detach(), expected, atol=1e-6)
        assert torch.equal(after.bias, start.bias)
    assert prompts.penalty().item() == pytest.approx(4 * ((found - begun) ** 2).sum(1).mean())


def test_invariant_3_and_38_the_way_from_zero_shot_leads_away(
    tower: TextTower, start: ZeroShot
) -> None:
    model = AdapterModel(start, [_moved(SoftPrompts(tower, NAMES))])
    rng = np.random.default_rng(1)
    z, f = (rng.normal(size=(6, size)).astype(np.float32) for size in (WIDTH, EMBED_DIM))
    logits = [run_head(z, f, model.pack_tensors(share)).logits.numpy() for share in
              (0, 1e-4, 0.25, 0.5, 0.75, 1)]  # fmt: skip
    moves = [float(np.linalg.norm(rows - logits[0])) for rows in logits]
    assert moves[1] < 1e-2
    assert moves == sorted(moves)


def test_invariant_18_gradients_equal_finite_differences(tower: TextTower) -> None:
    """The tower is float32, so the differences are: of a step as large as float32 needs."""
    prompts = SoftPrompts(tower, NAMES)
    direction = torch.randn(prompts.context.shape, generator=torch.Generator().manual_seed(2))
    direction = direction / direction.norm()
    weights = torch.randn(3, EMBED_DIM, generator=torch.Generator().manual_seed(1))

    def loss(step: float) -> Tensor:
        changed = prompts.context.detach() + step * direction
        other = SoftPrompts(tower, NAMES)
        other.context.data.copy_(changed)
        return (other.features() * weights).sum() + other.penalty()

    ((prompts.features() * weights).sum() + prompts.penalty()).backward()  # type: ignore[no-untyped-call]
    assert prompts.context.grad is not None
    slope = float((loss(1e-3) - loss(-1e-3)).detach()) / 2e-3
    assert float((prompts.context.grad * direction).sum()) == pytest.approx(slope, rel=1e-2)


def test_the_tower_runs_once_a_step_and_again_after_it(
    tower: TextTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, runs = SoftPrompts(tower, NAMES), []
    usual = TextTower.upper

    def counted(self: TextTower, *given: object, **named: object) -> Tensor:
        runs.append(1)
        return usual(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(TextTower, "upper", counted)
    before = Head(torch.eye(EMBED_DIM)[:, :3], torch.zeros(3))
    for expected in (1, 2):
        loss = prompts.head(before).weights[0].sum() + prompts.penalty() + prompts.features().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        assert len(runs) == expected
    prompts.context.data.add_(0.1)  # as the averaging of weights does, behind autograd's back
    with torch.no_grad():
        assert not torch.equal(prompts.head(before).weights, before.weights)
    assert len(runs) == 3


def _rows(start: ZeroShot, count: int = 48) -> TrainingRows:
    """Images that look as the text of the other class says: there is something to learn."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, count).astype(np.int64)
    f = start.weights.T.numpy()[[1 if c == 0 else 0 for c in classes]]
    f = (f + 0.1 * rng.normal(size=f.shape)).astype(np.float32)
    z = np.zeros((count, WIDTH), np.float32)
    return TrainingRows(Features(z, f), classes, ["A"] * count, np.arange(count))


def test_invariant_14_and_15_a_fit_moves_the_context_and_nothing_of_the_encoder(
    backbone: Backbone, tower: TextTower, start: ZeroShot
) -> None:
    model = AdapterModel(start, [SoftPrompts(tower, NAMES)])
    losses: list[float] = []
    text, _ = backbone.text_model()
    before = hash_weights(text.state_dict())
    recipe = Recipe(steps=60, batch=16, learning_rate=0.1, kl=0.0)
    words = model.parts[0].get_parameter("context").detach().clone()
    fit(model, _rows(start), recipe, advance=losses.append)
    assert losses[-1] < 0.8 * losses[0]
    assert not torch.equal(model.parts[0].get_parameter("context"), words)
    assert [name for name, _ in model.named_parameters()] == ["components.prompt.context"]
    assert hash_weights(text.state_dict()) == before
    assert all(parameter.grad is None for parameter in text.parameters())


def test_the_pack_says_what_the_fitted_model_says(tower: TextTower, start: ZeroShot) -> None:
    model, rows = AdapterModel(start, [SoftPrompts(tower, NAMES)]), _rows(start)
    fit(model, rows, Recipe(steps=5, batch=16, learning_rate=0.1))
    with torch.no_grad():
        inputs = Inputs(torch.from_numpy(rows.features.z), torch.from_numpy(rows.features.f))
        live = model(inputs).logits.numpy()
    tensors = model.pack_tensors()
    assert set(tensors) == {"class_weights", "class_bias", "logit_scale"}
    stored = run_head(rows.features.z, rows.features.f, tensors).logits
    np.testing.assert_allclose(stored, live, atol=1e-5)


def test_a_strong_anchor_keeps_the_written_prompts(tower: TextTower, start: ZeroShot) -> None:
    held = SoftPrompts(tower, NAMES, SoftPromptSettings(anchor=3000))
    free = SoftPrompts(tower, NAMES, SoftPromptSettings(anchor=0))
    recipe = Recipe(steps=30, batch=16, learning_rate=0.01, kl=0.0)
    moves = []
    for prompts in (held, free):
        fit(AdapterModel(start, [prompts]), _rows(start), recipe)
        moves.append(float((prompts.features() - prompts.start).detach().norm()))
    assert moves[0] < 0.1 * moves[1]


def test_a_context_longer_than_its_words_is_refused(tower: TextTower) -> None:
    with pytest.raises(ValueError, match="a context of 9 from 6 tokens of words"):
        SoftPrompts(tower, NAMES, SoftPromptSettings(length=9))


def test_a_name_that_leaves_no_room_for_the_context_is_refused(tower: TextTower) -> None:
    with pytest.raises(DataError, match="with its learned words has 21 tokens"):
        SoftPrompts(tower, ["very " * 13 + "rare"])


def test_prompts_train_through_a_tower_that_sees_all_tokens_at_once(tmp_path: Path) -> None:
    shape = {"layers": 1, "context_length": 20, "no_causal_mask": True, "pool_type": "last"}
    backbone = write_encoder(tmp_path, text=shape, custom_text=True).load()
    prompts = SoftPrompts(text_tower(backbone), NAMES)
    written = backbone.embed_prompts([[WRITTEN["end"].format(name)] for name in NAMES])
    torch.testing.assert_close(prompts.features().detach(), written, atol=1e-5, rtol=0)
    prompts.features()[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert prompts.context.grad is not None
    assert (prompts.context.grad.abs().sum(1) > 0).all()
