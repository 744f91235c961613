"""Read a TOML configuration file into a pydantic model, refusing what is not known."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edgeclip.contract.validation import explain
from edgeclip.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_BYTES = 1_000_000  # nobody writes more by hand


class Settings(BaseModel):
    """A table of a configuration file: frozen, strict, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


SettingsT = TypeVar("SettingsT", bound=BaseModel)


def read_written(path: Path, what: str) -> str:
    """Return the text of a file that a person wrote.

    Args:
        path: Of the file.
        what: Such as "configuration file", for the line that says that it is none.

    Raises:
        ConfigError: The file is missing, too large or not UTF-8.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}: larger than 1 MB: is this a {what}?")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(f"{path}: cannot be read ({reason}): check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: save it as UTF-8") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: The file is missing, too large, not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(read_written(path, "configuration file"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML ({error}): mend that line") from error


def settings_from(
    tables: dict[str, Any],
    model: type[SettingsT],
    *,
    source: str = "configuration",
    options: Mapping[str, str] | None = None,
) -> SettingsT:
    """Return the validated settings.

    Args:
        tables: What `read_toml` gave, with command-line options merged in.
        model: The model of the whole file.
        source: The file's name, for the error.
        options: Options of the command line by the key that they set, `table.key`, likewise.

    Raises:
        ConfigError: One line that names each wrong key and what is allowed.
    """
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(explain(error, model, source, options)) from error
