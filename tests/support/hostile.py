"""Messages whose every text is an attack on the page that shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

ATTACK = '"><img src=x onerror=owned=1>{{owned=1}}<script>owned=1</script>'
"""Breaks out of an attribute, then HTML, then a template of Vue's; 64 characters, as in a name."""

_KEPT = {"schema", "pack_version"}
ModelT = TypeVar("ModelT", bound=BaseModel)
Path = tuple[str | int, ...]


def hostile(message: ModelT) -> tuple[ModelT, list[str]]:
    """Return a message with the attack in each text that may hold it, and which those are.

    What the contract bounds to fewer letters, or to those of an id, cannot be attacked with.
    """
    document = json.loads(message.model_dump_json(by_alias=True))
    attacked = []
    for path in list(_texts(document, ())):
        changed = json.loads(json.dumps(document))
        _put(changed, path, ATTACK)
        try:
            type(message).model_validate_json(json.dumps(changed))
        except ValidationError:
            continue
        document = changed
        attacked.append(".".join(map(str, path)))
    return type(message).model_validate_json(json.dumps(document)), attacked


def _texts(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, str) and (not path or path[-1] not in _KEPT):
        yield path
    elif isinstance(value, dict):
        for key in value:
            yield from _texts(value[key], (*path, key))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _texts(inner, (*path, n))


def _put(document: Any, path: Path, text: str) -> None:
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = text
