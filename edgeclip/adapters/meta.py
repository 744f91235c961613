"""Meta-Adapter: predicts the class matrix from a few examples, without a gradient step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component, FusionClass, Head
from edgeclip.adapters.support import Support, drawn_start
from edgeclip.adapters.threads import one_thread
from edgeclip.contract.files import write_bytes
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import DataError, PackError

_CLOSED = -4.0  # bias of the gate: 0.018 at the start; the published +1 gives 0.73
_SHOTS = (1, 2, 4, 8, 16)


class MetaWeights(nn.Module):
    """w'_c = norm(w_c + sigma(a w_c + b) softmax(W_q w_c (W_k [w_c; F_c])^T / sqrt(E)) [w_c; F_c]).

    Meta-Adapter, Cheng et al., NeurIPS 2023, arXiv 2311.03774. F_c are the class's examples; an
    absent one is masked, so that any number of shots, none too, is one matrix product. W_q and W_k
    start at the identity, b nearly closed. 524,801 parameters at E = 512.

    Attributes:
        query: `(E, E)`, W_q.
        key: `(E, E)`, W_k.
        gate: `(E,)`, a.
        bias: `()`, b.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.eye(embed_dim))
        self.key = nn.Parameter(torch.eye(embed_dim))
        self.gate = nn.Parameter(torch.zeros(embed_dim))
        self.bias = nn.Parameter(torch.tensor(_CLOSED))

    def forward(self, matrix: Tensor, examples: Tensor, present: Tensor) -> Tensor:
        """Return `(K, E)` predicted class vectors of unit norm.

        Args:
            matrix: `(K, E)` unit class vectors, w.
            examples: `(K, S, E)` unit examples of each column's class; any value where absent.
            present: `(K, S)` bool.
        """
        examples = examples.masked_fill(~present[..., None], 0.0)
        seen = torch.cat([matrix[:, None], examples], dim=1)
        kept = torch.cat([present.new_ones(len(matrix), 1), present], dim=1)
        scores = torch.einsum("ke,kse->ks", matrix @ self.query.T, seen @ self.key.T)
        scores = (scores / math.sqrt(matrix.shape[1])).masked_fill(~kept, -torch.inf)
        attended = torch.einsum("ks,kse->ke", torch.softmax(scores, dim=1), seen)
        opened = torch.sigmoid(matrix @ self.gate + self.bias)
        return normalize(matrix + opened[:, None] * attended, dim=1)


