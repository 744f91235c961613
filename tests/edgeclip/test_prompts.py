from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import ConfigError
from edgeclip.prompts import (
    class_prompts,
    column_class,
    column_names,
    parse_prompt_options,
    prompts_sha256,
    read_prompts,
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


def test_a_scientific_name_is_asked_for_by_its_common_name() -> None:
    prompts = class_prompts(["Panthera pardus", "blank"], {})
    assert "a photo of a leopard" in prompts["Panthera pardus"].sentences
    assert column_names(prompts)[0] == "leopard"


def test_prompts_are_read_from_the_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("# what our cats look like\nleopard=a spotted cat\n\nblank = a dirt road\n")
    expected = {"leopard": ("a spotted cat",), "blank": ("a dirt road",)}
    assert parse_prompt_options(read_prompts(file)) == expected


def test_a_line_of_the_file_that_is_no_prompt_is_named(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("leopard=a spotted cat\nleopard\n")
    with pytest.raises(ConfigError, match=r"prompts.txt, line 2: .*write 'class=sentence'"):
        read_prompts(file)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, said in (
        ("binary", "not UTF-8 text"),
        ("absent", "No such file or directory.: check"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_prompts(tmp_path / name)
