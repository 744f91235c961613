"""`docs/configuration.md` is what the settings and the options say."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from edgeclip.config import Recipe
from edgeclip_dashboard.config import DashboardSettings
from edgeclip_device.config import DeviceSettings
from scripts.configuration_keys import tables_of, unit_of
from scripts.configuration_options import commands_of
from scripts.write_configuration import PAGE, PROGRAMS, page


def test_the_page_is_what_the_generator_gives() -> None:
    assert PAGE.read_text() == page(), "run `make docs`, and commit docs/configuration.md"


class Inner(BaseModel):
    """Table `[inner]`: what lies inside."""

    on: float | None = Field(None, ge=0, le=1, description="From here on.")


class Outer(BaseModel):
    """The whole file."""

    folder: Path = Field(Path("here"), description="Where it is.")
    wait_s: float = Field(2.5, gt=0, description="How long.")
    many: list[Inner] = Field(default_factory=list)
    named: dict[str, Inner] = Field(default_factory=dict)


def test_a_settings_model_becomes_its_tables_with_those_that_lie_in_it() -> None:
    tables = list(tables_of(Outer))
    heads = ["above all tables", "`[[many]]`", "`[named.CLASS]`"]
    assert [table.heading for table in tables] == heads
    assert tables[0].rows() == [
        ("`folder`", "path", '`"here"`', "", "Where it is."),
        ("`wait_s`", "number, above 0", "`2.5`", "s", "How long."),
    ]
    assert tables[1].about == "What lies inside."
    assert tables[1].rows() == [("`on`", "number, from 0 to 1", "", "", "From here on.")]


@pytest.mark.parametrize(
    ("key", "unit"),
    [("quiet_s", "s"), ("will_ms", "ms"), ("max_mb", "10⁶ bytes"), ("alerts_per_hour", "an hour"),
     ("max_fps", "frames/s"), ("classes", ""), ("mode", "")],
)  # fmt: skip
def test_a_unit_is_read_from_the_end_of_a_name(key: str, unit: str) -> None:
    assert unit_of(key) == unit


@pytest.mark.parametrize("model", [DeviceSettings, DashboardSettings, Recipe])
def test_every_key_says_what_it_means(model: type[BaseModel]) -> None:
    silent = [row[0] for table in tables_of(model) for row in table.rows() if not row[-1]]
    assert silent == []


@pytest.mark.parametrize(("name", "app"), PROGRAMS)
def test_every_option_says_what_it_means(name: str, app: object) -> None:
    options = [(typed, row) for typed, _, rows in commands_of(app, name) for row in rows]
    assert [(typed, row[0]) for typed, row in options if not row[-1]] == []
    assert any(row[0].startswith("`--") for _, row in options)
