from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from edgeclip.cli_reading import Given, takes_reading_options
from edgeclip.labels.reading import ReadingOptions


def _app(seen: dict[str, Any]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @takes_reading_options
    def look(source: Path, *, reading: Given, loud: bool = False) -> None:
        """Look at it."""
        seen.update(source=source, reading=reading, loud=loud)

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
        if field not in ("data", "classes"):
            assert f"--{field.replace('_', '-')}" in text
    assert "Look at it." in text
