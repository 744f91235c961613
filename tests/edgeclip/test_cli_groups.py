from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import pytest
import typer
from typer.testing import CliRunner, Result

from edgeclip import cli_evaluate, cli_train
from edgeclip.cli_groups import takes_groups


@dataclass(frozen=True, kw_only=True)
class Where:
    """Two options, one of which must be given."""

    place: Annotated[str, typer.Option(help="A place.")]
    heights: Annotated[Optional[list[int]], typer.Option("--height")] = None  # noqa: UP045


def _run(*arguments: str) -> tuple[Result, dict[str, Any]]:
    seen: dict[str, Any] = {}
    app = typer.Typer()

    @app.command()
    @takes_groups
    def look(source: Path, *, where: Where, loud: bool = False) -> None:
        """Look at it."""
        seen.update(source=source, where=where, loud=loud)

    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}), seen


def test_a_group_comes_filled_beside_the_commands_own_parameters() -> None:
    done, seen = _run("frames", "--place", "ridge", "--height", "2", "--height", "3", "--loud")
    assert done.exit_code == 0, done.output
    assert seen == {
        "source": Path("frames"),
        "where": Where(place="ridge", heights=[2, 3]),
        "loud": True,
    }


def test_a_field_without_a_default_must_be_given_and_others_have_theirs() -> None:
    assert _run("frames")[0].exit_code == 2
    assert _run("frames", "--place", "ridge")[1]["where"] == Where(place="ridge")


def test_the_help_shows_the_fields_and_not_the_group() -> None:
    text = _run("--help")[0].output
    assert "--place" in text
    assert "A place." in text
    assert "--height" in text
    assert "--where" not in text


@pytest.mark.parametrize("command", [cli_train.train, cli_evaluate.evaluate])
def test_no_two_groups_of_a_command_have_an_option_of_one_name(command: Any) -> None:
    names = list(command.__signature__.parameters)
    assert len(names) > 25
    assert len(names) == len(set(names))
