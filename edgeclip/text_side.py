"""What adapters of the text side are made from: one backbone's text, for one list of prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edgeclip.adapters.text_tokens import MOST_TOKENS, TextTokens
from edgeclip.clip import Backbone
from edgeclip.prompts import ClassPrompts, column_names, prompts_sha256
from edgeclip.text_tower import TextTower, text_tower


@dataclass(frozen=True)
class TextSide:
    """The prompts of a pack, seen by a backbone. Each part is made when it is first asked for.

    Attributes:
        backbone: Frozen.
        prompts: By class, in order.
    """

    backbone: Backbone
    prompts: Mapping[str, ClassPrompts]

    @cached_property
    def tokens(self) -> TextTokens:
        """One token a sentence; one a column, the mean of its sentences, beyond 32 sentences."""
        sentences = [[sentence] for item in self.prompts.values() for sentence in item.sentences]
        groups = sentences if len(sentences) <= MOST_TOKENS else self.columns
        return TextTokens(self.backbone.embed_prompts(groups), prompts_sha256(self.prompts))

    @cached_property
    def tower(self) -> TextTower:
        """The text tower, to train through.

        Raises:
            ConfigError: It is of a kind that cannot be taken apart.
        """
        return text_tower(self.backbone)

    @property
    def columns(self) -> list[list[str]]:
        """The sentences of each column of the class matrix."""
        return [list(column) for item in self.prompts.values() for column in item.columns]

    @property
    def names(self) -> list[str]:
        """What a learned context is put before, for each column."""
        return column_names(self.prompts)
