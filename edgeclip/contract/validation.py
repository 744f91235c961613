"""Turn pydantic's validation errors into one line that names key, value and remedy."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

_MOST_PROBLEMS = 5


def explain(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """Return one line for all problems of a validation error.

    Args:
        error: What pydantic raised.
        model: The model that was filled, searched for the nearest known key.
        source: The file or message that was read, for the start of the line.

    Returns:
        For example `device.toml: [motion].min_blob_pc is not known: did you mean min_blob_pct?`
    """
    problems = [_problem(details, model) for details in error.errors()]
    shown = "; ".join(problems[:_MOST_PROBLEMS])
    more = len(problems) - _MOST_PROBLEMS
    return f"{source}: {shown}" + (f"; and {more} more" if more > 0 else "")


def _problem(details: typing.Mapping[str, typing.Any], model: type[BaseModel]) -> str:
    location: tuple[int | str, ...] = details["loc"]
    name = _dotted(location)
    if details["type"] == "extra_forbidden":
        return f"{name} is not known{_suggestion(location, model)}"
    if details["type"] == "missing":
        return f"{name} is missing: add it"
    found = repr(details["input"])
    found = found if len(found) <= 60 else found[:57] + "..."
    return f"{name}: {details['msg']}, found {found}"


def _dotted(location: Iterable[int | str]) -> str:
    parts = [str(part) for part in location]
    if not parts:
        return "the document"
    return parts[0] if len(parts) == 1 else f"[{'.'.join(parts[:-1])}].{parts[-1]}"


def _suggestion(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    table: type[BaseModel] | None = model
    for part in location[:-1]:
        table = _table_of(table, str(part)) if table else None
    known = sorted(table.model_fields) if table else []
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if near:
        return f": did you mean {near[0]}?"
    return f": known keys are {', '.join(known)}" if known else ""


def _table_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the model that a field holds, also inside a list, a dict or an optional.

    An index of a list, or a key of a dict, stands for an item whose model is already at hand.
    """
    field = model.model_fields.get(key)
    return _model_in(field.annotation) if field else model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (list, tuple, dict, typing.Union, types.UnionType):
        found = (_model_in(part) for part in typing.get_args(annotation))
        return next((model for model in found if model), None)
    return None
