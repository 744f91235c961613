"""The options that say how `--data` is read, added alike to check, train and evaluate."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

Given = dict[str, Any]
"""Fields of `ReadingOptions` but `data`, as given on the command line."""


def _given(
    classes: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(
            "--class",
            help="A class and its labels, 'name=label,label'; repeat. Else a class a label.",
        ),
    ] = None,
    data_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where the table's paths start; else its own folder."),
    ] = None,
    layout: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of folders: 'label' or 'location/label'; else guessed, and said."),
    ] = None,
) -> Given:
    """Return the fields; the parameters are the options."""
    from edgeclip.labels.classes import parse_class_options
    from edgeclip.labels.reading import parse_layout

    return {
        "classes": parse_class_options(classes or []),
        "data_dir": data_dir,
        "layout": parse_layout(layout),
    }


def takes_reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the reading options, and call it with their fields as `reading`.

    Args:
        command: Has a parameter `reading: Given`, which typer never sees.
    """
    hints = typing.get_type_hints(_given, include_extras=True)
    options = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(_given).parameters.items()
    ]
    signature = inspect.signature(command, eval_str=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        if name != "reading"
    ]

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        given = {option.name: arguments.pop(option.name) for option in options}
        command(**arguments, reading=_given(**given))

    shown = [*own, *options]
    wrapped.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return wrapped
