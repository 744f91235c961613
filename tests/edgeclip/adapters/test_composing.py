from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.class_head import ClassHead, ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.composing import frozen_parts
from edgeclip.adapters.model import AdapterModel, arrays
from edgeclip.adapters.stored import Stored, compose
from edgeclip.adapters.visual import VisualAdapter
from edgeclip.errors import PackError

EMBED_DIM, COLUMNS = 12, [0, 1, 1]


@pytest.fixture
def start() -> ZeroShot:
    text = torch.randn(3, EMBED_DIM, generator=torch.Generator().manual_seed(0))
    return ZeroShot.of(normalize(text, dim=1), COLUMNS, 20.0)


def _moved(*components: Component) -> list[Component]:
    torch.manual_seed(1)
    for component in components:
        for parameter in component.parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return list(components)


def _both(start: ZeroShot) -> AdapterModel:
    visual = VisualAdapter(EMBED_DIM, reduction=4, ratio=0.2)
    head = ClassHead(start.head, start.columns, torch.ones(2))
    return AdapterModel(start, _moved(visual, head))


def test_what_is_put_together_again_is_the_same_bit_for_bit(start: ZeroShot) -> None:
    model = _both(start)
    again = AdapterModel(start, frozen_parts(model.stored(0.7)))
    first, second = model.pack_tensors(0.7), again.pack_tensors()
    assert set(first) == set(second)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_part_taken_away_leaves_the_other_as_if_it_had_been_alone(start: ZeroShot) -> None:
    model = _both(start)
    visual, head = model.stored()
    alone = AdapterModel(start, [model.parts[0]]).pack_tensors()
    rest = compose(arrays(start.slots()), [visual])
    assert all(np.array_equal(alone[name], rest[name]) for name in alone)
    only_head = compose(arrays(start.slots()), [head])
    assert "va_up" not in only_head
    assert np.array_equal(only_head["class_weights"], model.pack_tensors()["class_weights"])


def test_parts_of_two_packs_are_put_together_without_training(start: ZeroShot) -> None:
    visual, head = _both(start).stored()
    together = compose(arrays(start.slots()), [visual, head])
    expected = _both(start).pack_tensors()
    assert all(np.array_equal(together[name], expected[name]) for name in expected)


def test_what_was_learned_before_stays_whatever_the_share(start: ZeroShot) -> None:
    before = frozen_parts(_both(start).stored())
    visual = before[0]
    head = ClassHead(start.head, start.columns, torch.ones(2))
    model = AdapterModel(start, [visual, *_moved(head)])
    none = model.pack_tensors(0.0)
    assert np.array_equal(none["va_up"], visual.slots()["va_up"].numpy())
    assert np.array_equal(none["class_weights"], start.weights.numpy())


def test_two_parts_for_one_slot_or_of_one_kind_are_refused(start: ZeroShot) -> None:
    visual, head = _both(start).stored()
    slots = arrays(start.slots())
    with pytest.raises(PackError, match="visual binds va_down, which another adapter has"):
        compose(slots, [visual, visual])
    with pytest.raises(PackError, match="two adapters of one kind in head, head"):
        compose(slots, [head, head])


def test_a_part_for_other_classes_is_refused(start: ZeroShot) -> None:
    move = {"class_weights": np.zeros((EMBED_DIM, 9), np.float32)}
    with pytest.raises(PackError, match=r"head was made for a class_weights of \(12, 9\)"):
        compose(arrays(start.slots()), [Stored("head", "F0", {}, move)])
