"""What is tried and how it is fitted, as a TOML file: read, merged with options, written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from edgeclip.config import Recipe, TrainConfig
from edgeclip.contract.settings import Settings, read_toml, settings_from
from edgeclip.errors import ConfigError

Given = Mapping[str, Any]

RECIPE_FILE = "recipe.toml"  # in the report of a training
_HOW = ("folds", "budget_minutes")


class RecipeFile(Settings):
    """The file of `edgeclip train --config`; what it leaves out is the preset's, or as usual."""

    method: str | None = Field(None, min_length=1, max_length=100)
    preset: str | None = Field(None, description="Instead of a method; [recipe] wins over it here.")
    folds: int | None = Field(None, ge=1, le=100)
    budget_minutes: float | None = Field(None, ge=0, le=100_000)
    recipe: Recipe = Recipe()


def read_recipe_file(path: Path) -> RecipeFile:
    """Return what a file says.

    Raises:
        ConfigError: It cannot be read, or one line that names each wrong key and what is allowed.
    """
    return settings_from(read_toml(path), RecipeFile, source=str(path))


def effective(
    given: Given, of_recipe: Given, file: Path | None, *, command: str = "edgeclip train"
) -> dict[str, Any]:
    """Return method, folds, budget and recipe: options over the file, the file over its preset.

    Args:
        given: Options `method`, `preset`, `folds` and `budget_minutes`; None where not given.
        of_recipe: Options that are fields of `Recipe`, likewise.
        file: Of `--config`, or None.
        command: Whose options they are, for the error.

    Returns:
        Fields of `TrainConfig`; those that nothing states are left out.

    Raises:
        ConfigError: The file is wrong, a method stands beside a preset, or a preset is not known.
    """
    read = read_recipe_file(file) if file else RecipeFile()
    stated = {name: value for name, value in given.items() if value is not None}
    by_option = bool({"method", "preset"} & stated.keys())
    which, chosen = (command, given) if by_option else (str(file), vars(read))
    method, preset = chosen["method"], chosen["preset"]
    if preset and method:
        raise ConfigError(
            f"{which}: preset {preset} is a method of its own: leave method {method} out"
        )
    method, of_preset = _of_preset(preset) if preset else (method or "auto", {})
    of_file = read.recipe.model_dump(include=read.recipe.model_fields_set)
    recipe = of_file | of_preset if by_option else of_preset | of_file
    recipe |= {name: value for name, value in of_recipe.items() if value is not None}
    how = {name: stated.get(name, getattr(read, name)) for name in _HOW}
    known = {name: value for name, value in how.items() if value is not None}
    return {"method": method, **known, "recipe": recipe}


def _of_preset(name: str) -> tuple[str, dict[str, int]]:
    from edgeclip.adapters.presets import preset_method  # torch: only where a preset is named

    return preset_method(name)


def recipe_text(config: TrainConfig | RecipeFile) -> str:
    """Return the TOML of a configuration, which `--config` reads: every field with what it is."""
    own = type(config).model_fields
    lines = ["# Of `edgeclip train --config`; options on the command line win over it."]
    for name in ("method", *_HOW):
        lines += _entry(name, getattr(config, name), own[name].description)
    lines += ["", "[recipe]"]
    for name, field in Recipe.model_fields.items():
        lines += _entry(name, getattr(config.recipe, name), field.description)
    return "\n".join(lines) + "\n"


def _entry(name: str, value: object, description: str | None) -> list[str]:
    said = [f"# {description}"] if description else []
    return [*said, f"# {name} =" if value is None else f"{name} = {json.dumps(value)}"]
