from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from edgeclip.adapters.text_tokens import TextTokens, tokens_of_kind
from edgeclip.errors import ConfigError, PackError


@pytest.fixture
def tokens() -> TextTokens:
    features = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    return TextTokens(normalize(features, dim=1), "a" * 64)


def test_text_is_left_as_it_is(tokens: TextTokens) -> None:
    assert tokens_of_kind(tokens, "text", 1) is tokens


def test_shuffled_tokens_keep_their_numbers_and_lose_their_angles(tokens: TextTokens) -> None:
    shuffled = tokens_of_kind(tokens, "shuffled", 1)
    before, after = tokens.features, shuffled.features
    assert shuffled.kind == "shuffled"
    assert torch.equal(after.sort(dim=1).values, before.sort(dim=1).values)
    assert float((after @ after.T - before @ before.T).abs().max()) > 0.1


def test_random_tokens_have_unit_norm_and_other_angles(tokens: TextTokens) -> None:
    found = tokens_of_kind(tokens, "random", 1).features
    torch.testing.assert_close(found.norm(dim=1), torch.ones(6))
    assert float((found @ found.T - tokens.features @ tokens.features.T).abs().max()) > 0.1


@pytest.mark.parametrize("kind", ["random", "shuffled"])
def test_the_seed_alone_decides_what_is_drawn(tokens: TextTokens, kind: str) -> None:
    first, again, other = (tokens_of_kind(tokens, kind, seed).features for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_unknown_kind_says_which_there_are(tokens: TextTokens) -> None:
    with pytest.raises(ConfigError, match="--xmodal noise: there are text, random, shuffled"):
        tokens_of_kind(tokens, "noise", 1)


def test_invariant_22_a_changed_list_of_prompts_is_refused(tokens: TextTokens) -> None:
    tokens.check("a" * 64)
    with pytest.raises(PackError, match="made for the prompts aaaaaaaaaaaa, not bbbbbbbbbbbb"):
        tokens.check("b" * 64)
