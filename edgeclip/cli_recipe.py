"""What is tried and how: options of `edgeclip train`, and `edgeclip recipe`, which prints them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgeclip.cli_groups import takes_groups


@dataclass(frozen=True, kw_only=True)
class MethodGiven:
    """What is tried; None where it is not said."""

    config: Annotated[
        Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="A TOML file that `edgeclip recipe` began; options win over it."),
    ] = None
    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="'auto', the default, tries and chooses; else 'zero-shot', or names joined by +:"
            " 'visual+head'."
        ),
    ] = None
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="A known set of adapters instead of a method: tiny, leopard, strong."),
    ] = None
    folds: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            max=100,
            help="Rounds that leave places out; 1: only the validation part.",
            show_default="6",
        ),
    ] = None
    budget_minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0,
            max=100_000,
            help="For adapters inside the encoder: what 'auto' may spend, 10 unless given; a named"
            " method that takes longer is refused.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RecipeGiven:
    """Fields of `Recipe` that have an option; None where it is not said. `--config` has all."""

    steps: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=0,
            max=100_000,
            help="Optimiser steps of each method that trains.",
            show_default="300",
        ),
    ] = None
    learning_rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(max=1, help="Of the adapters.", show_default="0.001"),
    ] = None
    prompt_rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(max=1, help="Learning rate of soft prompts.", show_default="0.002"),
    ] = None
    xmodal: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Tokens of xmodal: text; or random, shuffled, to see what it adds.",
            show_default="text",
        ),
    ] = None
    text_samples: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option(
            "--text-samples/--no-text-samples",
            help="Text features as samples beside the images'.",
            show_default="no",
        ),
    ] = None
    pseudo_labels: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0.5,
            max=1,
            help="Frames of --unlabelled that the start is so sure of teach as labelled ones, at"
            " half the weight: 0.95.",
        ),
    ] = None
    tuned_blocks: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, max=100, help="Last blocks that ln, lora and svd change; else all."),
    ] = None
    views: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=0, max=50, help="Of each training image; 0: 10 if few, down to 4.", show_default="0"
        ),
    ] = None
    strip_top_px: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Rows of burned-in text.", show_default="0"),
    ] = None
    strip_bottom_px: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="The same at the bottom.", show_default="0"),
    ] = None
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, max=2**31 - 1, help="Of split and training.", show_default="1"),
    ] = None


def effective_tables(
    method: MethodGiven, recipe: RecipeGiven, *, command: str = "edgeclip train"
) -> dict[str, Any]:
    """Return the fields of `TrainConfig` that say what is tried and how.

    Args:
        method: As given.
        recipe: As given.
        command: Whose options they are, for the error.

    Raises:
        ConfigError: The file is wrong, or a preset stands beside a method.
    """
    from edgeclip.recipe_file import effective

    given = dict(vars(method))
    return effective(given, vars(recipe), given.pop("config"), command=command)


@takes_groups
def recipe(*, method: MethodGiven, recipe: RecipeGiven) -> None:
    """Print the whole recipe of these options. It begins a file for `train --config`."""
    from edgeclip.contract.settings import settings_from
    from edgeclip.kinds import tried_by
    from edgeclip.recipe_file import RecipeFile, recipe_text

    tables = effective_tables(method, recipe, command="edgeclip recipe")
    whole = settings_from(tables, RecipeFile, source="edgeclip recipe")
    if whole.method:
        tried_by(whole.method)  # what `train` would refuse begins no file
    print(recipe_text(whole), end="")