class MetaHead(Component):
    """The class matrix as a meta-adapter predicts it; `share` leads there from the start.

    Args:
        start: The class matrix before it.
        predicted: `(E, K)` float32, after it.
    """

    kind: ClassVar[str] = "meta"
    fusion: ClassVar[FusionClass] = "F0"
    move: Tensor

    def __init__(self, start: ZeroShot, predicted: Tensor) -> None:
        super().__init__()
        self.register_buffer("move", predicted - start.weights)

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix moved by the share."""
        return Head(before.weights + share * self.move, before.bias)


def make_meta(support: Support, weights: MetaWeights) -> MetaHead:
    """Return the head that the weights predict from a support, without a gradient step.

    Args:
        support: Images of two classes or more.
        weights: As trained on base classes.

    Raises:
        PackError: The weights are for another embedding size.
    """
    width = support.start.weights.shape[0]
    if len(weights.gate) != width:
        raise PackError(
            f"the meta-adapter is for an embedding of {len(weights.gate)}, the encoder has {width}"
        )
    examples, present = padded(support)
    columns = support.start.columns
    with torch.no_grad():
        matrix = support.start.weights.T
        found = weights(matrix, examples[columns], present[columns])
    return MetaHead(support.start, found.T.contiguous())


def padded(support: Support) -> tuple[Tensor, Tensor]:
    """Return `(C, S, E)` float32 examples of each class, and `(C, S)` bool where there is one."""
    most = int(support.counts.max())
    shape = (support.start.classes, most)
    examples = torch.zeros(*shape, support.features.shape[1])
    present = torch.zeros(shape, dtype=torch.bool)
    order = torch.argsort(support.classes, stable=True)
    ordered = support.classes[order]
    ranks = torch.arange(len(order)) - torch.searchsorted(ordered, ordered)
    examples[ordered, ranks] = support.features[order]
    present[ordered, ranks] = True
    return examples, present


@dataclass(frozen=True)
class MetaSettings:
    """How a meta-adapter is trained.

    Attributes:
        steps: Episodes.
        rate: Of AdamW, cosine to 0.
        weight_decay: Of AdamW.
        classes: At most so many in an episode.
        queries: At most so many a class, none of them an example.
        seed: Of the draws.
    """

    steps: int = 300
    rate: float = 1e-3
    weight_decay: float = 1e-2
    classes: int = 20
    queries: int = 8
    seed: int = 1


def train_meta(
    base: Support,
    settings: MetaSettings | None = None,
    *,
    advance: Callable[[float], None] = lambda _: None,
) -> MetaWeights:
    """Return weights learned on episodes of base classes: examples in, unseen images judged.

    Each episode draws classes, a number of shots, and other images of the same classes to judge;
    a drawn start is drawn from the episode's examples alone. The base classes must not be those
    that the weights are meant for.

    Args:
        base: Images of the base classes; classes with a single image are left out.
        settings: How.
        advance: Called after each episode with its loss.

    Raises:
        DataError: Fewer than two base classes have two images or more.
    """
    chosen = settings or MetaSettings()
    if int((base.counts >= 2).sum()) < 2:
        raise DataError("a meta-adapter needs two base classes with two images or more")
    generator = torch.Generator().manual_seed(chosen.seed)
    weights = MetaWeights(base.features.shape[1])
    optimizer = torch.optim.AdamW(
        weights.parameters(), lr=chosen.rate, weight_decay=chosen.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(chosen.steps, 1))
    with one_thread():
        for _ in range(chosen.steps):
            optimizer.zero_grad()
            loss = _episode_loss(weights, base, chosen, generator)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            advance(float(loss.detach()))
    return weights.eval()


def _episode_loss(
    weights: MetaWeights, base: Support, settings: MetaSettings, generator: torch.Generator
) -> Tensor:
    usable = torch.nonzero(base.counts >= 2).flatten()
    picked = usable[torch.randperm(len(usable), generator=generator)[: settings.classes]]
    shots = _SHOTS[int(torch.randint(len(_SHOTS), (1,), generator=generator))]
    order = torch.randperm(len(base.classes), generator=generator)
    rows = [order[base.classes[order] == each] for each in picked]
    held = [row[: min(shots, len(row) - 1)] for row in rows]
    asked = [row[len(own) :][: settings.queries] for row, own in zip(rows, held, strict=True)]
    episode = _episode(base, picked, held)
    examples, present = padded(episode)
    matrix = weights(episode.start.weights.T, examples, present)
    logits = base.start.logit_scale * base.features[torch.cat(asked)] @ matrix.T
    truth = torch.repeat_interleave(
        torch.arange(len(picked)), torch.tensor([len(each) for each in asked])
    )
    return cross_entropy(logits, truth)


def _episode(base: Support, picked: Tensor, held: list[Tensor]) -> Support:
    """Return the support of an episode, classes numbered in the order picked, one column each."""
    rows = torch.cat(held)
    classes = torch.repeat_interleave(
        torch.arange(len(picked)), torch.tensor([len(each) for each in held])
    )
    features, scale = base.features[rows], base.start.logit_scale
    if base.drawn_start:
        start = drawn_start(features, classes, len(picked), scale)
    else:
        firsts = [int(torch.nonzero(base.start.columns == each)[0]) for each in picked]
        text = base.start.weights.T[torch.tensor(firsts)]
        start = ZeroShot.of(text, list(range(len(picked))), scale)
    places = [base.locations[row] for row in rows.tolist()]
    return Support(features, classes, start, places, base.drawn_start)


def write_meta(weights: MetaWeights, path: Path) -> str:
    """Write weights as safetensors, whole or not at all; return the SHA-256 of the file."""
    data = save_tensors(
        {name: tensor.contiguous() for name, tensor in weights.state_dict().items()}
    )
    write_bytes(path, data)
    return sha256_bytes(data)


def read_meta(path: Path, sha256: str) -> MetaWeights:
    """Return weights as written.

    Args:
        path: A file of `write_meta`.
        sha256: What `write_meta` returned.

    Raises:
        PackError: The file is missing, changed, or holds something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PackError(f"{path}: no meta-adapter: {error.strerror}") from error
    if sha256_bytes(data) != sha256:
        raise PackError(f"{path}: SHA-256 is not {sha256[:12]}...: fetch the meta-adapter again")
    try:
        tensors = load_tensors(data)
        weights = MetaWeights(len(tensors["gate"]))
        weights.load_state_dict(tensors)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise PackError(f"{path}: not a meta-adapter: {error}") from error
    return weights.eval()
