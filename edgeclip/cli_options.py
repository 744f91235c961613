"""Options that several commands of `edgeclip` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

ClassOption = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option(
        "--class",
        help="A class and its labels, 'name=label,label'; repeat. Without any, a class a label.",
    ),
]
TargetOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--target", help="A class to alert on; repeat. Without any, all but blank."),
]
DataDirOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="Where the table's paths start; else its own folder."),
]
LayoutOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Of folders: 'label' or 'location/label'; else guessed, and said."),
]
PretrainedOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="The backbone's weights: open_clip's tag, or a checkpoint file."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of split, views and training.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
