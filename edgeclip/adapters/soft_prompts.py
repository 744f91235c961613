"""Soft prompts: words that are learned, in place of words that are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from edgeclip.adapters.component import Component, Head, turned
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.threads import one_thread
from edgeclip.text_tower import Layout, TextTower

Position = Literal["end", "middle", "front"]
PROMPT_ANCHOR = 4.0  # lambda_kg


@dataclass(frozen=True)
class SoftPromptSettings:
    """How prompts start, and what holds them.

    Attributes:
        words: What the context starts from.
        length: M_ctx: it is cut to so many tokens.
        position: Of the class's name: after the context, inside it, or before it.
        anchor: lambda_kg, of the pull to the features at the start.
    """

    words: str = "a camera trap photo of a"
    length: int = 4
    position: Position = "end"
    anchor: float = PROMPT_ANCHOR


class SoftPrompts(Component):
    """t_c(V) = norm(Text([start, V, name_c, ".", end])), V shared by all columns, from words.

    CoOp (Zhou et al., IJCV 2022, arXiv 2109.01134), with KgCoOp's anchor (Yao et al., CVPR 2023,
    arXiv 2303.13283): the loss gains lambda_kg (1/K) sum_c |t_c(V) - t_c(V_0)|^2.

    The prompts move the class matrix that is there and do not replace it: w_c + t_c(V) - t_c(V_0),
    at the norm of w_c. So the mean over many templates is kept, step 0 is zero-shot bit for bit,
    and a head that was trained before is kept too. Only class weights remain in the pack.

    Attributes:
        context: V, `(M_ctx, W)`.
        start: t(V_0), `(K, E)`, unit norm.
    """

    kind: ClassVar[str] = "prompt"
    fusion: ClassVar[FusionClass] = "F0"
    optimizer: ClassVar[Literal["adamw", "sgd"]] = "sgd"
    start: Tensor

    def __init__(
        self,
        tower: TextTower,
        names: Sequence[str],
        settings: SoftPromptSettings = SoftPromptSettings(),
    ) -> None:
        """Start the prompts at the words.

        Args:
            tower: Frozen.
            names: What stands in the place of the class's name: one text for each of K columns.
            settings: See there.

        Raises:
            ValueError: The words have fewer tokens than the context.
            DataError: A name is longer than the tower reads.
        """
        super().__init__()
        words = tower.words(settings.words)
        if not 1 <= settings.length <= len(words):
            raise ValueError(f"a context of {settings.length} from {len(words)} tokens of words")
        self._tower, self._settings = tower, settings
        self._read = [tower.read(f"{name}.") for name in names]
        self._lengths = [len(tower.words(name)) for name in names]
        self._memo: tuple[Tensor, Tensor] | None = None
        self.context = nn.Parameter(words[: settings.length].clone())
        self.register_buffer("start", self.features().detach().clone())
        self._memo = None

    def features(self) -> Tensor:
        """Return t(V) `(K, E)`, unit norm, with gradients; the text tower runs once a step."""
        memo = self._memo
        if memo is not None and torch.equal(memo[0], self.context):
            return memo[1]
        with torch.enable_grad(), one_thread():  # one path, so that step 0 is the start's bits
            found = normalize(self._tower.features(self.assembled()), dim=1)
        if found.requires_grad:
            found.register_hook(self._forget)  # type: ignore[no-untyped-call]
        self._memo = (self.context.detach().clone(), found)
        return found

    def assembled(self) -> Layout:
        """Return the K sentences with the context in them, as the tower takes them."""
        before, behind = {
            "end": (len(self.context), 0),
            "middle": (len(self.context) // 2, len(self.context) - len(self.context) // 2),
            "front": (0, len(self.context)),
        }[self._settings.position]
        first, last = self.context[:before], self.context[len(self.context) - behind :]
        sentences = [
            torch.cat([row[:1], first, row[1 : 1 + name], last, row[1 + name :]])
            for row, name in zip(self._read, self._lengths, strict=True)
        ]
        return self._tower.laid_out(sentences, shared=1 + before)

    def head(self, before: Head, share: float = 1.0) -> Head:
        """Return the matrix moved as the prompts moved, each column at the norm it had before."""
        found = self.features()
        found = found if torch.is_grad_enabled() else found.detach()
        return turned(before, share * (found - self.start).T)

    def penalty(self) -> Tensor:
        """Return the anchor's loss."""
        return self._settings.anchor * (self.features() - self.start).square().sum(1).mean()

    def _forget(self, _gradient: Tensor) -> None:
        self._memo = None  # its graph is used up
