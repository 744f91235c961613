"""Reading a JSON document of a format that has versions: one line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from edgeclip.contract.files import reason_of
from edgeclip.contract.formats import other_version
from edgeclip.contract.validation import explain
from edgeclip.errors import PackError

ModelT = TypeVar("ModelT", bound=BaseModel)
_MOST_BYTES = 1_000_000  # of a file


def read_versioned(
    data: bytes,
    model: type[ModelT],
    where: str,
    *,
    schema: str,
    what: str,
    remedies: tuple[str, str],
) -> ModelT:
    """Return a document, after its version was looked at and then its fields.

    Args:
        data: Its bytes.
        model: What it is.
        where: Its path or address, for the error.
        schema: Of this software, as `edgeclip.gate/1`.
        what: What people call it.
        remedies: What to do about an older and about a newer document.

    Raises:
        PackError: Another version, or it does not hold what it should.
    """
    if other := other_version(data, schema):
        found, is_older = other
        raise PackError(
            f"{where}: the {what}'s format is {found}, this software reads {schema}:"
            f" {remedies[0] if is_older else remedies[1]}"
        )
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise PackError(explain(error, model, where)) from error


def read_versioned_file(
    path: Path,
    model: type[ModelT],
    *,
    schema: str,
    what: str,
    remedies: tuple[str, str],
) -> ModelT:
    """Return a document of at most 1 MB from a file; see `read_versioned`.

    Raises:
        PackError: It cannot be read, is too large, of another version, or not what it should be.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PackError(f"{path} is larger than {_MOST_BYTES / 1e6:.0f} MB: it is no {what}")
        data = path.read_bytes()
    except OSError as error:
        raise PackError(
            f"{path} cannot be read ({reason_of(error)}): copy the {what} again"
        ) from error
    return read_versioned(data, model, str(path), schema=schema, what=what, remedies=remedies)
