from __future__ import annotations

import pytest

from edgeclip.errors import ConfigError
from edgeclip.prompts import (
    class_prompts,
    column_class,
    column_names,
    parse_prompt_options,
    prompts_sha256,
)


def test_a_class_gets_one_column_and_blank_several() -> None:
    prompts = class_prompts(["leopard", "blank"], {})
    assert len(prompts["leopard"].columns) == 1
    assert len(prompts["blank"].columns) > 2
    assert column_class(prompts) == [0] + [1] * len(prompts["blank"].columns)


@pytest.mark.parametrize(
    ("name", "noun"), [("spotted_cat", "a spotted cat"), ("elephant", "an elephant")]
)
def test_names_become_nouns(name: str, noun: str) -> None:
    assert f"a photo of {noun}" in class_prompts([name], {})[name].sentences


def test_a_sentence_joins_its_class_and_makes_a_column_for_blank() -> None:
    extra = parse_prompt_options(["leopard=a big spotted cat", "empty=snow = white"])
    usual, more = (
        class_prompts(["leopard", "blank"], {}),
        class_prompts(["leopard", "blank"], extra),
    )
    assert more["leopard"].sentences[-1] == "a big spotted cat"
    assert len(more["leopard"].columns) == 1
    assert more["blank"].columns == (*usual["blank"].columns, ("snow = white",))
    assert prompts_sha256(usual) != prompts_sha256(more)


@pytest.mark.parametrize("option", ["leopard", "=x", "leopard=", "leopard=" + "x" * 301])
def test_an_option_that_is_no_prompt_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="write 'class=sentence'"):
        parse_prompt_options([option])


def test_a_sentence_for_no_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such class; classes are leopard, blank"):
        class_prompts(["leopard", "blank"], {"tiger": ["stripes"]})


def test_a_learned_context_stands_before_a_name_or_before_a_sentence_of_blank() -> None:
    prompts = class_prompts(["spotted_cat", "blank"], {})
    names = column_names(prompts)
    assert names[0] == "spotted cat"
    assert names[1:] == [column[0] for column in prompts["blank"].columns]
    assert len(names) == len(column_class(prompts))
