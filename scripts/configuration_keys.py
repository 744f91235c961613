"""The keys of a configuration file as rows of tables: key, type, default, unit, meaning."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_UNITS = {
    "_ms": "ms", "_s": "s", "_hours": "h", "_days": "days", "_px": "px", "_pct": "%",
    "_mb": "10⁶ bytes", "_mb_day": "10⁶ bytes a day", "_bytes": "bytes", "_deg": "degrees",
    "_c": "°C", "_m": "m", "_per_min": "a minute", "_per_hour": "an hour", "_min": "min",
    "_gb": "10⁹ bytes", "_minutes": "min", "fps": "frames/s", "latitude": "degrees",
    "longitude": "degrees", "width": "px", "height": "px",
}  # fmt: skip
_PLAIN = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path"}
_COMPUTED = {"_host_name": "the host's name"}


@dataclass(frozen=True)
class Table:
    """One table of a file.

    Attributes:
        name: As in TOML, without brackets; ends in [] where it is repeated, and is empty for the
            keys above all tables.
        about: What it is for, one sentence.
        model: Its keys.
    """

    name: str
    about: str
    model: type[BaseModel]

    @property
    def heading(self) -> str:
        """The table's head as TOML writes it."""
        if not self.name:
            return "above all tables"
        is_list = self.name.endswith("[]")
        return f"`[[{self.name[:-2]}]]`" if is_list else f"`[{self.name}]`"

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return key, type, default, unit and meaning of each key that is no table itself."""
        fields = self.model.model_fields.items()
        return [
            (f"`{key}`", type_of(field), default_of(field), unit_of(key), field.description or "")
            for key, field in fields
            if not tables_in(field.annotation)
        ]


def tables_of(model: type[BaseModel], name: str = "") -> Iterator[Table]:
    """Yield a model's table, then those that lie in it."""
    yield Table(name, about(model), model)
    for key, field in model.model_fields.items():
        for inner, repeated in tables_in(field.annotation):
            path = f"{name}.{key}" if name else key
            ends = {"dict": ".CLASS", "list": "[]"}.get(repeated, "")
            yield from tables_of(inner, path + ends)


def about(model: type[BaseModel]) -> str:
    """Return what a model's docstring says after the table's name."""
    first = (model.__doc__ or "").split("\n\n")[0]
    text = " ".join(first.split())
    told = text.split(": ", 1)[1] if text.startswith("Table") and ": " in text else text
    return told[:1].upper() + told[1:]


def tables_in(annotation: Any) -> list[tuple[type[BaseModel], str]]:
    """Return the models that an annotation holds, each with `dict`, `list` or nothing around it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, "")]
    origin = get_origin(annotation)
    around = "dict" if origin is dict else "list" if origin is list else ""
    found = [pair for inner in get_args(annotation) for pair in tables_in(inner)]
    return [(model, around or was) for model, was in found]


def unit_of(key: str) -> str:
    """Return the unit that a key's name ends in; empty where it has none."""
    ends = [end for end in _UNITS if key.lstrip("_") == end.lstrip("_") or key.endswith(end)]
    return _UNITS[max(ends, key=len)] if ends else ""


def default_of(field: FieldInfo) -> str:
    """Return a key's default as it would stand in the file."""
    if field.is_required():
        return "needed"
    factory = field.default_factory
    if factory is not None and factory.__name__ in _COMPUTED:
        return _COMPUTED[factory.__name__]
    value = field.get_default(call_default_factory=True, validated_data={})
    return value_of(value)


def value_of(value: Any) -> str:
    """Return a value as TOML writes it; nothing for None."""
    if value is None:
        return ""
    plain = str(value) if isinstance(value, Path) else value
    if isinstance(plain, (tuple, list)):
        plain = [str(one) if isinstance(one, Path) else one for one in plain]
    return f"`{json.dumps(plain, ensure_ascii=False)}`"


def type_of(field: FieldInfo) -> str:
    """Return a key's type in words, with the bounds that hold."""
    bounds = _bounds(field.metadata)
    return type_of_annotation(field.annotation) + (f", {bounds}" if bounds else "")


def type_of_annotation(annotation: Any) -> str:
    """Return a type in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in inner)
    if origin is Annotated:
        bounds = _bounds(inner[1:])
        return type_of_annotation(inner[0]) + (f", {bounds}" if bounds else "")
    if origin in (Union, types.UnionType):
        return " or ".join(type_of_annotation(one) for one in inner if one is not type(None))
    if origin in (list, tuple, set, frozenset):
        kinds = dict.fromkeys(type_of_annotation(one) for one in inner if one is not Ellipsis)
        return f"list of {' and '.join(kinds)}"
    if origin is dict:
        return f"table of {type_of_annotation(inner[1])}"
    return _PLAIN.get(annotation, str(getattr(annotation, "__name__", annotation)).lower())


def _bounds(metadata: Any) -> str:
    found: dict[str, Any] = {}
    for one in metadata:
        for inner in [one, *getattr(one, "metadata", ())]:
            for name in ("ge", "gt", "le", "lt", "pattern"):
                value = getattr(inner, name, None)
                if value is not None:
                    found[name] = value
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    told = [text.format(f"{found[name]:,}") for name, text in words.items() if name in found]
    return " ".join([*told, *([f"as `{found['pattern']}`"] if "pattern" in found else [])])
