"""Class names -> sentences for the text tower, and the columns of the class matrix they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.files import reason_of
from edgeclip.contract.prompt_columns import columns_sha256
from edgeclip.errors import ConfigError
from edgeclip.labels.classes import BLANK, is_blank_label, normal
from edgeclip.labels.species_names import common_name

_TEMPLATES = (
    "a photo of {}",
    "a camera trap photo of {}",
    "a trail camera photo of {} by day",
    "an infrared night photo of {}",
    "{} in the vegetation",
    "{} partly hidden by grass and leaves",
)
_BLANK_COLUMNS = (
    ("a blank camera trap photo", "an empty camera trap photo", "an empty scene, no animal"),
    ("grass and bushes", "a camera trap photo of grass and bushes", "an empty grass scene"),
    ("branches and leaves moving in the wind", "a photo of moving branches, no animal"),
    ("sun spots and shadows on the ground", "an empty scene with sun spots, no animal"),
    ("an empty infrared night photo", "an infrared night photo of an empty scene"),
)
"""Each is a prototype, with a column of its own: blanks look alike in several ways."""

_MOST_LETTERS = 300  # CLIP reads 77 tokens and cuts the rest in silence


@dataclass(frozen=True)
class ClassPrompts:
    """The sentences of one class.

    Attributes:
        columns: One list a column of the class matrix; the column is the mean of its sentences.
    """

    columns: tuple[tuple[str, ...], ...]

    @property
    def sentences(self) -> list[str]:
        """All sentences, in order."""
        return [sentence for column in self.columns for sentence in column]


def parse_prompt_options(options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return class name -> sentences from options such as `leopard=a spotted big cat`.

    Raises:
        ConfigError: An option has no `=`, no sentence, or one that is too long.
    """
    prompts: dict[str, tuple[str, ...]] = {}
    for option in options:
        name, _, sentence = (part.strip() for part in option.partition("="))
        if not name or not sentence or len(sentence) > _MOST_LETTERS:
            raise ConfigError(
                f"--prompt {option[:60]!r}: write 'class=sentence' of at most 300 letters"
            )
        name = BLANK if is_blank_label(name) else name
        prompts[name] = (*prompts.get(name, ()), sentence)
    return prompts


def read_prompts(path: Path) -> list[str]:
    """Return the lines `class=sentence` of a file; empty ones and those from `#` on are left out.

    Raises:
        ConfigError: The file cannot be read, or a line is no prompt.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(
            f"--prompts {path}: cannot be read ({reason_of(error)}): check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--prompts {path}: not UTF-8 text: save it as UTF-8") from error
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            parse_prompt_options([line])
        except ConfigError as error:
            raise ConfigError(f"{path}, line {number}: {error}") from error
        found.append(line)
    return found


def class_prompts(
    class_names: Sequence[str], extra: Mapping[str, Sequence[str]]
) -> dict[str, ClassPrompts]:
    """Return the prompts of each class, in order.

    Args:
        class_names: As the pack will have them.
        extra: Sentences of the user. They join the class's own; for `blank` each is a column.

    Raises:
        ConfigError: A sentence for a class that does not exist.
    """
    if unknown := [name for name in extra if name not in class_names]:
        raise ConfigError(
            f"--prompt {unknown[0]}=...: no such class; classes are {', '.join(class_names)}"
        )
    return {name: _prompts(name, tuple(extra.get(name, ()))) for name in class_names}


def column_names(prompts: Mapping[str, ClassPrompts]) -> list[str]:
    """Return for each column what a learned context is put before: a name, or blank's sentence."""
    names: list[str] = []
    for name, item in prompts.items():
        noun = common_name(normal(name))
        names += [column[0] if name == BLANK else noun for column in item.columns]
    return names


def column_class(prompts: Mapping[str, ClassPrompts]) -> list[int]:
    """Return for each column of the class matrix the index of its class."""
    return [index for index, item in enumerate(prompts.values()) for _ in item.columns]


def prompts_sha256(prompts: Mapping[str, ClassPrompts]) -> str:
    """Return the hash of classes, columns and sentences, in order."""
    return columns_sha256({name: item.columns for name, item in prompts.items()})


def _prompts(name: str, extra: tuple[str, ...]) -> ClassPrompts:
    if name == BLANK:
        return ClassPrompts(_BLANK_COLUMNS + tuple((sentence,) for sentence in extra))
    noun = _with_article(common_name(normal(name)))
    return ClassPrompts((tuple(t.format(noun) for t in _TEMPLATES) + extra,))


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
