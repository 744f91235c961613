"""How a meta-adapter learns: episodes of base classes, each with its own shots and queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.meta import MetaWeights, padded
from edgeclip.adapters.support import Support, drawn_start
from edgeclip.adapters.threads import one_thread
from edgeclip.errors import DataError

_SHOTS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class MetaSettings:
    """How a meta-adapter is trained.

    Attributes:
        steps: Episodes.
        rate: Of AdamW, cosine to 0.
        weight_decay: Of AdamW.
        classes: At most so many in an episode.
        queries: At most so many a class, none of them an example.
        unnamed: Share of an episode's classes that go by a name that the encoder does not know, as
            a new species may; only where such names are given.
        seed: Of the draws.
    """

    steps: int = 300
    rate: float = 1e-3
    weight_decay: float = 1e-2
    classes: int = 20
    queries: int = 8
    unnamed: float = 0.5
    seed: int = 1


def train_meta(
    base: Support,
    settings: MetaSettings | None = None,
    *,
    strangers: Tensor | None = None,
    advance: Callable[[float], None] = lambda _: None,
) -> MetaWeights:
    """Return weights learned on episodes of base classes: examples in, unseen images judged.

    Each episode draws classes, a number of shots, and other images of the same classes to judge;
    a drawn start is drawn from the episode's examples alone. The base classes must not be those
    that the weights are meant for.

    Args:
        base: Images of the base classes; classes with a single image are left out.
        settings: How.
        strangers: `(A, E)` unit text features of names that the encoder has not learned.
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
            loss = _episode_loss(weights, _Draw(base, chosen, strangers, generator))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            advance(float(loss.detach()))
    return weights.eval()


@dataclass(frozen=True)
class _Draw:
    """What episodes are drawn from."""

    base: Support
    settings: MetaSettings
    strangers: Tensor | None
    generator: torch.Generator

    def below(self, count: int) -> int:
        """Return a random number in [0, count)."""
        return int(torch.randint(count, (1,), generator=self.generator))

    def order(self, count: int) -> Tensor:
        """Return the numbers below count in random order."""
        return torch.randperm(count, generator=self.generator)

    def named(self, text: Tensor) -> Tensor:
        """Return class vectors `(C, E)`, some of them those of unknown names."""
        if self.strangers is None:
            return text
        hidden = torch.rand(len(text), 1, generator=self.generator) < self.settings.unnamed
        other = self.strangers[
            torch.randint(len(self.strangers), (len(text),), generator=self.generator)
        ]
        return torch.where(hidden, other, text)


def _episode_loss(weights: MetaWeights, draw: _Draw) -> Tensor:
    base, settings = draw.base, draw.settings
    usable = torch.nonzero(base.counts >= 2).flatten()
    picked = usable[draw.order(len(usable))[: settings.classes]]
    shots = _SHOTS[draw.below(len(_SHOTS))]
    order = draw.order(len(base.classes))
    rows = [order[base.classes[order] == each] for each in picked]
    held = [row[: min(shots, len(row) - 1)] for row in rows]
    asked = [row[len(own) :][: settings.queries] for row, own in zip(rows, held, strict=True)]
    episode = _episode(base, picked, held)
    examples, present = padded(episode)
    matrix = weights(draw.named(episode.start.weights.T), examples, present)
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
