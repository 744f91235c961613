"""The options that say how `--data` is read: alike in check, train and evaluate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgeclip.cli_options import BoxesOption

Given = dict[str, Any]
"""Fields of `ReadingOptions` but `data`, as given on the command line."""


@dataclass(frozen=True, kw_only=True)
class ReadingGiven:
    """The options that say how labelled images are read."""

    classes: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(
            "--class",
            help="A class and its labels, 'name=label,label'; repeat. Else a class a label.",
        ),
    ] = None
    data_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where the table's paths start; else its own folder."),
    ] = None
    layout: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Of folders: 'label', 'location/label', 'location/camera/label' or 'split/label';"
            " else guessed, and said."
        ),
    ] = None
    multi: Annotated[
        str,
        typer.Option(
            help="An image of several classes: 'drop', 'first', 'largest-box', or 'multi' for one"
            " sample a box."
        ),
    ] = "drop"
    boxes: BoxesOption = None
    box_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Least confidence of a detector's box.")
    ] = 0.2
    box_unit: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of a table's boxes: 'relative' or 'pixels'."),
    ] = None
    use_split: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option(
            "--use-split/--no-use-split",
            help="Take the data's own split though it tears places, or never; else if it does not.",
        ),
    ] = None
    sequence_labels: Annotated[
        bool,
        typer.Option(
            "--sequence-labels/--no-sequence-labels",
            help="Take labels of whole bursts as those of each frame.",
        ),
    ] = False
    observation_level: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of Camtrap DP: 'media' or 'event'; else media where there are any."),
    ] = None
    tz: Annotated[str, typer.Option(help="Zone of times without one: Africa/Nairobi.")] = "UTC"
    time_offset: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Added to times: '-12h', or 'place=+1h30m' for one location; repeat."),
    ] = None
    mtime: Annotated[
        bool,
        typer.Option("--mtime/--no-mtime", help="Use files' own times where nothing else tells."),
    ] = False

    def fields(self) -> Given:
        """Return the fields of `ReadingOptions`.

        Raises:
            ConfigError: A class, layout or time offset is not written as it should be.
        """
        from edgeclip.labels.classes import parse_class_options
        from edgeclip.labels.reading import parse_layout, parse_time_offsets

        return {
            **vars(self),
            "classes": parse_class_options(self.classes or []),
            "layout": parse_layout(self.layout),
            "time_offset": parse_time_offsets(self.time_offset or []),
        }


def reading_arguments(source: Path, reading: Given, targets: Sequence[str] = ()) -> list[str]:
    """Return `--data` and the options that were given, a word each.

    Args:
        source: Is read.
        reading: What a command got.
        targets: Classes that were asked for.
    """
    words = ["--data", str(source)]
    for target in targets:
        words += ["--target", target]
    for name, labels in reading["classes"].items():
        words += ["--class", f"{name}={','.join(labels)}"]
    for place, seconds in reading["time_offset"].items():
        shift = f"{seconds:+.0f}s"
        words += [f"--time-offset={shift if place == '*' else f'{place}={shift}'}"]
    usual = {own.name: own.default for own in dataclasses.fields(ReadingGiven)}
    for name, value in reading.items():
        option = f"--{name.replace('_', '-')}"
        if name in ("classes", "time_offset") or value == usual[name]:
            continue
        if isinstance(value, bool):
            words.append(option if value else f"--no-{name.replace('_', '-')}")
        else:
            words += [option, str(value)]
    return words
