"""Reading a JSON document of a format that has versions: one line for whatever is wrong."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from edgeclip.contract.formats import other_version
from edgeclip.contract.validation import explain
from edgeclip.errors import PackError

ModelT = TypeVar("ModelT", bound=BaseModel)


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
