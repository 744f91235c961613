"""The options of the four programs as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from scripts.configuration_keys import type_of_annotation, unit_of, value_of


def commands_of(app: Any, name: str) -> Iterator[tuple[str, str, list[tuple[str, ...]]]]:
    """Yield each command of a program: as typed, what it does, and the rows of its options.

    Args:
        app: The typer application.
        name: Of the program.
    """
    waiting = [(name, get_command(app))]
    while waiting:
        typed, command = waiting.pop(0)
        inner = getattr(command, "commands", {})
        if not inner:
            yield typed, _sentence(command.help), [_row(p) for p in command.params if _is_told(p)]
        waiting += [(f"{typed} {key}", one) for key, one in inner.items()]


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _is_told(parameter: Any) -> bool:
    return "--help" not in parameter.opts and not getattr(parameter, "hidden", False)


def _row(parameter: Any) -> tuple[str, ...]:
    is_option = parameter.opts[0].startswith("-")
    spelt = [*parameter.opts, *parameter.secondary_opts]
    name = f"`{', '.join(spelt)}`" if is_option else f"`{(parameter.metavar or parameter.name)}`"
    default = _default(parameter)
    help_text = " ".join((getattr(parameter, "help", None) or "").split())
    return name, _type(parameter), default, unit_of(parameter.name), help_text


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return shown
    value = parameter.default
    if value is None or callable(value) or value in ((), []) or "unset" in repr(value).lower():
        return (
            "off" if getattr(parameter, "is_flag", False) and not parameter.secondary_opts else ""
        )
    if getattr(parameter, "is_flag", False):
        return "on" if value else "off"
    return value_of(getattr(value, "value", value))


def _type(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return "switch"
    bounds = [(word, getattr(parameter, name)) for word, name in (("from", "min"), ("to", "max"))]
    shown = [f"{word} {bound:,}" for word, bound in bounds if bound is not None]
    kind = type_of_annotation(parameter.type_descriptor.annotation)
    told = f"{kind}, {' '.join(shown)}" if shown else kind
    return told.removeprefix("list of ") + ("; repeat" if told.startswith("list of ") else "")
