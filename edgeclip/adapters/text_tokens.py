"""The fixed text tokens that images attend to: features of the prompts, and what stands for them.

The value of the text is unproven, so the same adapter can be trained on tokens without a meaning:

    text      the unit features of the sentences
    shuffled  the numbers of each sentence in an order of its own: as large and as uneven as text
    random    unit directions, evenly drawn

If these score as `text` does, the text gave nothing but more parameters. One order for all tokens
would be no test: W_k and W_v start without a direction, so that it is the same adapter again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import normalize

from edgeclip.errors import ConfigError, PackError

TokenKind = Literal["text", "random", "shuffled"]
MOST_TOKENS = 32  # the deep slots hold as many, and one for nothing


@dataclass(frozen=True)
class TextTokens:
    """tau, still without a scale.

    Attributes:
        features: `(M, E)` float32, rows of unit norm.
        prompts_sha256: Of the list of prompts that they were made of.
        kind: Whether they are the text, or stand for it.
    """

    features: Tensor
    prompts_sha256: str
    kind: TokenKind = "text"

    def check(self, prompts_sha256: str) -> None:
        """Refuse a list of prompts other than that which the tokens were made of.

        Args:
            prompts_sha256: Of the list at hand.

        Raises:
            PackError: The lists differ.
        """
        if prompts_sha256 != self.prompts_sha256:
            raise PackError(
                f"the cross-modal adapter was made for the prompts {self.prompts_sha256[:12]}, not"
                f" {prompts_sha256[:12]}: use the same prompts and classes, or train it again"
            )


def tokens_of_kind(tokens: TextTokens, kind: str, seed: int) -> TextTokens:
    """Return the tokens, or others of the same number in their place.

    Args:
        tokens: Of the text.
        kind: `text`, `random` or `shuffled`.
        seed: Of what is drawn.

    Raises:
        ConfigError: There is no such kind.
    """
    generator = torch.Generator().manual_seed(seed)
    if kind == "text":
        return tokens
    if kind == "random":
        drawn = torch.randn(tokens.features.shape, generator=generator)
        return TextTokens(normalize(drawn, dim=1), tokens.prompts_sha256, "random")
    if kind == "shuffled":
        order = torch.rand(tokens.features.shape, generator=generator).argsort(dim=1)
        return TextTokens(tokens.features.gather(1, order), tokens.prompts_sha256, "shuffled")
    raise ConfigError(f"--xmodal {kind}: there are {', '.join(get_args(TokenKind))}")
