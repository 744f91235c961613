"""The frozen text tower of an open_clip model, block by block: from words to text features.

Prompts and adapters that live inside it are trained through it and leave only class weights
behind; the tower itself never changes, and never reaches a device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from edgeclip.errors import ConfigError, DataError

if TYPE_CHECKING:
    from edgeclip.clip import Backbone

AfterBlock = Callable[[int, Tensor], Tensor]
"""From a block's index and its output `(R, L, W)` to what goes on in its place."""

_PARTS = ("token_embedding", "positional_embedding", "ln_final", "text_projection")
_OWN_END = ("argmax", "eos")  # the feature of a sentence stands at its end token
_PADDED = ("first", "last")


class Layout(NamedTuple):
    """B sentences laid out for the tower: R rows of L tokens.

    Where every token sees only those before it, the sentences stand behind one another in one row
    and share their first tokens, which saves half the work; else each has a padded row of its own.

    Attributes:
        embeddings: `(R, L, W)` float32, of the tokens, without positions.
        positions: `(L,)` int64.
        mask: `(L, L)` added to attention logits, or None.
        ends: `(B,)` int64, into the R L tokens: whose output is the sentence's feature.
    """

    embeddings: Tensor
    positions: Tensor
    mask: Tensor | None
    ends: Tensor


class TextTower:
    """A frozen text tower. Gradients flow to what is put into it, never to its weights.

    Attributes:
        width: W, of its tokens.
        blocks: How many there are.
        context_length: The most tokens of a sentence, start and end included.
    """

    def __init__(self, part: Any, tokenize: Any) -> None:
        """Take the tower's parts; use `text_tower`, which checks that they are known."""
        self._part, self._tokenize = part, tokenize
        self._pool = _pool_of(part)
        self.width = int(part.token_embedding.weight.shape[1])
        self.blocks = len(part.transformer.resblocks)
        self.context_length = int(part.context_length)

    def read(self, sentence: str) -> Tensor:
        """Return the embeddings `(n, W)` of a sentence's tokens, start and end included.

        Raises:
            DataError: The sentence is longer than the tower reads.
        """
        count = len(self._tokenize.encode(sentence)) + 2
        if count > self.context_length:
            raise _too_long(f"the prompt {sentence[:60]!r}", count, self.context_length)
        return self._embedded(self._tokenize([sentence])[0, :count])

    def words(self, text: str) -> Tensor:
        """Return the embeddings `(n, W)` of a text's tokens, without start and end."""
        return self.read(text)[1:-1]

    def laid_out(self, sentences: Sequence[Tensor], shared: int = 1) -> Layout:
        """Return sentences as the tower takes them.

        Args:
            sentences: B of them, each `(n, W)`, start and end included.
            shared: How many first tokens all have in common.

        Raises:
            DataError: A sentence is longer than the tower reads.
        """
        longest = max(len(sentence) for sentence in sentences)
        if longest > self.context_length:
            raise _too_long("a prompt with its learned words", longest, self.context_length)
        if self._part.attn_mask is not None and self._pool in _OWN_END:
            return _one_row(sentences, shared)
        return self._padded(sentences)

    def lower(self, layout: Layout, blocks: int = 0) -> Tensor:
        """Return the tokens `(R, L, W)` after the first blocks; with 0, positions added alone."""
        hidden = layout.embeddings + self._part.positional_embedding[layout.positions]
        return self._through(hidden, layout, range(blocks), _unchanged)

    def upper(
        self, hidden: Tensor, layout: Layout, *, first: int, after: AfterBlock | None = None
    ) -> Tensor:
        """Return the features `(B, E)`, not normalised, of what `lower` gave.

        Args:
            hidden: `(R, L, W)` before block `first`.
            layout: Of the sentences.
            first: Index of the first block that is still to be run.
            after: What is done to the output of each of them.
        """
        part = self._part
        hidden = self._through(hidden, layout, range(first, self.blocks), after or _unchanged)
        pooled = part.ln_final(hidden).flatten(0, 1)[layout.ends]
        if part.text_projection is None:
            return _tensor(pooled)
        if isinstance(part.text_projection, nn.Linear):
            return _tensor(part.text_projection(pooled))
        return _tensor(pooled @ part.text_projection)

    def features(self, layout: Layout) -> Tensor:
        """Return the features `(B, E)`, not normalised."""
        return self.upper(self.lower(layout), layout, first=0)

    def _through(self, hidden: Tensor, layout: Layout, blocks: range, after: AfterBlock) -> Tensor:
        for index in blocks:
            block = self._part.transformer.resblocks[index]
            hidden = after(index, block(hidden, attn_mask=layout.mask))
        return hidden

    def _padded(self, sentences: Sequence[Tensor]) -> Layout:
        length, count = self.context_length, len(sentences)
        pad = self._embedded(torch.zeros(1, dtype=torch.int64))
        rows = [torch.cat([row, pad.expand(length - len(row), -1)]) for row in sentences]
        padded = {"first": [0] * count, "last": [length - 1] * count}
        places = padded.get(self._pool or "", [len(row) - 1 for row in sentences])
        device = pad.device
        ends = torch.arange(count, device=device) * length + torch.tensor(places, device=device)
        positions = torch.arange(length, device=device)
        return Layout(torch.stack(rows), positions, self._part.attn_mask, ends)

    def _embedded(self, ids: Tensor) -> Tensor:
        embedding = self._part.token_embedding
        with torch.no_grad():
            return _tensor(embedding(ids.to(embedding.weight.device))).float()


