"""Options by the group: a dataclass whose fields are options, as one parameter of a command."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def takes_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its groups, and call it with the groups filled.

    Args:
        command: Some of its parameters are annotated with dataclasses, whose fields are annotated
            as typer's options are; typer sees the fields in their place.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if dataclasses.is_dataclass(parameter.annotation)
    }
    shown: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        group = groups.get(name)
        shown += _options(group) if group else [parameter.replace(kind=_KEYWORD)]

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        filled = {
            name: group(**{own.name: arguments.pop(own.name) for own in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        command(**arguments, **filled)

    wrapped.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return wrapped


def _options(group: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            own.name,
            _KEYWORD,
            default=inspect.Parameter.empty if own.default is dataclasses.MISSING else own.default,
            annotation=hints[own.name],
        )
        for own in dataclasses.fields(group)
    ]
