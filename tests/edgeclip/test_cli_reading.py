from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from edgeclip.cli_groups import takes_groups
from edgeclip.cli_reading import Given, ReadingGiven, reading_arguments
from edgeclip.labels.reading import ReadingOptions


def _app(seen: dict[str, Any]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @takes_groups
    def look(source: Path, *, reading: ReadingGiven, loud: bool = False) -> None:
        """Look at it."""
        seen.update(source=source, reading=reading.fields(), loud=loud)

    return app


def test_a_command_gets_the_reading_options_beside_its_own(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    options = ["--loud", "--class", "cat=jaguar,ocelot", "--layout", "label"]
    done = CliRunner().invoke(_app(seen), [str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    assert (seen["source"], seen["loud"]) == (tmp_path, True)
    assert seen["reading"]["classes"] == {"cat": ("jaguar", "ocelot")}
    assert seen["reading"]["layout"] == "label"


def test_without_options_the_reading_is_that_of_its_model(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    CliRunner().invoke(_app(seen), [str(tmp_path)])
    assert ReadingOptions(data=tmp_path, **seen["reading"]) == ReadingOptions(data=tmp_path)


def test_the_help_shows_every_field_but_the_source() -> None:
    text = CliRunner().invoke(_app({}), ["--help"], env={"COLUMNS": "200"}).output
    for field in ReadingOptions.model_fields:
        # `columns` are those that the questions of --attributes name
        if field not in ("data", "classes", "columns"):
            assert f"--{field.replace('_', '-')}" in text
    assert "Look at it." in text


def test_what_was_given_can_be_typed_again(tmp_path: Path) -> None:
    options = [
        "--class", "spotted cat=jaguar,ocelot", "--layout", "location/label", "--boxes", "md.json",
        "--box-threshold", "0.4", "--use-split", "--tz", "+03:00", "--time-offset=ridge=-12h",
        "--time-offset=+1h", "--multi", "multi",
    ]  # fmt: skip
    first: dict[str, Any] = {}
    done = CliRunner().invoke(_app(first), [str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    typed = reading_arguments(tmp_path, first["reading"])
    assert typed[:2] == ["--data", str(tmp_path)]
    again: dict[str, Any] = {}
    CliRunner().invoke(_app(again), [str(tmp_path), *typed[2:]])
    assert again["reading"] == first["reading"]
    assert reading_arguments(tmp_path, _usual(tmp_path)) == ["--data", str(tmp_path)]


def _usual(source: Path) -> Given:
    seen: dict[str, Any] = {}
    CliRunner().invoke(_app(seen), [str(source)])
    given: Given = seen["reading"]
    return given
