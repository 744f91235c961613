"""The options that say how `--data` is read, added alike to check, train and evaluate."""

from __future__ import annotations

import functools
import inspect
import shlex
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
        typer.Option(
            help="Of folders: 'label', 'location/label', 'location/camera/label' or 'split/label';"
            " else guessed, and said."
        ),
    ] = None,
    multi: Annotated[
        str,
        typer.Option(
            help="An image of several classes: 'drop', 'first', 'largest-box', or 'multi' for one"
            " sample a box."
        ),
    ] = "drop",
    boxes: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="MegaDetector's JSON, whose boxes the labelled images get."),
    ] = None,
    box_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Least confidence of a detector's box.")
    ] = 0.2,
    box_unit: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of a table's boxes: 'relative' or 'pixels'."),
    ] = None,
    use_split: Annotated[
        bool,
        typer.Option("--use-split/--no-use-split", help="Take a given split that tears places."),
    ] = False,
    sequence_labels: Annotated[
        bool,
        typer.Option(
            "--sequence-labels/--no-sequence-labels", help="Take labels that are of whole bursts."
        ),
    ] = False,
    observation_level: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of Camtrap DP: 'media' or 'event'; else media where there are any."),
    ] = None,
    tz: Annotated[str, typer.Option(help="Zone of times without one: Africa/Nairobi.")] = "UTC",
    time_offset: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Added to times: '-12h', or 'place=+1h30m' for one location; repeat."),
    ] = None,
    mtime: Annotated[
        bool,
        typer.Option("--mtime/--no-mtime", help="Use files' own times where nothing else tells."),
    ] = False,
) -> Given:
    """Return the fields; the parameters are the options."""
    from edgeclip.labels.classes import parse_class_options
    from edgeclip.labels.reading import parse_layout, parse_time_offsets

    return {
        "classes": parse_class_options(classes or []),
        "data_dir": data_dir,
        "layout": parse_layout(layout),
        "multi": multi,
        "boxes": boxes,
        "box_threshold": box_threshold,
        "box_unit": box_unit,
        "use_split": use_split,
        "sequence_labels": sequence_labels,
        "observation_level": observation_level,
        "tz": tz,
        "time_offset": parse_time_offsets(time_offset or []),
        "mtime": mtime,
    }


def reading_arguments(source: Path, reading: Given) -> str:
    """Return `--data` and the options that were given, as a person types them.

    Args:
        source: Is read.
        reading: What a command got.
    """
    words = ["--data", str(source)]
    for name, labels in reading["classes"].items():
        words += ["--class", f"{name}={','.join(labels)}"]
    for place, seconds in reading["time_offset"].items():
        shift = f"{seconds:+.0f}s"
        words += [f"--time-offset={shift if place == '*' else f'{place}={shift}'}"]
    usual = inspect.signature(_given).parameters
    for name, value in reading.items():
        option = f"--{name.replace('_', '-')}"
        if name in ("classes", "time_offset") or value == usual[name].default:
            continue
        words += [option] if value is True else [option, str(value)]
    return shlex.join(words)


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
