"""What `docs/bundle-format.md` and `docs/engine.md` say is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_key import EngineKey, EngineSidecar, Machine
from edgeclip.contract.profiles import DIMENSION_NAMES, default_profiles
from edgeclip.contract.slots import ALL_SLOTS, DEEP_OUTPUTS
from edgeclip_export.cli import app

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "bundle-format.md").read_text()
ENGINE_TEXT = (DOCS / "engine.md").read_text()


def _options() -> list[tuple[str, str]]:
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return [
        (name, option.opts[0])
        for name, command in group.commands.items()
        for option in command.params
        if option.opts[0].startswith("--") and option.opts[0] != "--help"
    ]


def _flags() -> list[tuple[str, str]]:
    """Return every spelling of every option, those that switch off too."""
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return [
        (name, flag)
        for name, command in group.commands.items()
        for option in command.params
        for flag in (*option.opts, *option.secondary_opts)
    ]


@pytest.mark.parametrize(("command", "option"), _options())
def test_every_option_of_every_command_is_documented(command: str, option: str) -> None:
    usage = re.search(rf"^edgeclip-export {command} .*$", TEXT, re.MULTILINE)
    assert usage is not None
    assert option in usage.group()


@pytest.mark.parametrize(
    "line", re.findall(r"^edgeclip-export .*$", TEXT + ENGINE_TEXT, re.MULTILINE)
)
def test_every_option_that_is_documented_exists(line: str) -> None:
    command = line.split()[1]
    known = {option for name, option in _flags() if name == command}
    assert set(re.findall(r"--[a-z][a-z-]*", line.split("#")[0])) <= known, command


def test_every_field_in_the_tables_of_sidecar_and_manifest_exists() -> None:
    sidecar = {*EngineSidecar.model_fields, *EngineKey.model_fields, *Machine.model_fields}
    assert _first_column(ENGINE_TEXT, "| field of the sidecar |") <= sidecar
    manifest = {name.rstrip("_") for name in BundleManifest.model_fields}
    assert _first_column(TEXT, "| field | content |") == manifest


def _first_column(text: str, head: str) -> set[str]:
    """Return the words in backticks in the first column of the table that begins so."""
    table = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    words = {word for row in table for word in re.findall(r"`([a-z0-9_.]+)`", row.split("|")[1])}
    return {word.split(".")[-1] for word in words}


@pytest.mark.parametrize(
    "name", [*EngineSidecar.model_fields, *EngineKey.model_fields, *Machine.model_fields]
)
def test_every_field_of_the_sidecar_is_documented(name: str) -> None:
    told_in_words = {"schema_", "sidecar_schema", "graph_sha256", "weights_sha256", "machine"}
    assert name in told_in_words or f"`{name}`" in ENGINE_TEXT


@pytest.mark.parametrize("name", [*ALL_SLOTS, *DEEP_OUTPUTS, *DIMENSION_NAMES.values()])
def test_every_input_output_and_dimension_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT or f"| {name} |" in TEXT


@pytest.mark.parametrize("name", BundleManifest.model_fields)
def test_every_field_of_the_manifest_is_documented(name: str) -> None:
    assert f"`{name.rstrip('_')}`" in TEXT


@pytest.mark.parametrize("letter", [letter for letter in DIMENSION_NAMES if letter != "B"])
def test_the_sizes_of_an_engine_are_the_documented_ones(letter: str) -> None:
    profile = default_profiles(graph="deep")[letter]
    row = f"| {DIMENSION_NAMES[letter]} | {letter} | {profile.min}, {profile.opt}, {profile.max} |"
    assert row in TEXT
