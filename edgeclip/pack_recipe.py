"""The recipe that a pack was trained by, for what is to be trained beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeclip.config import MOST_FOLDS, Recipe
from edgeclip.openings import REPORT_FOLDER
from edgeclip.recipe_file import RECIPE_FILE, read_recipe_file


@dataclass(frozen=True)
class PackRecipe:
    """How a pack was trained, as far as its baselines share it.

    Attributes:
        recipe: Its own, or the usual one.
        folds: Rounds at the most.
        notes: What must be said where it is not known.
    """

    recipe: Recipe
    folds: int
    notes: tuple[str, ...] = ()


def recipe_of(pack: Path) -> PackRecipe:
    """Return the recipe that a pack's report keeps.

    Raises:
        ConfigError: The file is damaged.
    """
    path = pack / REPORT_FOLDER / RECIPE_FILE
    if not path.is_file():
        said = f"the pack's {REPORT_FOLDER}/{RECIPE_FILE} is not there: baselines are trained with"
        return PackRecipe(Recipe(), MOST_FOLDS, (f"{said} the usual views and rounds",))
    read = read_recipe_file(path)
    return PackRecipe(read.recipe, read.folds or MOST_FOLDS)
