"""Turn pydantic's validation errors into one line that names key, value and remedy."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError

_MOST_PROBLEMS = 5
_LOGIN = re.compile(r"(?<=://)\S*@")  # to the last @: a password may hold any character
_PASSWORD = re.compile(r"\b(user-pw|password)\s*=\s*[^\s{]\S*")

_FORMS = {
    r"^\d{1,5}\.\d{1,5}\.\d{1,5}$": "three numbers, as 1.0.0",
    r"^[a-z0-9][a-z0-9-]{0,31}$": "1 to 32 letters a-z, digits and -, as leopard-night",
    r"^\w[\w '-]{0,31}$": "1 to 32 letters, digits, spaces, - and ', as two animals",
    r"^\w[\w :'-]{0,63}$": "1 to 64 letters, digits, spaces, :, - and '",
    r"^[^\x00-\x1f\x7f]{3,300}$": "one line of 3 to 300 letters",
}
"""What patterns of versions, names and words mean; others are shown as they are."""


def explain(
    error: ValidationError,
    model: type[BaseModel],
    source: str,
    options: Mapping[str, str] | None = None,
) -> str:
    """Return one line for all problems of a validation error.

    Args:
        error: What pydantic raised.
        model: The model that was filled, searched for the nearest known key.
        source: The file or message that was read, for the start of the line.
        options: What was typed for a key, `table.key`, in place of the source's.

    Returns:
        For example `device.toml: [motion].min_blob_pc is not known: did you mean min_blob_pct?`
    """
    typed = [(options or {}).get(".".join(map(str, item["loc"]))) for item in error.errors()]
    problems = [
        _problem(details, model, name or _dotted(details["loc"]))
        for details, name in zip(error.errors(), typed, strict=True)
    ]
    origin = "" if all(typed) else f"{source}: "
    shown = "; ".join(problems[:_MOST_PROBLEMS])
    more = len(problems) - _MOST_PROBLEMS
    return f"{origin}{shown}" + (f"; and {more} more" if more > 0 else "")


def _problem(details: Mapping[str, typing.Any], model: type[BaseModel], name: str) -> str:
    location: tuple[int | str, ...] = details["loc"]
    if details["type"] == "extra_forbidden":
        return f"{name} is not known{_suggestion(location, model)}"
    if details["type"] == "missing":
        return f"{name} is missing: add it"
    found = without_secrets(repr(details["input"]))
    found = found if len(found) <= 60 else found[:57] + "..."
    return f"{name}: {said(details)}, found {found}"


def said(details: Mapping[str, typing.Any]) -> str:
    """Return what is wrong with a value, in words of ours.

    Args:
        details: One of pydantic's errors.
    """
    if details["type"] == "value_error":
        return without_secrets(str(details["ctx"]["error"]))
    if details["type"] == "path_type":
        return "is no path: write one in quotes"
    if details["type"] == "string_too_short" and details["ctx"]["min_length"] == 1:
        return "is empty: write one"
    if details["type"] == "float_parsing":
        return "is no number: write one such as 12.5"
    if details["type"] == "string_pattern_mismatch":
        pattern = details["ctx"]["pattern"]
        return f"is not {_FORMS.get(pattern) or 'of the form ' + pattern.strip('^$')}"
    return str(details["msg"])


def without_secrets(text: str) -> str:
    """Return a text for messages and logs, without the logins of its URLs and pipelines."""
    return _PASSWORD.sub(r"\1=***", _LOGIN.sub("***@", text))


def _dotted(location: Iterable[int | str]) -> str:
    """Return where a value stands: `[table.table].key`, and what is inside a list after it."""
    parts = list(location)
    if not parts:
        return "the document"
    first = next((at for at, part in enumerate(parts) if isinstance(part, int)), len(parts))
    *tables, key = map(str, parts[:first] or parts[:1])
    inside = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in parts[first or 1 :])
    return (f"[{'.'.join(tables)}].{key}" if tables else key) + inside


def _suggestion(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    table: type[BaseModel] | None = model
    for part in location[:-1]:
        table = _table_of(table, str(part)) if table else None
    known = sorted(table.model_fields) if table else []
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    elsewhere = _tables_with(str(location[0]), model) if len(location) == 1 else []
    if elsewhere:
        return f": did you mean [{elsewhere[0]}].{location[0]}?"
    if near:
        return f": did you mean {near[0]}?"
    return f": known keys are {', '.join(known)}" if known else ""


def _tables_with(key: str, model: type[BaseModel]) -> list[str]:
    """Return the tables of a file that have a key of this name."""
    tables = {name: _model_in(field.annotation) for name, field in model.model_fields.items()}
    return [name for name, table in tables.items() if table and key in table.model_fields]


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
