from __future__ import annotations

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

import pytest
import tomli
from typer.testing import CliRunner

from edgeclip.cli import app
from edgeclip.cli_recipe import MethodGiven, RecipeGiven, recipe
from edgeclip.config import Recipe, TrainConfig
from edgeclip.contract.settings import settings_from
from edgeclip.errors import ConfigError
from edgeclip.recipe_file import RecipeFile, effective, read_recipe_file, recipe_text
from edgeclip.trainer import TrainResult

NOTHING: dict[str, Any] = dict.fromkeys(("method", "preset", "folds", "budget_minutes"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recipe.toml"


def _shown(*arguments: object) -> RecipeFile:
    done = CliRunner().invoke(app, ["recipe", *map(str, arguments)], catch_exceptions=False)
    return settings_from(tomli.loads(done.output), RecipeFile)


def test_every_field_of_the_recipe_can_be_set_in_the_file(file: Path) -> None:
    text = recipe_text(RecipeFile(method="visual", recipe=Recipe(view_kl=0.5, kl=0.25, seed=7)))
    text = text.replace("# pseudo_labels =", "pseudo_labels = 0.9")
    file.write_text(text.replace("# tuned_blocks =", "tuned_blocks = 2"))
    fields = effective(NOTHING, {}, file)["recipe"]
    assert set(fields) == set(Recipe.model_fields)
    expected = Recipe(view_kl=0.5, kl=0.25, seed=7, tuned_blocks=2, pseudo_labels=0.9)
    assert Recipe(**fields) == expected
    assert Recipe(**fields).sha256 == expected.sha256


def test_options_win_over_the_file_and_the_file_over_presets(file: Path) -> None:
    file.write_text('preset = "leopard"\nfolds = 3\n[recipe]\nsteps = 40\nblock_hidden = 8\n')
    found = effective({**NOTHING, "folds": 2}, {"steps": 5, "views": None}, file)
    assert found["method"] == "visual+block+block_xmodal"
    assert found["folds"] == 2
    assert found["recipe"]["steps"] == 5
    assert found["recipe"]["block_hidden"] == 8  # the preset's is 16
    assert found["recipe"]["blocks"] == 8  # of the preset
    assert "budget_minutes" not in found


def test_a_method_on_the_command_line_takes_the_place_of_the_files_preset(file: Path) -> None:
    file.write_text('preset = "leopard"\n')
    found = effective({**NOTHING, "method": "head"}, {}, file)
    assert found == {"method": "head", "recipe": {}}


def test_a_preset_on_the_command_line_wins_over_a_file_that_states_every_field(file: Path) -> None:
    file.write_text(recipe_text(RecipeFile(method="head", recipe=Recipe(seed=7))))
    found = effective({**NOTHING, "preset": "leopard"}, {"attention": 8}, file)
    assert found["method"] == "visual+block+block_xmodal"
    assert (found["recipe"]["blocks"], found["recipe"]["block_hidden"]) == (8, 16)
    assert found["recipe"]["seed"] == 7  # of the file: no preset says it
    assert found["recipe"]["attention"] == 8  # an option


def test_edgeclip_recipe_reports_its_errors_by_its_own_name() -> None:
    done = CliRunner().invoke(app, ["recipe", "--method", "head", "--preset", "tiny"])
    assert str(done.exception).startswith("edgeclip recipe: preset tiny is a method of its own")


def test_a_recipe_of_a_method_that_is_not_known_is_not_printed() -> None:
    done = CliRunner().invoke(app, ["recipe", "--method", "visal"])
    assert str(done.exception) == "--method visal: 'visal' is not known: did you mean visual?"
    assert done.stdout == ""


def test_a_preset_beside_a_method_is_refused_where_it_stands(file: Path) -> None:
    file.write_text('preset = "tiny"\nmethod = "head"\n')
    with pytest.raises(ConfigError, match=r"recipe\.toml: preset tiny is a method of its own"):
        effective(NOTHING, {}, file)
    with pytest.raises(ConfigError, match="edgeclip train: preset tiny is a method of its own"):
        effective({**NOTHING, "method": "head", "preset": "tiny"}, {}, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[recipe]\nview_k = 1.0", "[recipe].view_k is not known: did you mean view_kl?"),
        ("[recipe]\nsteps = 'many'", "[recipe].steps: Input should be a valid integer, found"),
        ("[recipe]\nema = 1.5", "[recipe].ema: Input should be less than 1, found 1.5"),
        ("[recipe]\nxmodal = 'txt'", "[recipe].xmodal: Input should be 'text', 'random' or"),
        (
            "[recipe]\nratio = 1.0\nlearn_ratio = true",
            "[recipe].learn_ratio: a learned ratio starts below 1",
        ),
        ("[recipe]\nviews = 1\nview_kl = 0.5", "[recipe].views: view_kl compares two"),
        ("[recipe]\nanchor = inf", "[recipe].anchor: Input should be less than or equal to"),
        ("fold = 2", "fold is not known: did you mean folds?"),
        ("steps =", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_key_and_what_is_allowed(
    file: Path, text: str, line: str
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_recipe_file(file)
    assert str(caught.value).startswith(f"{file}: {line}")


def test_the_printed_recipe_is_whole_and_is_read_as_it_was_printed(file: Path) -> None:
    shown = _shown("--preset", "strong", "--steps", 12)
    assert shown.method == "visual+block+block_xmodal+pooling"
    assert shown.recipe.steps == 12
    assert shown.recipe.attention == 64
    assert shown.recipe.views == 10
    file.write_text(recipe_text(shown))
    assert read_recipe_file(file) == shown
    assert _shown("--config", file, "--seed", 3).recipe == shown.recipe.model_copy(
        update={"seed": 3}
    )


@pytest.mark.parametrize("group", [RecipeGiven, MethodGiven])
def test_the_help_shows_the_defaults_that_hold(group: Any) -> None:
    known = {**TrainConfig.model_fields, **Recipe.model_fields}
    hints = typing.get_type_hints(group, include_extras=True)
    parameters = inspect.signature(recipe).parameters
    for field in dataclasses.fields(group):
        shown = hints[field.name].__metadata__[0].show_default
        assert field.name in parameters
        if isinstance(shown, str):
            default = known[field.name].default
            assert shown == ("no" if default is False else str(default))


def test_a_pack_names_its_recipe_and_its_report_holds_it(
    trained: tuple[Path, TrainResult],
) -> None:
    folder, result = trained
    fields = effective(NOTHING, {}, folder / "report/recipe.toml")["recipe"]
    assert Recipe(**fields).sha256 == result.manifest.recipe_sha256
    page = (folder / "report/index.html").read_text()
    assert result.manifest.recipe_sha256[:12] in page
    assert "view_kl" in page


@pytest.mark.parametrize(
    ("images", "views"), [(0, 10), (5, 10), (200, 10), (250, 8), (500, 4), (9000, 4)]
)
def test_few_images_have_more_views_unless_told(images: int, views: int) -> None:
    assert Recipe().views_of(images) == views
    assert Recipe(views=3).views_of(images) == 3
