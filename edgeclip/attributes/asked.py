"""The file that says what is asked: TOML or JSON -> groups, or one line that says what is wrong."""

from __future__ import annotations

import difflib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from edgeclip.contract.attributes import MOST_GROUPS, AskedGroup, refuse_alike
from edgeclip.contract.pack import Part
from edgeclip.contract.settings import read_toml, read_written
from edgeclip.contract.validation import explain
from edgeclip.errors import ConfigError

USUAL = "usual"


class _File(Part):
    """The whole file."""

    group: list[AskedGroup] = Field(min_length=1, max_length=MOST_GROUPS)

    @model_validator(mode="after")
    def _questions_differ(self) -> _File:
        refuse_alike(self.group)
        return self


def usual_text() -> str:
    """Return the built-in file."""
    return (files("edgeclip.attributes") / "usual.toml").read_text(encoding="utf-8")


def read_asked(source: str | Path) -> list[AskedGroup]:
    """Return the groups of a file.

    Args:
        source: `usual` for the built-in ones; a path that ends in `.json`; else TOML.

    Raises:
        ConfigError: It cannot be read, or one line that names each wrong key and what is allowed.
    """
    if str(source) == USUAL:
        return read_asked(Path(str(files("edgeclip.attributes") / "usual.toml")))
    path = Path(source)
    if not path.exists() and difflib.get_close_matches(str(source), [USUAL], n=1):
        raise ConfigError(f"--attributes {source} is no file: did you mean {USUAL}?")
    tables = _read_json(path) if path.suffix.lower() == ".json" else read_toml(path)
    try:
        return _File.model_validate(tables).group
    except ValidationError as error:
        raise ConfigError(explain(error, _File, f"--attributes {path}")) from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_written(path, "file of attributes"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON ({error}): mend it") from error