def text_tower(backbone: Backbone) -> TextTower:
    """Return a backbone's text tower, to train prompts and adapters through.

    Args:
        backbone: Frozen already.

    Raises:
        ConfigError: Its text tower is of a kind that cannot be taken apart.
    """
    model, tokenize = backbone.text_model()
    part = getattr(model, "text", model)
    known = all(hasattr(part, name) for name in _PARTS)
    known = known and hasattr(getattr(part, "transformer", None), "resblocks")
    known = known and hasattr(tokenize, "eot_token_id") and _pool_of(part) in _OWN_END + _PADDED
    if known and _pool_of(part) == "eos":
        end = getattr(part, "eos_id", getattr(part, "text_eos_id", None))
        known = end == getattr(tokenize, "eot_token_id", None)
    if known:  # a class token of its own, or a mask of the padding
        known = getattr(part, "cls_emb", None) is None and not getattr(part, "use_pad_mask", False)
    if not known:
        raise ConfigError(
            f"the text tower of {backbone.base.arch} ({type(part).__name__},"
            f" {type(tokenize).__name__}) is of a kind that cannot be trained through: choose an"
            " adapter of the image side, or xmodal"
        )
    return TextTower(part, tokenize)


def _one_row(sentences: Sequence[Tensor], shared: int) -> Layout:
    """Lay sentences out behind one another; a token sees the shared ones and its own sentence's."""
    pieces, owners, positions, ends = (
        [sentences[0][:shared]],
        [-1] * shared,
        list(range(shared)),
        [],
    )
    for number, sentence in enumerate(sentences):
        own = len(sentence) - shared
        pieces.append(sentence[shared:])
        owners += [number] * own
        positions += range(shared, len(sentence))
        ends.append(len(owners) - 1)
    embeddings = torch.cat(pieces)[None]
    device = embeddings.device
    owner, place = torch.tensor(owners, device=device), torch.tensor(positions, device=device)
    alike = (owner[:, None] == owner[None]) | (owner[None] == -1)
    hidden = ~(alike & (place[:, None] >= place[None]))
    mask = torch.zeros(len(owners), len(owners), device=device).masked_fill(hidden, -torch.inf)
    return Layout(embeddings, place, mask, torch.tensor(ends, device=device))


def _pool_of(part: Any) -> str | None:
    return getattr(part, "pool_type", getattr(part, "text_pool_type", None))


def _too_long(prompt: str, count: int, most: int) -> DataError:
    return DataError(f"{prompt} has {count} tokens, the text tower reads {most}: shorten it")


def _unchanged(_index: int, hidden: Tensor) -> Tensor:
    return hidden


def _tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"open_clip gave {type(value).__name__} where a tensor was expected")
    return value
