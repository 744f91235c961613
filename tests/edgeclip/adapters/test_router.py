from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.adapters.gda import make_gda
from edgeclip.adapters.model import AdapterModel
from edgeclip.adapters.router import GateSettings, TrainedGate, load_balance, train_gate
from edgeclip.adapters.router_rows import SAMPLES, router_row
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.routing import choose
from edgeclip.errors import DataError
from support.supports import EMBED_DIM, support


def _around(center: int, count: int, *, seed: int, noise: float = 0.1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = noise * torch.randn(count, EMBED_DIM, generator=generator)
    drawn[:, center] += 1
    return normalize(drawn, dim=1)


def test_a_row_has_the_99th_percentile_of_its_own_distances_in_numpy() -> None:
    base = _around(0, 200, seed=1)
    row = router_row("a", base.numpy(), prototypes=1)
    key = base.double().mean(dim=0).numpy()
    distances = 1 - base.double().numpy() @ (key / np.linalg.norm(key))
    assert row.threshold == pytest.approx(np.quantile(distances, 0.99), abs=1e-6)
    assert row.scale == pytest.approx(1 / distances.mean(), rel=1e-4)


def test_several_prototypes_find_the_scenes_of_a_pack() -> None:
    scenes = torch.cat([_around(center, 20, seed=center) for center in (0, 4, 7)])
    keys = router_row("a", scenes.numpy(), prototypes=3).keys
    assert sorted(np.abs(keys).argmax(axis=1).tolist()) == [0, 4, 7]


def test_images_go_to_the_pack_of_their_scenes_and_strange_ones_to_none() -> None:
    rows = [router_row(str(c), _around(c, 60, seed=c).numpy(), prototypes=2) for c in (0, 4)]
    seen = torch.cat([_around(c, 20, seed=50 + c, noise=0.05) for c in (0, 4, 9)]).numpy()
    assert choose(rows, seen, [{}] * 60) == [0] * 20 + [1] * 20 + [None] * 20


def test_the_same_images_in_any_order_give_nearly_the_same_row() -> None:
    base = _around(0, 50, seed=1)
    one = router_row("a", base.numpy(), prototypes=1)
    other = router_row("a", base[torch.randperm(50)].numpy(), prototypes=1)
    np.testing.assert_allclose(one.keys, other.keys, atol=1e-6)


def test_a_row_keeps_some_of_its_images_evenly_over_all_of_them() -> None:
    base = _around(0, 200, seed=1)
    samples = router_row("a", base.numpy()).samples
    assert samples is not None
    assert samples.shape == (SAMPLES, EMBED_DIM)
    np.testing.assert_allclose(samples[[0, -1]], base.numpy()[[0, -1]], atol=1e-6)
    few = router_row("a", base[:5].numpy()).samples
    assert few is not None
    np.testing.assert_allclose(few, base[:5].numpy(), atol=1e-6)


def test_a_row_without_images_is_refused() -> None:
    with pytest.raises(DataError, match="router of a: needs finite embeddings"):
        router_row("a", np.zeros((0, EMBED_DIM), np.float32))
    with pytest.raises(DataError, match="router of a"):
        router_row("a", np.full((2, EMBED_DIM), np.nan, np.float32))


def test_parity_the_gate_and_its_balance_in_numpy() -> None:
    gate = TrainedGate(torch.randn(3, EMBED_DIM, generator=torch.Generator().manual_seed(0)), 4.0)
    gate.bias.data = torch.tensor([0.1, -0.2, 0.3])
    base = _around(1, 7, seed=2, noise=1.0)
    keys = gate.keys.detach().double().numpy()
    scores = 4 * base.double().numpy() @ (keys / np.linalg.norm(keys, axis=1, keepdims=True)).T
    scores += gate.bias.detach().numpy()
    dense = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gate(base, k=3).detach().numpy(), dense, atol=1e-5)
    shares = np.bincount(scores.argmax(axis=1), minlength=3) / 7
    expected = 3 * shares @ dense.mean(axis=0)
    assert float(load_balance(gate.scores(base)).detach()) == pytest.approx(expected, abs=1e-5)


def test_invariant_27_the_trained_gate_keeps_exactly_k() -> None:
    gate = TrainedGate(torch.eye(EMBED_DIM)[:4], 3.0)
    for k in (1, 2):
        gates = gate(_around(2, 9, seed=3, noise=1.0), k).detach()
        assert ((gates > 0).sum(dim=1) == k).all()
        torch.testing.assert_close(gates.sum(dim=1), torch.ones(9))


def test_the_balance_is_one_where_even_and_many_where_one_pack_takes_all() -> None:
    even = 1e3 * torch.eye(4)
    assert float(load_balance(even)) == pytest.approx(1.0)
    assert float(load_balance(1e3 * torch.eye(4)[[2, 2, 2, 2]])) == pytest.approx(4.0)


def test_the_balance_is_part_of_the_loss_and_evens_the_load() -> None:
    base = _around(0, 300, seed=1, noise=0.4)
    owners = (torch.arange(300) % 3 == 0).long()
    plain = train_gate(base, owners, GateSettings(balance=0.0, steps=30))
    pulled = train_gate(base, owners, GateSettings(balance=5.0, steps=30))
    loads = [float(load_balance(gate.scores(base)).detach()) for gate in (plain, pulled)]
    assert loads[1] <= loads[0]
    assert not torch.equal(plain.keys, pulled.keys)


def test_a_trained_gate_sends_images_to_their_owner_though_one_pack_has_many_more() -> None:
    base = torch.cat([_around(0, 200, seed=1), _around(1, 10, seed=2)])
    owners = torch.tensor([0] * 200 + [1] * 10)
    assert torch.equal(train_gate(base, owners)(base).argmax(dim=1), owners)


def test_a_gate_without_images_of_a_pack_is_refused() -> None:
    with pytest.raises(DataError, match="images of every pack"):
        train_gate(_around(0, 3, seed=1), torch.tensor([0, 2, 2]))


def test_invariant_28_a_further_pack_and_its_row_leave_the_first_as_it_was() -> None:
    first, second = support(seed=1), support(seed=2)
    model = AdapterModel(first.start, [make_gda(first)])
    row = router_row("first", first.features.numpy())

    def written() -> str:
        stored = model.pack_tensors() | row.tensors()
        return sha256_bytes(b"".join(stored[name].tobytes() for name in sorted(stored)))

    before = written()
    AdapterModel(second.start, [make_gda(second)]).pack_tensors()
    router_row("second", second.features.numpy())
    train_gate(torch.cat([first.features, second.features]), torch.tensor([0] * 12 + [1] * 12))
    assert written() == before
