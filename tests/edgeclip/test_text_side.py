from __future__ import annotations

import pytest
import torch

from edgeclip.clip import Backbone
from edgeclip.errors import PackError
from edgeclip.prompts import class_prompts, column_class, prompts_sha256
from edgeclip.text_side import TextSide
from support.tiny_packs import TinyEncoder


def test_each_sentence_is_a_token(backbone: Backbone) -> None:
    prompts = class_prompts(["leopard", "blank"], {})
    side = TextSide(backbone, prompts)
    sentences = [s for item in prompts.values() for s in item.sentences]
    expected = backbone.embed_prompts([[sentence] for sentence in sentences])
    assert torch.equal(side.tokens.features, expected)
    assert side.tokens is side.tokens, "computed once"


def test_with_many_classes_each_column_is_a_token(backbone: Backbone) -> None:
    prompts = class_prompts(["leopard", "zebra", "impala", "eland", "blank"], {})
    side = TextSide(backbone, prompts)
    assert torch.equal(side.tokens.features, backbone.embed_prompts(side.columns))
    assert len(side.names) == len(side.columns) == len(column_class(prompts))


def test_the_tower_reads_what_the_prompts_say(backbone: Backbone) -> None:
    side = TextSide(backbone, class_prompts(["leopard", "blank"], {}))
    assert side.tower.words(side.names[0]).shape == (1, side.tower.width)
    assert side.tower is side.tower


def test_invariant_22_tokens_of_other_prompts_are_refused(backbone: Backbone) -> None:
    prompts = class_prompts(["leopard", "blank"], {})
    side = TextSide(backbone, prompts)
    side.tokens.check(prompts_sha256(prompts))
    changed = class_prompts(["leopard", "blank"], {"leopard": ("a spotted cat",)})
    with pytest.raises(PackError, match="use the same prompts and classes, or train it again"):
        side.tokens.check(prompts_sha256(changed))


def test_a_sentence_is_encoded_once_however_often_it_is_asked_for(
    encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = encoder.load()
    model, _ = backbone.text_model()
    encode, seen = model.encode_text, list[int]()

    def counted(tokens: torch.Tensor) -> torch.Tensor:
        seen.append(len(tokens))
        features: torch.Tensor = encode(tokens)
        return features

    monkeypatch.setattr(model, "encode_text", counted)
    first = backbone.embed_prompts([["a leopard", "a cat"], ["grass", "a cat"]])
    again = backbone.embed_prompts([["a leopard", "a cat"], ["grass", "a cat"], ["a leopard"]])
    assert sum(seen) == 3
    assert torch.equal(first, again[:2])
